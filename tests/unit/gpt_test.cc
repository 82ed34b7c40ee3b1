#include "media/gpt.h"

#include <doctest/doctest.h>

using namespace planetbox;

namespace {

std::string make(uint64_t blocks = 100, uint64_t disk = 0) {
    Image image;
    GptSpec spec;
    spec.disk_guid = make_guid("disk seed ......");
    spec.partition_guid = make_guid("other seed .....");
    spec.partition_name = "EFI system partition";
    spec.first_block = 64;
    spec.blocks = blocks;
    spec.disk_blocks = disk;
    REQUIRE(put_gpt(image, spec));
    return image.flatten();
}

}  // namespace

TEST_CASE("CRC-32 is the one of IEEE 802.3") { CHECK(crc32("123456789") == 0xcbf43926); }

TEST_CASE("what is written is read back, both tables") {
    std::string disk = make();
    auto info = read_gpt(disk);
    REQUIRE_MESSAGE(info, info.error().message());
    CHECK(info->first_block == 64);
    CHECK(info->last_block == 163);
    CHECK(info->partition_name == "EFI system partition");
    CHECK(info->secondary_ok);
    CHECK(disk.size() == (164 + 33) * 512);
}

TEST_CASE("identifiers are version 4 GUIDs whatever the seed") {
    for (const char* seed :
         {"aaaaaaaaaaaaaaaa", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"}) {
        std::string text = guid_text(make_guid(seed));
        CHECK(text.size() == 36);
        CHECK(text[14] == '4');
        CHECK(std::string("89AB").find(text[19]) != std::string::npos);
    }
}

TEST_CASE("any damaged byte of the header or the table is noticed") {
    const std::string good = make();
    for (size_t at :
         {size_t{512}, size_t{512 + 16}, size_t{512 + 40}, size_t{512 + 72}, size_t{512 + 88},
          size_t{1024}, size_t{1024 + 32}, size_t{1024 + 4000}, size_t{510}, size_t{450}}) {
        std::string bad = good;
        bad[at] = char(bad[at] ^ 1);
        CHECK_FALSE_MESSAGE(read_gpt(bad), at);
    }
    std::string bad = good;
    bad[good.size() - 480] = char(bad[good.size() - 480] ^ 1);
    auto info = read_gpt(bad);
    REQUIRE(info);
    CHECK_FALSE(info->secondary_ok);
}

TEST_CASE("an image written onto a larger stick is still read, one cut short is not") {
    std::string disk = make();
    CHECK(read_gpt(disk + std::string(4096, '\0')));
    CHECK_FALSE(read_gpt(disk.substr(0, 100 * 512)));
    CHECK_FALSE(read_gpt(""));
}

TEST_CASE("a disk too small for the partition is refused") {
    Image image;
    GptSpec spec{make_guid(""), make_guid("x"), "x", 2048, 100, 2100};
    CHECK(put_gpt(image, spec).error().code() == Code::kTooLarge);
}
