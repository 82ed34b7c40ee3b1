// What kexec is given: sealed, checked bytes, and a command line that fits.
#include "stage/kexec_image.h"
#include "crypto/hash.h"
#include "sys/files.h"
#include "sys/kexec.h"
#include "sys/restart.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <doctest/doctest.h>

using namespace planetbox;

namespace {

std::string write_temp(const TempDir& dir, const std::string& name, std::string_view data) {
    std::string path = dir.path() + "/" + name;
    REQUIRE(write_file_atomic(path, data));
    return path;
}

}  // namespace

TEST_CASE(
    "a sealed copy holds the file and the tail and cannot be changed: catches a TOCTOU hole") {
    TempDir dir = std::move(*TempDir::create());
    std::string data(300'000, 'a');
    std::string path = write_temp(dir, "f", data);
    Result<UniqueFd> copy = sealed_copy(path, sha256_hex(data), "tail");
    REQUIRE(copy);
    CHECK(*read_fd(copy->get(), 1 << 20) == data + "tail");
    CHECK(::write(copy->get(), "x", 1) < 0);
    CHECK(::ftruncate(copy->get(), 0) < 0);
    int seals = ::fcntl(copy->get(), F_GET_SEALS);
    CHECK((seals & (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)) ==
          (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK));
    // Opened for reading only, else kexec_file_load says ETXTBSY.
    CHECK((::fcntl(copy->get(), F_GETFL) & O_ACCMODE) == O_RDONLY);
}

TEST_CASE("a changed byte anywhere is a checksum mismatch: catches hashing part of the file") {
    TempDir dir = std::move(*TempDir::create());
    const std::string data(600'000, 'a');
    const std::string want = sha256_hex(data);
    for (size_t at : {size_t{0}, size_t{1}, size_t{262'143}, size_t{262'144}, data.size() - 1}) {
        std::string changed = data;
        changed[at] ^= 1;
        Result<UniqueFd> copy = sealed_copy(write_temp(dir, "f", changed), want);
        REQUIRE_FALSE(copy);
        CHECK(copy.error().code() == Code::kProtocol);
        CHECK(copy.error().message().ends_with("/f: checksum mismatch"));
    }
    CHECK_FALSE(sealed_copy(write_temp(dir, "f", data + "a"), want));
    CHECK_FALSE(sealed_copy(write_temp(dir, "f", data.substr(1)), want));
    CHECK(sealed_copy(write_temp(dir, "f", data), want));
}

TEST_CASE("the node's archive starts at a multiple of four and holds the file privately") {
    for (uint64_t size : {0, 1, 2, 3, 4, 4095}) {
        std::string tail = node_archive("NODE_ID=\"7\"\n", size);
        size_t start = tail.find("070701");
        CHECK((size + start) % 4 == 0);
        CHECK(start < 4);
        CHECK(tail.find("etc/planetbox/plnode.txt") != std::string::npos);
        CHECK(tail.find("NODE_ID=\"7\"\n") != std::string::npos);
        CHECK(tail.find("00008180") != std::string::npos);  // S_IFREG | 0600
        CHECK(tail.find("TRAILER!!!") != std::string::npos);
    }
}

TEST_CASE("limits of the command line come from the image's header") {
    std::string head(4096, '\0');
    CHECK(kernel_command_line_limit(head) == 0);
    CHECK(kernel_command_line_limit("") == 0);
    head.replace(0x202, 4, "HdrS");
    CHECK(kernel_command_line_limit(head) == 255);
    head[0x206] = 0x0F;
    head[0x207] = 0x02;
    head[0x238] = static_cast<char>(0xFF);
    head[0x239] = 0x07;
    CHECK(kernel_command_line_limit(head) == 2047);
    CHECK(kernel_command_line_limit(head.substr(0, 0x23B)) == 0);
    std::string arm(4096, '\0');
    arm.replace(0x38, 4, "ARM\x64");
    CHECK(kernel_command_line_limit(arm) == 2047);
}

TEST_CASE("a command line that the kernel would refuse is told before: catches a bare EINVAL") {
    TempDir dir = std::move(*TempDir::create());
    std::string head(4096, '\0');
    head.replace(0x38, 4, "ARM\x64");
    KexecRequest request{.kernel = write_temp(dir, "k", head),
                         .command_line = std::string(2048, 'x'),
                         .node_file = ""};
    Status loaded = load_kexec(request);
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().message() ==
          "kexec: the command line has 2048 bytes; this kernel takes 2047");
}

TEST_CASE("a promised hash is checked for the kernel and the initrd") {
    TempDir dir = std::move(*TempDir::create());
    std::string kernel = write_temp(dir, "k", "kernel"), initrd = write_temp(dir, "i", "initrd");
    std::map<std::string, std::string> expected{{kernel, sha256_hex("kernel")},
                                                {initrd, sha256_hex("other")}};
    KexecRequest request{
        .kernel = kernel, .initrd = initrd, .expected = &expected, .node_file = ""};
    Status loaded = load_kexec(request);
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().message() == initrd + ": checksum mismatch");
    expected[kernel] = sha256_hex("x");
    loaded = load_kexec(request);
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().message() == kernel + ": checksum mismatch");
}

TEST_CASE("a reused command line loses what the boot loader added") {
    CHECK(reusable_command_line("BOOT_IMAGE=/vmlinuz ro  quiet initrd=a root=/dev/sda1\n") ==
          "ro quiet root=/dev/sda1");
}

TEST_CASE("the sysrq restart writes '1' and then 'b', and names the file that it cannot write") {
    TempDir dir = std::move(*TempDir::create());
    REQUIRE(make_dirs(dir.path() + "/sys/kernel"));
    REQUIRE_FALSE(sysrq_restart(dir.path()));
    write_temp(dir, "sys/kernel/sysrq", "0");
    Status restarted = sysrq_restart(dir.path());
    REQUIRE_FALSE(restarted);
    CHECK(restarted.error().message().find("sysrq-trigger") != std::string::npos);
    write_temp(dir, "sysrq-trigger", "");
    REQUIRE(sysrq_restart(dir.path()));
    CHECK(*read_file(dir.path() + "/sys/kernel/sysrq", 10) == "1");
    CHECK(*read_file(dir.path() + "/sysrq-trigger", 10) == "b");
}
