// The images that bootd serves: files below images/VERSION/NAME/, their hashes in the state.
//
// A version never changes once it is there: a new build is a new version, "latest" is the active
// one, and going back is one command.  Adding copies into a hidden directory, syncs, renames, and
// only then writes the records, so that a crash at any point leaves either the whole image or
// rubbish that gc removes.
//
// bootadm adds, bootd reads; both at once is fine.  Blocks on the disk.  Limits: file names are
// plain words, 64 files an image, no file above 16 GiB.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "boot/boot_store.h"

namespace planetbox {

struct ImageImport {
    std::string version, name;
    std::string cmdline;
    std::vector<std::pair<std::string, std::string>> files;  // name in the image → path to copy
    std::string overlay;  // cpio archive that goes behind the initramfs; may be empty
    bool activate = false;
};

// What the node's own copy of an image must know of this site.
struct SiteOverlay {
    std::string ca_pem;
    std::string rescue_keys;  // authorized_keys lines; may be empty
    int64_t build_time = 0;   // Unix seconds: the clock's lower bound
};
std::string site_overlay(const SiteOverlay& site);

class ImageStore {
public:
    ImageStore(std::string directory, BootStore& store)
        : directory_(std::move(directory)), store_(store) {}

    // kExists when this version has an image of this name.
    Result<std::vector<ImageFile>> add(const ImageImport& image, int64_t now);
    Result<UniqueFd> open(const ImageFile& file) const;
    // Reads every file again; returns one sentence for each that is not what was added.
    Result<std::vector<std::string>> check();
    // Versions that may go: neither active, nor named by a host, nor among the `keep` newest.
    Result<std::vector<std::string>> unused_versions(size_t keep);
    Status remove(std::string_view version);
    // Directories that no record knows; returns their names.
    Result<std::vector<std::string>> remove_leftovers(int64_t now);

private:
    std::string path_of(std::string_view version, std::string_view image) const;
    Result<ImageFile> copy_file(const ImageImport& image, const std::string& name,
                                const std::string& from, const std::string& into);
    Status copy_all(const ImageImport& image, const std::string& into,
                    std::vector<ImageFile>* files);
    Status publish(const ImageImport& image, const std::string& from);

    std::string directory_;
    BootStore& store_;
};

}  // namespace planetbox
