#include "boot/image_store.h"

#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "boot/action.h"
#include "crypto/hash.h"
#include "sys/files.h"
#include "wire/cpio.h"

namespace planetbox {
namespace {

constexpr uint64_t kMaxFile = uint64_t(16) << 30;
constexpr size_t kMaxFiles = 64;
constexpr std::string_view kIncoming = ".incoming-";
constexpr int64_t kIncomingAge = 3600;  // seconds; an import that takes longer is dead

Status sync_dir(const std::string& path) {
    const UniqueFd dir = TRY(open_file(path, O_RDONLY | O_DIRECTORY));
    return fsync(dir.get()) == 0 ? Status() : Status(fail_errno("fsync " + path));
}

Status check_import(const ImageImport& image) {
    if (!is_plain_word(image.version) || image.version == "latest")
        return fail(Code::kInvalid, "image version '" + printable(image.version) +
                                        "': letters, digits and . _ + -, and not 'latest'");
    if (!is_plain_word(image.name))
        return fail(Code::kInvalid,
                    "image name '" + printable(image.name) + "': letters, digits and . _ + -");
    if (image.files.empty()) return fail(Code::kInvalid, "an image needs files");
    if (image.files.size() > kMaxFiles) return fail(Code::kTooLarge, "more than 64 files");
    std::set<std::string_view> names;
    for (const auto& [name, path] : image.files) {
        if (!is_plain_word(name))
            return fail(Code::kInvalid,
                        "file name '" + printable(name) + "': letters, digits and . _ + -");
        if (!names.insert(name).second)
            return fail(Code::kInvalid, "file name '" + name + "' is given twice");
    }
    return check_cmdline(image.cmdline);
}

}  // namespace

std::string site_overlay(const SiteOverlay& site) {
    CpioWriter cpio(site.build_time);
    cpio.directory("etc");
    cpio.directory("etc/planetbox");
    cpio.file("etc/planetbox/ca.pem", site.ca_pem);
    if (!site.rescue_keys.empty()) cpio.file("etc/planetbox/rescue_keys", site.rescue_keys, 0600);
    cpio.file("etc/planetbox/build-time", strf("%lld\n", static_cast<long long>(site.build_time)));
    cpio.finish();
    return cpio.take();
}

std::string ImageStore::path_of(std::string_view version, std::string_view image) const {
    return str_cat(directory_, "/", version, "/", image);
}

Result<ImageFile> ImageStore::copy_file(const ImageImport& image, const std::string& name,
                                        const std::string& from, const std::string& into) {
    const UniqueFd source = TRY(open_file(from, O_RDONLY));
    const std::string path = into + "/" + name;
    const UniqueFd target = TRY(open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0644));
    Sha256 hash;
    uint64_t size = 0;
    const auto put = [&](std::string_view data) {
        hash.update(data);
        size += data.size();
        return write_all(target.get(), data);
    };
    std::vector<char> buffer(256 * 1024);
    for (;;) {
        const ssize_t count = read(source.get(), buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno(from);
        if (count == 0) break;
        if (size + size_t(count) > kMaxFile) return fail(Code::kTooLarge, from + ": above 16 GiB");
        TRY_CONTEXT(put({buffer.data(), size_t(count)}), path);
    }
    if (size == 0) return fail(Code::kInvalid, from + ": is empty");
    if (name == kInitramfsFile && !image.overlay.empty()) {
        TRY_CONTEXT(put(std::string(cpio_padding(size), '\0')), path);
        TRY_CONTEXT(put(image.overlay), path);
    }
    if (fsync(target.get()) != 0) return fail_errno("fsync " + path);
    return ImageFile{image.version, image.name, name, hash.finish_hex(), int64_t(size)};
}

Status ImageStore::copy_all(const ImageImport& image, const std::string& into,
                            std::vector<ImageFile>* files) {
    for (const auto& [name, path] : image.files)
        files->push_back(TRY(copy_file(image, name, path, into)));
    return sync_dir(into);
}

Status ImageStore::publish(const ImageImport& image, const std::string& from) {
    const std::string version_dir = directory_ + "/" + image.version;
    TRY(make_dirs(version_dir));
    const std::string target = path_of(image.version, image.name);
    TRY(remove_tree(target));  // no record knows it, so it is of an import that broke off
    if (rename(from.c_str(), target.c_str()) != 0) return fail_errno("rename to " + target);
    TRY(sync_dir(version_dir));
    return sync_dir(directory_);
}

Result<std::vector<ImageFile>> ImageStore::add(const ImageImport& image, int64_t now) {
    TRY(check_import(image));
    if (TRY(store_.find_image(image.version, image.name)))
        return fail(Code::kExists, "image " + image.name + " has a version " + image.version +
                                       " already, and versions do not change; choose another one");
    TRY(make_dirs(directory_));
    const std::string incoming = strf("%s/%s%d", directory_.c_str(), kIncoming.data(), getpid());
    TRY(remove_tree(incoming));
    TRY(make_dirs(incoming));
    std::vector<ImageFile> files;
    Status copied = copy_all(image, incoming, &files);
    if (copied) copied = publish(image, incoming);
    if (!copied) {
        (void)remove_tree(incoming);
        return fail(std::move(copied.error()));
    }
    Transaction transaction = TRY(Transaction::begin(store_.database()));
    TRY(store_.insert_image({image.version, image.name, image.cmdline, now}, files));
    if (image.activate) TRY(store_.activate_version(image.version, now));
    TRY(transaction.commit());
    return files;
}

Result<UniqueFd> ImageStore::open(const ImageFile& file) const {
    // The names come from our records, where add() has checked them.
    return open_file(path_of(file.version, file.image) + "/" + file.name, O_RDONLY | O_NOFOLLOW);
}

Result<std::vector<std::string>> ImageStore::check() {
    std::vector<std::string> problems;
    for (const ImageRecord& image : TRY(store_.list_images())) {
        for (const ImageFile& file : TRY(store_.image_files(image.version, image.name))) {
            const std::string path = path_of(file.version, file.image) + "/" + file.name;
            const Result<std::string> hash = sha256_file_hex(path);
            if (!hash)
                problems.push_back(hash.error().message());
            else if (*hash != file.sha256)
                problems.push_back(path + ": is not what was added (SHA-256 differs)");
        }
    }
    return problems;
}

Result<std::vector<std::string>> ImageStore::unused_versions(size_t keep) {
    std::set<std::string> needed = {TRY(store_.active_version())};
    for (const Host& host : TRY(store_.list_hosts())) needed.insert(host.images_version);
    std::vector<std::string> newest_first;
    const std::vector<ImageRecord> images = TRY(store_.list_images());
    for (auto image = images.rbegin(); image != images.rend(); ++image)
        if (std::ranges::find(newest_first, image->version) == newest_first.end())
            newest_first.push_back(image->version);
    std::vector<std::string> unused;
    for (size_t i = keep; i < newest_first.size(); ++i)
        if (!needed.contains(newest_first[i])) unused.push_back(newest_first[i]);
    return unused;
}

Status ImageStore::remove(std::string_view version) {
    if (!is_plain_word(version) || !TRY(store_.has_version(version)))
        return fail(Code::kNotFound, "there is no image version '" + printable(version) + "'");
    Transaction transaction = TRY(Transaction::begin(store_.database()));
    TRY(store_.delete_version(version));
    TRY(transaction.commit());
    return remove_tree(str_cat(directory_, "/", version));
}

Result<std::vector<std::string>> ImageStore::remove_leftovers(int64_t now) {
    std::vector<std::string> removed;
    if (!file_exists(directory_)) return removed;
    for (const std::string& name : TRY(list_dir(directory_))) {
        const std::string path = directory_ + "/" + name;
        struct stat status;
        if (lstat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) continue;
        const bool incoming = name.starts_with(kIncoming);
        // An import renames first and records after that; give it the time.
        if (status.st_mtime + kIncomingAge > now) continue;
        if (!incoming && TRY(store_.has_version(name))) continue;
        TRY(remove_tree(path));
        removed.push_back(name);
    }
    return removed;
}

}  // namespace planetbox
