#include "plc/first_run.h"

#include <sys/stat.h>

#include "crypto/hash.h"
#include "plc/registry_store.h"
#include "sys/files.h"

#include <doctest/doctest.h>

using namespace planetbox;

namespace {

struct Fixture {
    Fixture()
        : tmp(*TempDir::create()),
          clock(1'790'000'000),
          db(*Database::open(tmp.path() + "/state.db", plc_migrations())) {}
    std::string file(std::string_view content, mode_t mode = 0600) {
        std::string path = tmp.path() + "/password";
        REQUIRE(write_file_atomic(path, content, mode));
        return path;
    }
    Result<std::string> read(std::string_view content, mode_t mode = 0600) {
        warnings.clear();
        return read_password_file(file(content, mode), &warnings);
    }
    TempDir tmp;
    FakeClock clock;
    std::unique_ptr<Database> db;
    std::vector<std::string> warnings;
};

}  // namespace

TEST_CASE("a password file: first line only, and every kind of mistake is named") {
    Fixture f;
    CHECK(*f.read("correct horse battery\nignored\n") == "correct horse battery");
    CHECK(f.warnings.empty());
    CHECK(*f.read("with return\r\n") == "with return");
    CHECK(*f.read("no newline at all") == "no newline at all");
    for (std::string_view bad : {"", "\n", "   \n", "\nsecond line", "a\tb\n", "\xff\xfe"})
        CHECK_FALSE(f.read(bad));
    CHECK(f.read(std::string(2000, 'x')).error().code() == Code::kTooLarge);
    CHECK(f.read("long enough password", 0644));
    REQUIRE(f.warnings.size() == 1);
    CHECK(f.warnings[0].find("chmod 600") != std::string::npos);
    CHECK(f.read("short"));
    CHECK(f.warnings.size() == 1);
    Result<std::string> missing = read_password_file(f.tmp.path() + "/none", &f.warnings);
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code() == Code::kNotFound);
}

TEST_CASE("the first administrator can log in, and is made once") {
    Fixture f;
    FirstRunRequest request{"Boss@Example.org", f.file("long enough password"), "demo"};
    Result<FirstRunOutcome> made = ensure_first_run(*f.db, f.clock, request);
    REQUIRE_MESSAGE(made, made.error().message());
    CHECK(made->new_admin == "boss@example.org");
    CHECK(made->generated_password.empty());
    CHECK(made->new_site == "demo");
    RegistryStore registry(*f.db, f.clock);
    CHECK(*registry.count_with_role(Role::kAdmin) == 1);
    std::optional<std::string> hash = *registry.password_hash("BOSS@example.org");
    REQUIRE(hash);
    CHECK(verify_password("long enough password", *hash));
    CHECK(hash->find("long enough") == std::string::npos);

    Result<FirstRunOutcome> again = ensure_first_run(*f.db, f.clock, request);
    REQUIRE(again);
    CHECK(again->new_admin.empty());
    CHECK(again->new_site.empty());
    CHECK(again->notes.empty());
    request.admin = "other@example.org";
    again = ensure_first_run(*f.db, f.clock, request);
    REQUIRE(again);
    CHECK(again->notes.size() == 1);  // it is said that nothing was done
    CHECK(*registry.count_with_role(Role::kAdmin) == 1);
}

TEST_CASE("a generated password is the one that was stored, and differs each time") {
    Fixture a, b;
    Result<FirstRunOutcome> first = ensure_first_run(*a.db, a.clock, {});
    Result<FirstRunOutcome> second = ensure_first_run(*b.db, b.clock, {});
    REQUIRE(first);
    REQUIRE(second);
    CHECK(first->generated_password != second->generated_password);
    CHECK(first->generated_password.size() >= 20);
    RegistryStore registry(*a.db, a.clock);
    CHECK(verify_password(first->generated_password, **registry.password_hash(kDefaultAdmin)));
}

TEST_CASE("a mistake in one part makes none of the others") {
    Fixture f;
    RegistryStore registry(*f.db, f.clock);
    CHECK_FALSE(ensure_first_run(*f.db, f.clock, {"", "", "Not A Base"}));
    CHECK_FALSE(ensure_first_run(*f.db, f.clock, {"", f.file(""), "demo"}));
    CHECK(*registry.count_with_role(Role::kAdmin) == 0);
    CHECK_FALSE(registry.find_site("demo")->has_value());
}

TEST_CASE("login bases: what would make a bad account name is refused") {
    for (const char* good : {"a", "princeton", "uw.cs", "site01"}) CHECK(check_login_base(good));
    for (const char* bad : {"", "1a", "A", "a_b", "a-b", "a.", ".a", "a..b", "a b"})
        CHECK_FALSE(check_login_base(bad));
    CHECK(check_login_base(std::string(32, 'a')));
    CHECK_FALSE(check_login_base(std::string(33, 'a')));
}

TEST_CASE("the first site of a person is their primary one") {
    Fixture f;
    RegistryStore registry(*f.db, f.clock);
    int64_t person = *registry.add_person({"A", "B", "a@b.c", "hash", true});
    int64_t one = *registry.add_site("one", "One");
    int64_t two = *registry.add_site("two", "Two");
    REQUIRE(registry.add_person_to_site(person, two));
    REQUIRE(registry.add_person_to_site(person, one));
    REQUIRE(registry.add_person_to_site(person, two));
    Statement s = *f.db->prepare("SELECT site_id FROM person_site WHERE is_primary = 1");
    REQUIRE(*s.step());
    CHECK(s.int64(0) == two);
    CHECK_FALSE(*s.step());
}
