// People and sites, as PlanetLab's registry names them: the tables person, site, role, person_role
// and person_site.  The SQL of these tables is in registry_store.cc and nowhere else.
//
// Called by `up` for the first administrator and for --site.  Each call is one statement; the
// caller makes the transaction.  It may wait up to the database's lock limit for another writer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "store/db.h"

namespace planetbox {

std::span<const Migration> plc_migrations();

// PlanetLab's numbers of the roles.
enum class Role { kAdmin = 10, kPi = 20, kUser = 30, kTech = 40 };

struct Person {
    int64_t person_id = 0;
    std::string first_name;
    std::string last_name;
    std::string email;  // lower case, unique
    bool enabled = false;
};

struct NewPerson {
    std::string first_name;
    std::string last_name;
    std::string email;
    std::string password_hash;  // crypto/hash.h hash_password
    bool enabled = false;
};

struct Site {
    int64_t site_id = 0;
    std::string name;
    std::string login_base;
    bool enabled = true;
};

class RegistryStore {
public:
    RegistryStore(Database& db, const Clock& clock) : db_(db), clock_(clock) {}

    Result<int64_t> count_with_role(Role role);
    Result<std::optional<Person>> find_person(std::string_view email);
    // kExists when the e-mail address is taken.
    Result<int64_t> add_person(const NewPerson& person);
    Status add_role(int64_t person_id, Role role);  // twice is success
    // The stored hash; nullopt when there is no such person or they are not enabled.
    Result<std::optional<std::string>> password_hash(std::string_view email);

    Result<std::optional<Site>> find_site(std::string_view login_base);
    // kInvalid for a bad login base, kExists for a taken one.
    Result<int64_t> add_site(std::string_view login_base, std::string_view name);
    Status add_person_to_site(int64_t person_id, int64_t site_id);  // twice is success

private:
    Database& db_;
    const Clock& clock_;
};

// Lower-case letters, digits and dots, 1 to 32 of them, a letter first: it begins every slice name
// and so every account name on the nodes.
Status check_login_base(std::string_view login_base);

}  // namespace planetbox
