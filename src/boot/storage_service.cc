#include "boot/storage_service.h"

#include "base/log.h"
#include "base/strings.h"
#include "boot/file_answer.h"
#include "boot/route.h"
#include "crypto/hash.h"
#include "net/file_response.h"
#include "sys/files.h"

namespace planetbox {
namespace {

constexpr size_t kMaxAction = 1 << 20;

HttpResponse not_found(std::string_view what) {
    return HttpResponse::text(404, str_cat(what, "\n"));
}

bool is_action_name(std::string_view name) {
    return name.ends_with(".ipxe") || name.ends_with(".json");
}

// Nothing on the node's side vouches for an action but this connection, so a damaged one must not
// leave; kernel and initramfs are checked by whoever starts them.
HttpResponse damaged_action(const ImageFile& file) {
    const std::string place = str_cat(file.version, "/", file.image, "/", file.name);
    log_error("bootd", "an action on disk is not what was imported; not served", {{"file", place}});
    return HttpResponse::text(
        500, str_cat(place, " on the boot server is not what was imported (SHA-256); see there: ",
                     "bootadm image check\n"));
}

std::string storage_url(const std::string& base, std::string_view version, std::string_view image,
                        std::string_view file) {
    return str_cat(base, "/v1/storage/", version, "/", image, "/", file);
}

}  // namespace

StorageService::StorageService(std::string images_directory, BootStore& store,
                               std::unique_ptr<StorageProxy> proxy)
    : images_(std::move(images_directory), store), store_(store), proxy_(std::move(proxy)) {}

Status StorageService::refresh(int64_t data_version) {
    if (data_version == data_version_) return {};
    catalog_ = TRY_CONTEXT(ImageCatalog::load(store_), "read the image records");
    data_version_ = data_version;
    return {};
}

std::optional<StorageService::Place> StorageService::place_of(std::string_view path) const {
    const std::vector<std::string_view> pieces = split(path, '/');
    if (pieces.empty()) return std::nullopt;
    const std::string_view version = catalog_.resolve(pieces[0]);
    if (!catalog_.has_version(version)) return std::nullopt;
    if (pieces.size() != 3) return Place{version, {}, {}};
    return Place{version, pieces[1], pieces[2]};
}

void StorageService::serve(HttpRequest&& request, std::string_view path, const std::string& base,
                           HttpResponder responder) {
    if (!is_storage_path(path))
        return std::move(responder).reply(HttpResponse::text(400, "bad storage path\n"));
    const std::optional<Place> place = place_of(path);
    if (place) {
        Result<HttpResponse> response = from_image(request, *place, base);
        if (!response) {
            const bool missing = response.error().code() == Code::kNotFound;
            response = missing ? not_found(response.error().message())
                               : HttpResponse::text(500, "cannot read the image\n");
        }
        // An image of the same version may lie upstream, too.
        if (response->status != 404 || !proxy_)
            return std::move(responder).reply(std::move(*response));
    }
    if (!request.tls)
        return std::move(responder).reply(
            not_found("over plain HTTP only files of images are served"));
    if (proxy_) {
        const std::string upstream(path);
        return proxy_->serve(std::move(request), upstream, std::move(responder));
    }
    const std::string_view version = split(path, '/')[0];
    std::string why = version == "latest"
                          ? "no image version is active"
                          : str_cat("there is no image version '", printable(version, 64), "'");
    std::move(responder).reply(
        HttpResponse::text(501, why + " here, and no storage proxy is configured\n"));
}

Result<HttpResponse> StorageService::from_image(const HttpRequest& request, const Place& place,
                                                const std::string& base) {
    const CatalogImage* image = catalog_.image(place.version, place.image);
    if (!image)
        return not_found(str_cat("image version ", place.version, " has no image '",
                                 printable(place.image, 64), "'"));
    if (is_action_name(place.file) && !request.tls)
        return not_found("actions are served over HTTPS only");
    if (const ImageFile* file = image->file(place.file)) return from_file(request, *file, base);
    const bool bootable = image->file(kKernelFile) && image->file(kInitramfsFile);
    if (!bootable || !is_generated_action(place.file))
        return not_found(str_cat("image ", place.image, " ", place.version, " has no file '",
                                 printable(place.file, 64), "'"));
    std::string text = TRY(generate_action(place.file, action_input(place, *image, base)));
    return text_answer(request, std::move(text), content_type_of(place.file));
}

Result<HttpResponse> StorageService::from_file(const HttpRequest& request, const ImageFile& file,
                                               const std::string& base) {
    UniqueFd fd = TRY(images_.open(file));
    const bool action = is_action_name(file.name) && uint64_t(file.size) <= kMaxAction;
    if (!action)
        return serve_file(request, std::move(fd),
                          {file.sha256, WallTime(), std::string(content_type_of(file.name))});
    std::string text = TRY(read_fd(fd.get(), kMaxAction));
    if (sha256_hex(text) != file.sha256) return damaged_action(file);
    if (!file.name.ends_with(".json"))
        return text_answer(request, std::move(text), content_type_of(file.name));
    std::string filled =
        fill_action_hashes(text, [&](std::string_view url) { return hash_of_url(url, base); });
    return text_answer(request, std::move(filled), content_type_of(file.name));
}

ActionInput StorageService::action_input(const Place& place, const CatalogImage& image,
                                         const std::string& base) const {
    // Stage 3 may have an image of its own in the same version.
    const CatalogImage* source = &image;
    const CatalogImage* stage3 = catalog_.image(place.version, "stage3");
    if (place.file == "stage2to3.json" && stage3 && stage3->file(kKernelFile) &&
        stage3->file(kInitramfsFile))
        source = stage3;
    const auto action_file = [&](std::string_view name) {
        return ActionFile{storage_url(base, place.version, source->record.name, name),
                          source->file(name)->sha256};
    };
    return {std::string(place.version), source->record.name,         source->record.cmdline,
            action_file(kKernelFile),   action_file(kInitramfsFile), catalog_.extensions()};
}

std::optional<std::string> StorageService::hash_of_url(std::string_view url,
                                                       const std::string& base) const {
    const std::string prefix = base + "/v1/storage/";
    if (!url.starts_with(prefix)) return std::nullopt;
    const std::optional<Place> place = place_of(url.substr(prefix.size()));
    const CatalogImage* image = place ? catalog_.image(place->version, place->image) : nullptr;
    const ImageFile* file = image ? image->file(place->file) : nullptr;
    if (!file) return std::nullopt;
    return file->sha256;
}

}  // namespace planetbox
