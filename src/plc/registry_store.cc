#include "plc/registry_store.h"

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace planetbox {

namespace {

// Times are Unix seconds, as the API shows them.
constexpr const char* kFirstTables = R"sql(
CREATE TABLE person (
    person_id INTEGER PRIMARY KEY AUTOINCREMENT,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    email TEXT NOT NULL UNIQUE,
    enabled INTEGER NOT NULL DEFAULT 0,
    password TEXT NOT NULL,
    date_created INTEGER NOT NULL,
    last_updated INTEGER NOT NULL
) STRICT;
CREATE TABLE site (
    site_id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    abbreviated_name TEXT NOT NULL,
    login_base TEXT NOT NULL UNIQUE,
    is_public INTEGER NOT NULL DEFAULT 1,
    enabled INTEGER NOT NULL DEFAULT 1,
    max_slices INTEGER NOT NULL DEFAULT 0,
    date_created INTEGER NOT NULL,
    last_updated INTEGER NOT NULL
) STRICT;
CREATE TABLE role (
    role_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
INSERT INTO role (role_id, name) VALUES (10, 'admin'), (20, 'pi'), (30, 'user'), (40, 'tech');
CREATE TABLE person_role (
    person_id INTEGER NOT NULL REFERENCES person ON DELETE CASCADE,
    role_id INTEGER NOT NULL REFERENCES role,
    PRIMARY KEY (person_id, role_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE person_site (
    person_id INTEGER NOT NULL REFERENCES person ON DELETE CASCADE,
    site_id INTEGER NOT NULL REFERENCES site ON DELETE CASCADE,
    is_primary INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (person_id, site_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX person_site_by_site ON person_site (site_id);
)sql";

constexpr std::array<Migration, 1> kMigrations = {{{30, kFirstTables}}};

}  // namespace

std::span<const Migration> plc_migrations() { return kMigrations; }

Status check_login_base(std::string_view text) {
    auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
    bool good = !text.empty() && text.size() <= 32 && is_letter(text.front()) &&
                text.back() != '.' && text.find("..") == text.npos &&
                std::all_of(text.begin(), text.end(), [&](char c) {
                    return is_letter(c) || (c >= '0' && c <= '9') || c == '.';
                });
    if (good) return {};
    return fail(Code::kInvalid,
                str_cat("'", printable(text, 60),
                        "' is no login base; it has 1-32 lower-case letters, digits and dots, "
                        "a letter first"));
}

Result<int64_t> RegistryStore::count_with_role(Role role) {
    Statement s = TRY(db_.prepare("SELECT COUNT(*) FROM person_role WHERE role_id = ?"));
    TRY(s.bind(1, static_cast<int64_t>(role)));
    TRY(s.step());
    return s.int64(0);
}

Result<std::optional<Person>> RegistryStore::find_person(std::string_view email) {
    Statement s = TRY(db_.prepare(
        "SELECT person_id, first_name, last_name, email, enabled FROM person WHERE email = ?"));
    TRY(s.bind(1, lower_ascii(email)));
    if (!TRY(s.step())) return std::nullopt;
    return Person{s.int64(0), s.text(1), s.text(2), s.text(3), s.int64(4) != 0};
}

Result<int64_t> RegistryStore::add_person(const NewPerson& person) {
    if (TRY(find_person(person.email)))
        return fail(Code::kExists, str_cat("there is a person with the address ", person.email));
    int64_t now = unix_seconds(clock_.wall());
    Statement s = TRY(db_.prepare(
        "INSERT INTO person (first_name, last_name, email, password, enabled, date_created, "
        "last_updated) VALUES (?, ?, ?, ?, ?, ?, ?)"));
    TRY(s.bind_all(person.first_name, person.last_name, lower_ascii(person.email),
                   person.password_hash, person.enabled, now, now));
    TRY(s.run());
    return db_.last_insert_id();
}

Status RegistryStore::add_role(int64_t person_id, Role role) {
    Statement s = TRY(db_.prepare(
        "INSERT INTO person_role (person_id, role_id) VALUES (?, ?) ON CONFLICT DO NOTHING"));
    TRY(s.bind_all(person_id, static_cast<int64_t>(role)));
    return s.run();
}

Result<std::optional<std::string>> RegistryStore::password_hash(std::string_view email) {
    Statement s = TRY(db_.prepare("SELECT password FROM person WHERE email = ? AND enabled = 1"));
    TRY(s.bind(1, lower_ascii(email)));
    if (!TRY(s.step())) return std::nullopt;
    return s.text(0);
}

Result<std::optional<Site>> RegistryStore::find_site(std::string_view login_base) {
    Statement s = TRY(
        db_.prepare("SELECT site_id, name, login_base, enabled FROM site WHERE login_base = ?"));
    TRY(s.bind(1, login_base));
    if (!TRY(s.step())) return std::nullopt;
    return Site{s.int64(0), s.text(1), s.text(2), s.int64(3) != 0};
}

Result<int64_t> RegistryStore::add_site(std::string_view login_base, std::string_view name) {
    TRY(check_login_base(login_base));
    if (TRY(find_site(login_base)))
        return fail(Code::kExists, str_cat("there is a site with the login base ", login_base));
    int64_t now = unix_seconds(clock_.wall());
    Statement s =
        TRY(db_.prepare("INSERT INTO site (name, abbreviated_name, login_base, date_created, "
                        "last_updated) VALUES (?, ?, ?, ?, ?)"));
    TRY(s.bind_all(name, login_base, login_base, now, now));
    TRY(s.run());
    return db_.last_insert_id();
}

Status RegistryStore::add_person_to_site(int64_t person_id, int64_t site_id) {
    // The first site of a person is their primary one.
    Statement s =
        TRY(db_.prepare("INSERT INTO person_site (person_id, site_id, is_primary) VALUES (?1, ?2, "
                        "NOT EXISTS (SELECT 1 FROM person_site WHERE person_id = ?1)) "
                        "ON CONFLICT DO NOTHING"));
    TRY(s.bind_all(person_id, site_id));
    return s.run();
}

}  // namespace planetbox
