// The FAT writer against the reader of the same header; mtools and fsck.fat judge both in
// tests/applet/media_test.py.
#include "media/fat.h"

#include <doctest/doctest.h>

#include <map>

using namespace planetbox;

namespace {

FatSpec basic() {
    FatSpec spec;
    spec.label = "PLANETBOX";
    spec.serial = 0x12345678;
    spec.unix_time = 1790000000;
    return spec;
}

std::string must(const FatSpec& spec) {
    auto image = make_fat(spec);
    REQUIRE_MESSAGE(image, image.error().message());
    return image->flatten();
}

}  // namespace

TEST_CASE("files of every length around a cluster come back whole, in both kinds") {
    for (int bits : {16, 32}) {
        FatSpec spec = basic();
        spec.bits = bits;
        std::map<std::string, std::string> files;
        for (size_t size : {0, 1, 511, 512, 513, 1024, 70000})
            files["d/file " + std::to_string(size) + ".data"] =
                std::string(size, char('a' + size % 26));
        for (const auto& [path, data] : files) spec.files.push_back({path, data});
        std::string bytes = must(spec);
        auto reader = FatReader::open(bytes);
        REQUIRE_MESSAGE(reader, reader.error().message());
        CHECK(reader->bits() == bits);
        CHECK(reader->label() == "PLANETBOX");
        CHECK(reader->serial() == 0x12345678);
        for (const auto& [path, data] : files) {
            auto read = reader->read(path, 1 << 20);
            REQUIRE_MESSAGE(read, read.error().message());
            CHECK(*read == data);
        }
        auto list = reader->list();
        REQUIRE(list);
        CHECK(list->size() == files.size() + 1);
    }
}

TEST_CASE("a directory of more entries than a cluster, with long names and clashing aliases") {
    FatSpec spec = basic();
    for (int i = 0; i < 200; ++i)
        spec.files.push_back({"many/a long file name number " + std::to_string(i) + ".text", "x"});
    spec.files.push_back({"many/ALONGF~1.TEX", "plain"});
    std::string bytes = must(spec);
    auto reader = FatReader::open(bytes);
    REQUIRE(reader);
    auto list = reader->list();
    REQUIRE_MESSAGE(list, list.error().message());
    CHECK(list->size() == 202);
    CHECK(reader->read("MANY/A LONG FILE name number 123.text", 10).value() == "x");
    CHECK(reader->read("many/ALONGF~1.TEX", 10).value() == "plain");
}

TEST_CASE("the smallest is small, and a size asked for is kept to the sector") {
    FatSpec spec = basic();
    spec.files.push_back({"EFI/BOOT/BOOTX64.EFI", "MZ"});
    CHECK(make_fat(spec)->size() < 2200 * 1024);
    spec.bits = 32;
    CHECK(make_fat(spec)->size() < 35 << 20);
    for (uint64_t size :
         {uint64_t{3} << 20, uint64_t{100} << 20, uint64_t{600} << 20, uint64_t{5} << 30}) {
        FatSpec sized = basic();
        sized.size = size;
        auto image = make_fat(sized);
        REQUIRE_MESSAGE(image, image.error().message());
        CHECK(image->size() == size);
    }
}

TEST_CASE("what does not fit or is no name is refused with a sentence") {
    std::string big(4 << 20, 'x');
    FatSpec spec = basic();
    spec.size = 3 << 20;
    spec.files.push_back({"big", big});
    auto image = make_fat(spec);
    REQUIRE_FALSE(image);
    CHECK(image.error().code() == Code::kTooLarge);
    CHECK(image.error().message().find("at least") != std::string::npos);
    for (const char* bad :
         {"", "/a", "a//b", "a/../b", "a:b", "a\nb", "dot.", "a\\b", "\xc3\xa9"}) {
        FatSpec named = basic();
        named.files.push_back({bad, "x"});
        CHECK_FALSE_MESSAGE(make_fat(named), bad);
    }
    FatSpec twice = basic();
    twice.files = {{"a.txt", "1"}, {"A.TXT", "2"}};
    CHECK(make_fat(twice).error().code() == Code::kExists);
    FatSpec mixed = basic();
    mixed.files = {{"a", "1"}, {"a/b", "2"}};
    CHECK_FALSE(make_fat(mixed));
    FatSpec label = basic();
    label.label = "too long a label";
    CHECK_FALSE(make_fat(label));
}

TEST_CASE("the reader survives every single damaged byte of the tables and the directory") {
    FatSpec spec = basic();
    spec.files = {{"EFI/BOOT/autoexec.ipxe", "#!ipxe\n"}, {"plnode.txt", "x"}};
    const std::string good = must(spec);
    // Boot sector, the used start of both tables, root directory, first clusters.
    for (size_t at = 0; at < 70 * 512; ++at) {
        if (at % 512 > 120 && at % 512 < 500) continue;
        std::string bytes = good;
        bytes[at] = char(bytes[at] ^ 0xff);
        auto reader = FatReader::open(bytes);
        if (!reader) continue;
        (void)reader->list();
        (void)reader->read("EFI/BOOT/autoexec.ipxe", 1 << 20);
    }
    for (size_t size : {0, 100, 512, 20000, 40000}) {
        std::string cut = good.substr(0, size);
        CHECK_FALSE(FatReader::open(cut));
    }
}

TEST_CASE("a loop and a dangling cluster are told, not followed") {
    FatSpec spec = basic();
    std::string data(2000, 'x');
    spec.files = {{"plnode.txt", data}};
    std::string bytes = must(spec);
    size_t fat = 512;
    size_t sectors = get_le(bytes, 22, 2);
    for (uint16_t value : {uint16_t(2), uint16_t(0xfff0), uint16_t(0)}) {
        std::string bad = bytes;
        for (size_t copy : {fat, fat + sectors * 512}) put_le(bad, copy + 2 * 3, value, 2);
        auto reader = FatReader::open(bad);
        REQUIRE(reader);
        CHECK_FALSE(reader->read("plnode.txt", 1 << 20));
    }
}

TEST_CASE("a name on the image cannot send escape sequences to a terminal") {
    FatSpec spec = basic();
    spec.files = {{"AAAA.TXT", "x"}, {"a longer name", "y"}};
    std::string bytes = must(spec);
    bytes.replace(bytes.find("AAAA    TXT"), 2, "\x1b[");
    bytes.replace(bytes.find(std::string("l\0o\0n", 5)), 1, "\x1b");
    auto reader = FatReader::open(bytes);
    REQUIRE(reader);
    auto list = reader->list();
    REQUIRE(list);
    for (const FatReader::Entry& entry : *list)
        for (char c : entry.path) CHECK(c >= ' ');
}
