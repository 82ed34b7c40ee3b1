#include "plc/first_run.h"

#include <sys/stat.h>

#include "base/strings.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "plc/registry_store.h"
#include "sys/files.h"

namespace planetbox {

namespace {

constexpr size_t kPasswordLimit = 1024;
constexpr size_t kShortPassword = 10;

struct Password {
    std::string text;
    bool generated;
};

Result<Password> choose_password(const std::string& file, std::vector<std::string>* notes) {
    if (file.empty()) return Password{random_password(), true};
    return Password{TRY_CONTEXT(read_password_file(file, notes), "password file"), false};
}

Status make_admin(RegistryStore& registry, const std::string& email, const std::string& hash) {
    NewPerson person;
    person.first_name = "First";
    person.last_name = "Administrator";
    person.email = email;
    person.password_hash = hash;
    person.enabled = true;
    int64_t id = TRY(registry.add_person(person));
    return registry.add_role(id, Role::kAdmin);
}

}  // namespace

Result<std::string> read_password_file(const std::string& path,
                                       std::vector<std::string>* warnings) {
    UniqueFd fd = TRY(open_file(path, O_RDONLY));
    struct stat info{};
    if (::fstat(fd.get(), &info) < 0) return fail_errno(path);
    std::string text = TRY_CONTEXT(read_fd(fd.get(), kPasswordLimit), path);
    std::string_view password = split(text, '\n').front();
    if (password.ends_with('\r')) password.remove_suffix(1);
    if (trim(password).empty())
        return fail(Code::kInvalid, str_cat(path, ": its first line holds no password"));
    if (!is_utf8(password)) return fail(Code::kInvalid, str_cat(path, ": is not text (UTF-8)"));
    for (char c : password)
        if (static_cast<unsigned char>(c) < ' ' || c == 0x7f)
            return fail(Code::kInvalid, str_cat(path, ": the password holds a control character"));
    if (S_ISREG(info.st_mode) && (info.st_mode & 0044) != 0)
        warnings->push_back(strf("%s can be read by others (mode %04o); chmod 600 it", path.c_str(),
                                 info.st_mode & 0777));
    if (password.size() < kShortPassword)
        warnings->push_back(
            strf("the password in %s has only %zu characters", path.c_str(), password.size()));
    return std::string(password);
}

Result<FirstRunOutcome> ensure_first_run(Database& db, const Clock& clock,
                                         const FirstRunRequest& request) {
    FirstRunOutcome outcome;
    RegistryStore registry(db, clock);
    if (!request.site.empty()) TRY_CONTEXT(check_login_base(request.site), "--site");
    const bool needs_admin = TRY(registry.count_with_role(Role::kAdmin)) == 0;
    const std::string email = request.admin.empty() ? kDefaultAdmin : lower_ascii(request.admin);
    std::string hash, generated;
    if (needs_admin) {
        // Hashing takes a while on purpose, so it happens before the write lock is taken.
        Password password = TRY(choose_password(request.admin_password_file, &outcome.notes));
        hash = hash_password(password.text);
        if (password.generated) generated = std::move(password.text);
    } else if (!request.admin.empty() && !TRY(registry.find_person(email))) {
        outcome.notes.push_back(str_cat("--admin ", email,
                                        " was not made: there is an administrator already, and "
                                        "only the first one is made here"));
    }

    const bool needs_site = !request.site.empty() && !TRY(registry.find_site(request.site));
    if (!needs_admin && !needs_site) return outcome;
    Transaction transaction = TRY(Transaction::begin(db));
    if (needs_admin) TRY_CONTEXT(make_admin(registry, email, hash), "make the administrator");
    if (needs_site) {
        int64_t site = TRY_CONTEXT(registry.add_site(request.site, request.site), "make the site");
        if (std::optional<Person> admin = TRY(registry.find_person(email)))
            TRY(registry.add_person_to_site(admin->person_id, site));
    }
    TRY(transaction.commit());
    if (needs_admin) {
        outcome.new_admin = email;
        outcome.generated_password = std::move(generated);
    }
    if (needs_site) outcome.new_site = request.site;
    return outcome;
}

}  // namespace planetbox
