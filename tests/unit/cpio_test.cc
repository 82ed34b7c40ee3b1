#include "wire/cpio.h"

#include <map>
#include <string>

#include "base/strings.h"

#include <doctest/doctest.h>

using namespace planetbox;

namespace {

uint64_t field(std::string_view archive, size_t entry, int index) {
    return std::stoull(std::string(archive.substr(entry + 6 + size_t(index) * 8, 8)), nullptr, 16);
}

// Reads an archive the way the kernel does: name → data, with the trailer under its own name.
std::map<std::string, std::string> read_archive(std::string_view archive) {
    std::map<std::string, std::string> found;
    size_t at = 0;
    while (at + 110 <= archive.size() && archive.substr(at, 6) == "070701") {
        const uint64_t size = field(archive, at, 6), name_size = field(archive, at, 11);
        const std::string name(archive.substr(at + 110, name_size - 1));
        size_t data = at + 110 + name_size;
        data += cpio_padding(data);
        found[name] = std::string(archive.substr(data, size));
        if (name == "TRAILER!!!") break;
        at = data + size;
        at += cpio_padding(at);
    }
    return found;
}

std::string sample() {
    CpioWriter writer(1000);
    writer.directory("etc");
    writer.file("etc/a", "odd");
    writer.symlink("etc/link", "a");
    writer.device("dev/console", S_IFCHR | 0600, 5, 1);
    writer.file("etc/empty", "", 0600);
    writer.finish();
    return writer.take();
}

}  // namespace

// Catches wrong padding or sizes: the kernel would stop at the first misplaced header.
TEST_CASE("cpio: every entry is found again") {
    const std::string archive = sample();
    CHECK(archive.size() % 512 == 0);
    const auto found = read_archive(archive);
    CHECK(found.size() == 6);
    CHECK(found.at("etc/a") == "odd");
    CHECK(found.at("etc/link") == "a");
    CHECK(found.at("etc/empty").empty());
    CHECK(found.contains("TRAILER!!!"));
}

// Catches anything that would make two builds of one image differ.
TEST_CASE("cpio: the same calls give the same bytes") { CHECK(sample() == sample()); }

// Catches padding that forgets what take() has already handed out.
TEST_CASE("cpio: taking the bytes in pieces changes nothing") {
    CpioWriter writer(1000);
    std::string pieces;
    writer.directory("etc");
    pieces += writer.take();
    writer.begin_file("etc/a", 3);
    writer.file_data("o");
    pieces += writer.take();
    writer.file_data("dd");
    writer.end_file();
    pieces += writer.take();
    writer.symlink("etc/link", "a");
    writer.device("dev/console", S_IFCHR | 0600, 5, 1);
    writer.file("etc/empty", "", 0600);
    writer.finish();
    pieces += writer.take();
    CHECK(pieces == sample());
}

// Catches a mode or a type that the kernel would read as another.
TEST_CASE("cpio: modes and device numbers") {
    CpioWriter writer;
    writer.device("d", S_IFCHR | 0600, 5, 1);
    const std::string bytes = writer.take();
    CHECK(field(bytes, 0, 1) == (S_IFCHR | 0600));
    CHECK(field(bytes, 0, 9) == 5);
    CHECK(field(bytes, 0, 10) == 1);
}
