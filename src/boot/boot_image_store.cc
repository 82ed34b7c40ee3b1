// Records of images, of which version is active, and of extensions.
#include "base/json.h"
#include "base/strings.h"
#include "boot/boot_store.h"

namespace planetbox {

Status BootStore::insert_image(const ImageRecord& image, const std::vector<ImageFile>& files) {
    {
        Statement insert = TRY(db_.prepare(
            "INSERT INTO image (version, name, cmdline, added) VALUES (?1, ?2, ?3, ?4)"));
        TRY(insert.bind_all(image.version, image.name, image.cmdline, image.added));
        TRY(insert.run());
    }
    for (const ImageFile& file : files) {
        Statement insert =
            TRY(db_.prepare("INSERT INTO image_file (version, image, name, sha256, size) "
                            "VALUES (?1, ?2, ?3, ?4, ?5)"));
        TRY(insert.bind_all(image.version, image.name, file.name, file.sha256, file.size));
        TRY(insert.run());
    }
    return {};
}

Result<std::vector<ImageRecord>> BootStore::list_images() {
    Statement row = TRY(db_.prepare(
        "SELECT version, name, cmdline, added FROM image ORDER BY added, version, name"));
    std::vector<ImageRecord> images;
    while (TRY(row.step())) images.push_back({row.text(0), row.text(1), row.text(2), row.int64(3)});
    return images;
}

Result<std::optional<ImageRecord>> BootStore::find_image(std::string_view version,
                                                         std::string_view name) {
    Statement row = TRY(db_.prepare(
        "SELECT version, name, cmdline, added FROM image WHERE version = ?1 AND name = ?2"));
    TRY(row.bind_all(version, name));
    if (!TRY(row.step())) return std::optional<ImageRecord>();
    return std::optional<ImageRecord>({row.text(0), row.text(1), row.text(2), row.int64(3)});
}

Result<std::vector<ImageFile>> BootStore::image_files(std::string_view version,
                                                      std::string_view name) {
    Statement row =
        TRY(db_.prepare("SELECT version, image, name, sha256, size FROM image_file "
                        "WHERE version = ?1 AND image = ?2 ORDER BY name"));
    TRY(row.bind_all(version, name));
    std::vector<ImageFile> files;
    while (TRY(row.step()))
        files.push_back({row.text(0), row.text(1), row.text(2), row.text(3), row.int64(4)});
    return files;
}

Result<bool> BootStore::has_version(std::string_view version) {
    Statement row = TRY(db_.prepare("SELECT 1 FROM image WHERE version = ? LIMIT 1"));
    TRY(row.bind(1, version));
    return row.step();
}

Status BootStore::delete_version(std::string_view version) {
    Statement statement = TRY(db_.prepare("DELETE FROM image WHERE version = ?"));
    TRY(statement.bind(1, version));
    return statement.run();
}

Result<std::string> BootStore::active_version() {
    Statement row = TRY(db_.prepare(
        "SELECT a.version FROM image_activation a WHERE EXISTS "
        "(SELECT 1 FROM image i WHERE i.version = a.version) ORDER BY a.id DESC LIMIT 1"));
    return TRY(row.step()) ? row.text(0) : std::string();
}

Status BootStore::activate_version(std::string_view version, int64_t now) {
    Statement insert =
        TRY(db_.prepare("INSERT INTO image_activation (version, at) VALUES (?1, ?2)"));
    TRY(insert.bind_all(version, now));
    return insert.run();
}

Result<std::string> BootStore::roll_back() {
    const std::string active = TRY(active_version());
    int64_t keep = 0;
    std::string previous;
    {
        Statement row = TRY(db_.prepare(
            "SELECT a.id, a.version FROM image_activation a WHERE a.version <> ?1 AND EXISTS "
            "(SELECT 1 FROM image i WHERE i.version = a.version) ORDER BY a.id DESC LIMIT 1"));
        TRY(row.bind(1, active));
        if (!TRY(row.step()))
            return fail(Code::kNotFound,
                        "no other version was active before; choose one with 'image activate'");
        keep = row.int64(0);
        previous = row.text(1);
    }
    Statement drop = TRY(db_.prepare("DELETE FROM image_activation WHERE id > ?"));
    TRY(drop.bind(1, keep));
    TRY(drop.run());
    return previous;
}

Status BootStore::put_extension(const ExtensionRecord& extension) {
    json::Writer argv;
    argv.begin_array();
    for (const std::string& word : extension.argv) argv.string(word);
    argv.end_array();
    Statement put = TRY(db_.prepare(
        "INSERT OR REPLACE INTO boot_extension (name, url, argv, deadline_ms, max_age, secret) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6)"));
    TRY(put.bind_all(extension.name, extension.url, argv.text(), extension.deadline_ms,
                     extension.max_age, extension.secret));
    return put.run();
}

Status BootStore::delete_extension(std::string_view name) {
    Statement statement = TRY(db_.prepare("DELETE FROM boot_extension WHERE name = ?"));
    TRY(statement.bind(1, name));
    TRY(statement.run());
    if (db_.changes() > 0) return {};
    return fail(Code::kNotFound, str_cat("there is no extension '", printable(name), "'"));
}

Result<std::vector<ExtensionRecord>> BootStore::list_extensions() {
    Statement row = TRY(db_.prepare(
        "SELECT name, url, argv, deadline_ms, max_age, secret FROM boot_extension ORDER BY name"));
    std::vector<ExtensionRecord> extensions;
    while (TRY(row.step())) {
        ExtensionRecord extension{row.text(0),  row.text(1),  {},
                                  row.int64(3), row.int64(4), row.text(5)};
        const json::Document argv = TRY(json::parse(row.text(2)));
        for (json::Value word : argv.root().items())
            extension.argv.emplace_back(word.string_or(""));
        extensions.push_back(std::move(extension));
    }
    return extensions;
}

}  // namespace planetbox
