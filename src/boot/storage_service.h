// GET /v1/storage/{path}: files of our images, actions made from them, and, behind those, the
// storage proxy.
//
//     VERSION/IMAGE/FILE   VERSION may be "latest".  A file of the image's records; else, for an
//     image with kernel
//                          and initramfs, a generated action; else 404.
//     anything else        the upstream's, when a prefix is configured; else 501, as ePoxy answers.
//
// Asks for no proof from the caller, as ePoxy: what lies here is no secret, and what is booted is
// verified by the SHA-256 in the action.  Over plain HTTP only such files are handed out, no action
// and nothing from upstream.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "boot/action.h"
#include "boot/image_catalog.h"
#include "boot/image_store.h"
#include "boot/storage_proxy.h"
#include "net/http_server.h"

namespace planetbox {

class StorageService {
public:
    // `proxy` may be null.
    StorageService(std::string images_directory, BootStore& store,
                   std::unique_ptr<StorageProxy> proxy);

    // `base` is this server as the client sees it: "https://boot.example.org".
    void serve(HttpRequest&& request, std::string_view path, const std::string& base,
               HttpResponder responder);
    // Looks at the state again if another process changed it.
    Status refresh(int64_t data_version);
    const ImageCatalog& catalog() const { return catalog_; }
    const StorageProxy* proxy() const { return proxy_.get(); }

private:
    struct Place {  // VERSION/IMAGE/FILE, resolved
        std::string_view version, image, file;
    };
    std::optional<Place> place_of(std::string_view path) const;
    Result<HttpResponse> from_image(const HttpRequest& request, const Place& place,
                                    const std::string& base);
    Result<HttpResponse> from_file(const HttpRequest& request, const ImageFile& file,
                                   const std::string& base);
    ActionInput action_input(const Place& place, const CatalogImage& image,
                             const std::string& base) const;
    std::optional<std::string> hash_of_url(std::string_view url, const std::string& base) const;

    ImageStore images_;
    BootStore& store_;
    std::unique_ptr<StorageProxy> proxy_;
    ImageCatalog catalog_;
    int64_t data_version_ = -1;
};

}  // namespace planetbox
