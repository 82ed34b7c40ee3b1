// bootadm's verbs about images and extensions.
#include <stdio.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/json.h"
#include "base/strings.h"
#include "boot/action.h"
#include "boot/image_store.h"
#include "bootadm.h"
#include "crypto/random.h"
#include "net/http_message.h"
#include "sys/files.h"
#include "table.h"

namespace planetbox {
namespace {

constexpr size_t kMaxSmallFile = 1 << 20;

Result<std::string> read_overlay(Bootadm& adm, const ImageOptions& o) {
    SiteOverlay site;
    site.ca_pem = TRY_CONTEXT(read_file(adm.state.ca_cert(), kMaxSmallFile),
                              "the site's CA; run 'planetbox up' first, or give --no-overlay");
    const std::string keys = adm.state.path() + "/rescue_keys";
    if (!o.rescue_keys.empty())
        site.rescue_keys = TRY_CONTEXT(read_file(o.rescue_keys, kMaxSmallFile), "--rescue-keys");
    else if (file_exists(keys))
        site.rescue_keys = TRY(read_file(keys, kMaxSmallFile));
    site.build_time = adm.now;
    return site_overlay(site);
}

Result<ImageImport> make_import(Bootadm& adm, const ImageOptions& o) {
    ImageImport image;
    image.version = o.version;
    image.name = o.name;
    image.cmdline = std::string(trim(o.cmdline));
    image.activate = o.activate;
    if (!o.kernel.empty()) image.files.emplace_back(kKernelFile, o.kernel);
    if (!o.initramfs.empty()) image.files.emplace_back(kInitramfsFile, o.initramfs);
    for (const std::string& file : o.files) {
        const auto pair = split_once(file, '=');
        if (!pair)
            return fail(Code::kInvalid, "--file '" + printable(file) + "': must be NAME=PATH");
        image.files.emplace_back(pair->first, pair->second);
    }
    const bool bootable = std::ranges::any_of(
        image.files, [](const auto& file) { return file.first == kInitramfsFile; });
    if (bootable && !o.no_overlay) image.overlay = TRY(read_overlay(adm, o));
    return image;
}

void write_image(json::Writer& writer, const ImageRecord& image,
                 const std::vector<ImageFile>& files, bool active) {
    writer.begin_object().field("version", image.version).field("name", image.name);
    writer.field("active", active).field("cmdline", image.cmdline);
    writer.field("added", rfc3339(from_unix_seconds(image.added))).key("files").begin_array();
    for (const ImageFile& file : files) {
        writer.begin_object().field("name", file.name).field("sha256", file.sha256);
        writer.field("size", file.size).end_object();
    }
    writer.end_array().end_object();
}

void say_version(const Bootadm& adm, const char* did, const std::string& version) {
    if (adm.json)
        printf("%s\n",
               json::Writer().begin_object().field(did, version).end_object().text().c_str());
    else
        printf("%s %s\n", did, version.c_str());
}

}  // namespace

Status add_image(Bootadm& adm, const ImageOptions& o) {
    const ImageImport image = TRY(make_import(adm, o));
    ImageStore images(adm.state.images(), *adm.store);
    const std::vector<ImageFile> files = TRY(images.add(image, adm.now));
    if (adm.json) {
        json::Writer writer;
        write_image(writer, {image.version, image.name, image.cmdline, adm.now}, files, o.activate);
        printf("%s\n", writer.text().c_str());
        return {};
    }
    for (const ImageFile& file : files)
        printf("added %s/%s/%s  %s  %s\n", file.version.c_str(), file.image.c_str(),
               file.name.c_str(), human_bytes(uint64_t(file.size)).c_str(), file.sha256.c_str());
    if (o.activate)
        printf("active %s\n", o.version.c_str());
    else
        printf("not active; 'bootadm image activate %s' makes it 'latest'\n", o.version.c_str());
    return {};
}

Status list_images(Bootadm& adm) {
    const std::string active = TRY(adm.store->active_version());
    json::Writer writer(4);
    writer.begin_array();
    Table table({"VERSION", "IMAGE", "ACTIVE", "ADDED", "FILE", "SIZE", "SHA-256"});
    for (const ImageRecord& image : TRY(adm.store->list_images())) {
        const std::vector<ImageFile> files = TRY(adm.store->image_files(image.version, image.name));
        write_image(writer, image, files, image.version == active);
        for (const ImageFile& file : files)
            table.add({file.version, file.image, image.version == active ? "yes" : "no",
                       rfc3339(from_unix_seconds(image.added)).substr(0, 10), file.name,
                       human_bytes(uint64_t(file.size)), file.sha256.substr(0, 16) + "…"});
    }
    writer.end_array();
    if (adm.json)
        printf("%s\n", writer.text().c_str());
    else
        fputs(table.text().c_str(), stdout);
    return {};
}

Status activate_image(Bootadm& adm, const std::string& version) {
    Transaction transaction = TRY(Transaction::begin(*adm.db));
    if (!TRY(adm.store->has_version(version)))
        return fail(Code::kNotFound, "there is no image version '" + printable(version) +
                                         "'; 'bootadm image list' names all");
    TRY(adm.store->activate_version(version, adm.now));
    TRY(transaction.commit());
    say_version(adm, "active", version);
    return {};
}

Status roll_back_image(Bootadm& adm) {
    Transaction transaction = TRY(Transaction::begin(*adm.db));
    const std::string version = TRY(adm.store->roll_back());
    TRY(transaction.commit());
    say_version(adm, "active", version);
    return {};
}

Status collect_images(Bootadm& adm, const ImageOptions& o) {
    ImageStore images(adm.state.images(), *adm.store);
    std::vector<std::string> gone = TRY(images.unused_versions(size_t(o.keep)));
    if (!o.dry_run) {
        for (const std::string& version : gone) TRY(images.remove(version));
        for (std::string& name : TRY(images.remove_leftovers(adm.now)))
            gone.push_back(std::move(name));
    }
    if (adm.json) {
        json::Writer writer;
        writer.begin_object().key("removed").begin_array();
        for (const std::string& name : gone) writer.string(name);
        writer.end_array().end_object();
        printf("%s\n", writer.text().c_str());
        return {};
    }
    for (const std::string& name : gone)
        printf("%s %s\n", o.dry_run ? "would remove" : "removed", name.c_str());
    return {};
}

Status check_images(Bootadm& adm) {
    ImageStore images(adm.state.images(), *adm.store);
    const std::vector<std::string> problems = TRY(images.check());
    for (const std::string& problem : problems) fprintf(stderr, "%s\n", problem.c_str());
    if (!problems.empty())
        return fail(
            Code::kInvalid,
            strf("%zu files are damaged; add the image anew as another version", problems.size()));
    puts(adm.json ? "{\"damaged\":0}" : "every file is what was added");
    return {};
}

Status add_extension(Bootadm& adm, const ExtensionOptions& o) {
    if (!is_plain_word(o.name))
        return fail(Code::kInvalid,
                    "extension '" + printable(o.name) + "': letters, digits and . _ + -");
    if (o.url.empty() == o.command.empty())
        return fail(Code::kInvalid, "give either --url or --command");
    if (!o.url.empty()) TRY(parse_url(o.url));
    ExtensionRecord record;
    record.name = o.name;
    record.url = o.url;
    record.argv = o.command;
    record.deadline_ms = o.deadline.count();
    record.max_age = o.max_age.count() / 1000;
    record.secret = base64url(as_bytes(random_bytes(32)));
    Transaction transaction = TRY(Transaction::begin(*adm.db));
    // A secret that another service knows already stays.
    for (const ExtensionRecord& known : TRY(adm.store->list_extensions()))
        if (known.name == o.name) record.secret = known.secret;
    TRY(adm.store->put_extension(record));
    TRY(transaction.commit());
    say_version(adm, "added", o.name);
    return {};
}

Status list_extensions(Bootadm& adm, const ExtensionOptions& o) {
    Table table({"NAME", "ASKS", "DEADLINE", "SECRET"});
    json::Writer writer(4);
    writer.begin_array();
    for (const ExtensionRecord& extension : TRY(adm.store->list_extensions())) {
        const std::string asks = extension.url.empty() ? join(extension.argv, " ") : extension.url;
        table.add({extension.name, asks, human_duration(Millis(extension.deadline_ms)),
                   o.show_secret ? extension.secret : "(--show-secret)"});
        writer.begin_object().field("name", extension.name).field("url", extension.url);
        writer.key("command").begin_array();
        for (const std::string& word : extension.argv) writer.string(word);
        writer.end_array().field("deadline_ms", extension.deadline_ms);
        writer.field("max_age_s", extension.max_age);
        if (o.show_secret) writer.field("secret", extension.secret);
        writer.end_object();
    }
    writer.end_array();
    if (adm.json)
        printf("%s\n", writer.text().c_str());
    else
        fputs(table.text().c_str(), stdout);
    return {};
}

Status delete_extension(Bootadm& adm, const std::string& name) {
    Transaction transaction = TRY(Transaction::begin(*adm.db));
    TRY(adm.store->delete_extension(name));
    TRY(transaction.commit());
    say_version(adm, "deleted", name);
    return {};
}

}  // namespace planetbox
