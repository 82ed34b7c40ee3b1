#include "state.h"

#include <algorithm>

#include "base/strings.h"
#include "boot/boot_store.h"
#include "central/config.h"
#include "central/settings_store.h"
#include "central/state_dir.h"
#include "central/trust.h"
#include "plc/registry_store.h"
#include "sys/files.h"

namespace planetbox {

std::vector<Migration> all_migrations() {
    std::vector<Migration> all;
    for (std::span<const Migration> domain :
         {central_migrations(), plc_migrations(), boot_migrations()})
        all.insert(all.end(), domain.begin(), domain.end());
    std::sort(all.begin(), all.end(),
              [](const Migration& a, const Migration& b) { return a.id < b.id; });
    for (size_t i = 1; i < all.size(); ++i) CHECK(all[i - 1].id < all[i].id);
    return all;
}

Result<std::unique_ptr<Database>> open_state(const std::string& state_dir, StateAccess access) {
    StateDir state(state_dir);
    if (access != StateAccess::kCreate && ::access(state.database().c_str(), F_OK) < 0) {
        if (errno != ENOENT) return fail(sys_error(state.database()));
        return fail(Code::kNotFound,
                    str_cat(state.path(), ": holds no planetbox state; 'planetbox up --state ",
                            state.path(), "' makes one, or give --state another directory"));
    }
    // Of a database that is there SQLite itself takes care: root's files beside it get its owner.
    ActAsOwner acting = TRY(ActAsOwner::of(state));
    return Database::open(state.database(), all_migrations(), access == StateAccess::kReadOnly);
}

Result<std::optional<std::string>> stored_boot_url(Database& db, const std::string& state_dir) {
    StateDir state(state_dir);
    Settings settings;
    SettingsStore store(db);
    TRY(store.load(settings));
    settings.add_defaults();
    UpConfig config = TRY_CONTEXT(resolve_settings(settings), "stored settings");
    std::vector<std::string> names =
        config.names.empty() ? present_server_names(state) : config.names;
    if (names.empty()) return std::nullopt;
    return base_url(names.front(), config.boot_port);
}

}  // namespace planetbox
