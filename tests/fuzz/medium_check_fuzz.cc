// `media check` on damaged images.  A whole image is too large for a fuzzer to find its way in, so
// the input is a list of changes to three sound ones: kind, then (place, byte) over and over.
#include <cstdlib>
#include <memory>

#include "base/strings.h"
#include "media/check.h"
#include "media/image.h"
#include "media/medium.h"

using namespace planetbox;

namespace {

struct Originals {
    std::string images[3];
    Originals() {
        MediaKit kit;
        kit.ipxe.push_back({"BOOTX64.EFI", "MZ"});
        kit.loader = kit.ipxe;
        kit.kernel = std::string(2000, 'k');
        kit.initramfs = std::string(3000, 'i');
        seal_kit(kit);
        MediumSpec spec;
        set_plnode_hostname(spec.node, "n1.example");
        spec.node.boot_server = "https://c.example";
        for (MediumKind kind : {MediumKind::kUsb, MediumKind::kIso, MediumKind::kBootcd}) {
            auto image = make_medium(kind, kit, spec, {});
            if (!image) abort();
            images[int(kind)] = image->flatten();
        }
    }
};

// Where the tables are: protective MBR to the first entries, ISO descriptors, the file system's
// head.
size_t place(const std::string& image, uint32_t number) {
    static constexpr size_t kRegions[] = {0,
                                          512,
                                          1024,
                                          32768,
                                          34816,
                                          45056,
                                          51200,
                                          1 << 20,
                                          (1 << 20) + 512,
                                          (1 << 20) + 17920,
                                          (1 << 20) + 34304};
    size_t base = kRegions[(number >> 28) % std::size(kRegions)] % image.size();
    if ((number >> 27 & 1) != 0) base = image.size() > 20000 ? image.size() - 17000 : 0;
    return (base + (number & 0x3fff)) % image.size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const Originals* originals = new Originals;
    if (size < 1) return 0;
    std::string image = originals->images[data[0] % 3];
    if (data[0] & 0x80) image.resize(image.size() / 2);
    for (size_t at = 1; at + 5 <= size && at < 500; at += 5) {
        uint32_t number = uint32_t(get_le({reinterpret_cast<const char*>(data) + at, 4}, 0, 4));
        image[place(image, number)] = char(data[at + 4]);
    }
    auto report = check_medium_image(image, std::string(32, 'r'));
    // Nothing that a terminal would obey may come out, however odd the names on the medium are.
    if (report)
        for (const auto* list : {&report->facts, &report->problems})
            for (const std::string& text : *list)
                for (char c : text)
                    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) abort();
    return 0;
}
