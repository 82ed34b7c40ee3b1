#include "boot/image_catalog.h"

namespace planetbox {

const ImageFile* CatalogImage::file(std::string_view name) const {
    const auto found = files.find(name);
    return found == files.end() ? nullptr : &found->second;
}

Result<ImageCatalog> ImageCatalog::load(BootStore& store) {
    ImageCatalog catalog;
    for (ImageRecord& record : TRY(store.list_images())) {
        CatalogImage image;
        for (ImageFile& file : TRY(store.image_files(record.version, record.name)))
            image.files.emplace(file.name, file);
        image.record = record;
        catalog.versions_[record.version].emplace(record.name, std::move(image));
    }
    catalog.active_ = TRY(store.active_version());
    for (const ExtensionRecord& extension : TRY(store.list_extensions()))
        catalog.extensions_.push_back(extension.name);
    return catalog;
}

std::string_view ImageCatalog::resolve(std::string_view version) const {
    return version == "latest" ? std::string_view(active_) : version;
}

bool ImageCatalog::has_version(std::string_view version) const {
    return versions_.contains(version);
}

const CatalogImage* ImageCatalog::image(std::string_view version, std::string_view name) const {
    const auto found = versions_.find(version);
    if (found == versions_.end()) return nullptr;
    const auto image = found->second.find(name);
    return image == found->second.end() ? nullptr : &image->second;
}

}  // namespace planetbox
