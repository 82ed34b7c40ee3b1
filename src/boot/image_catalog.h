// All image records in memory, for answering without SQL.  bootd reads it anew when another process
// has changed the state; it is small (a few versions of a few files).
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "boot/boot_store.h"

namespace planetbox {

struct CatalogImage {
    ImageRecord record;
    std::map<std::string, ImageFile, std::less<>> files;  // by name
    const ImageFile* file(std::string_view name) const;
};

class ImageCatalog {
public:
    static Result<ImageCatalog> load(BootStore& store);
    // "latest" → the active version; empty when there is none.  Other names stay as they are.
    std::string_view resolve(std::string_view version) const;
    bool has_version(std::string_view version) const;
    const CatalogImage* image(std::string_view version, std::string_view name) const;
    const std::vector<std::string>& extensions() const { return extensions_; }

private:
    std::map<std::string, std::map<std::string, CatalogImage, std::less<>>, std::less<>> versions_;
    std::string active_;
    std::vector<std::string> extensions_;  // names of all operations, sorted
};

}  // namespace planetbox
