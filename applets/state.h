// How every applet on the central server opens the state: one database, one ordered list of schema
// steps over all domains.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/db.h"

namespace planetbox {

// The schema steps of all domains in the order of their ids.
std::vector<Migration> all_migrations();

enum class StateAccess {
    kCreate,    // `up`: makes state.db when it is not there
    kExisting,  // everybody else: it must be there; missing schema steps are applied
    kReadOnly,  // neither makes nor changes anything
};

// Opens STATE/state.db.  Errors name the file and the remedy: no state there, no permission,
// written by a newer planetbox, damaged.
Result<std::unique_ptr<Database>> open_state(const std::string& state_dir,
                                             StateAccess access = StateAccess::kExisting);

// Where machines reach the boot server, as `up` was told: "https://boot.example:4430".  nullopt
// before the first `up` on this state.
Result<std::optional<std::string>> stored_boot_url(Database& db, const std::string& state_dir);

}  // namespace planetbox
