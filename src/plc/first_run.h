// What the registry needs before anybody can use it: an administrator and, when asked, a site.
//
// Called by `up` at every start; a registry that has them is left alone.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/db.h"

namespace planetbox {

inline constexpr const char* kDefaultAdmin = "root@localhost.localdomain";  // as MyPLC named it

struct FirstRunRequest {
    std::string admin;                // e-mail; empty: kDefaultAdmin
    std::string admin_password_file;  // empty: a password is made
    std::string site;                 // login base; empty: none
};

struct FirstRunOutcome {
    std::string new_admin;           // the e-mail of the administrator that was made; else empty
    std::string generated_password;  // to be shown once; empty when it was given
    std::string new_site;            // the login base that was made; else empty
    std::vector<std::string> notes;  // what was asked for and not done, and why; warnings
};

// One transaction: all or nothing.  Reads the password file first, so that a mistake there changes
// nothing.
Result<FirstRunOutcome> ensure_first_run(Database& db, const Clock& clock,
                                         const FirstRunRequest& request);

// The password in a file: its first line.  Errors: empty, not text, longer than 1,024 bytes.  A
// file that others can read adds a warning.
Result<std::string> read_password_file(const std::string& path, std::vector<std::string>* warnings);

}  // namespace planetbox
