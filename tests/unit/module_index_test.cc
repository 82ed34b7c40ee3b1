#include "init/module_index.h"

#include <doctest/doctest.h>
#include <fnmatch.h>

using namespace planetbox;

TEST_CASE("patterns match as fnmatch(3) does, on what kernels and people write") {
    const char* patterns[] = {"*",      "",       "abc",
                              "a*c",    "a?c",    "[ab]c",
                              "[!a]c",  "a[0-9]", "*b*",
                              "a**c",   "?",      "pci:v00008086d00001533sv*sd*bc*sc*i*",
                              "[]a]b",  "[a-",    "usb:v*p*d*dc*dsc*dp*ic0[2-9]isc*ip*in*",
                              "*a*b*c*"};
    const char* texts[] = {"",
                           "a",
                           "abc",
                           "ac",
                           "abbc",
                           "bc",
                           "a5",
                           "cba",
                           "]b",
                           "aXbYc",
                           "pci:v00008086d00001533sv00001AF4sd00001100bc02sc00i00",
                           "usb:v1p2d3dc4dsc5dp6ic03isc7ip8in9"};
    for (const char* pattern : patterns)
        for (const char* text : texts) {
            CAPTURE(pattern);
            CAPTURE(text);
            bool broken = std::string_view(pattern) == "[a-";  // fnmatch takes it literally
            if (!broken)
                CHECK(glob_match(pattern, text) == (fnmatch(pattern, text, FNM_NOESCAPE) == 0));
        }
}

TEST_CASE("a pattern made to be slow is not") {
    std::string text(5000, 'a'), pattern;
    for (int i = 0; i < 50; ++i) pattern += "*a";
    pattern += "b";
    CHECK_FALSE(glob_match(pattern, text));
}

static const char* kDep =
    "kernel/drivers/net/virtio_net.ko: kernel/drivers/net/net_failover.ko "
    "kernel/net/core/failover.ko "
    "kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko\n"
    "kernel/drivers/net/net_failover.ko: kernel/net/core/failover.ko\n"
    "kernel/net/core/failover.ko:\n"
    "kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko\n"
    "kernel/drivers/virtio/virtio_ring.ko:\n"
    "kernel/net/nf-tables.ko.xz:\n"
    "kernel/lib/libcrc32c.ko:\n"
    "kernel/a.ko: kernel/b.ko\nkernel/b.ko: kernel/a.ko\nnonsense\n";

TEST_CASE("what a module needs is loaded first, each once") {
    ModuleIndex index = ModuleIndex::parse(kDep, "alias virtio:d00000001v* virtio_net\n",
                                           "softdep virtio_net pre: libcrc32c post: a\n");
    std::vector<std::string> order = index.load_order("virtio_net");
    auto at = [&](std::string_view name) {
        for (size_t i = 0; i < order.size(); ++i)
            if (ModuleIndex::plain_name(order[i]) == name) return static_cast<int>(i);
        return -1;
    };
    REQUIRE(order.size() == 6);
    CHECK(at("libcrc32c") == 0);
    CHECK(at("virtio_ring") < at("virtio"));
    CHECK(at("failover") < at("net_failover"));
    CHECK(at("virtio_net") == 5);
    CHECK(index.load_order("none").empty());
    CHECK(index.load_order("nf_tables") == std::vector<std::string>{"kernel/net/nf-tables.ko.xz"});
}

TEST_CASE("a circle in a broken modules.dep ends") {
    ModuleIndex index = ModuleIndex::parse(kDep, "", "softdep a pre: a b\n");
    CHECK(index.load_order("a").size() == 2);
}

TEST_CASE("a device finds its modules by alias, each once, or by its very name") {
    ModuleIndex index = ModuleIndex::parse(
        kDep,
        "# aliases\nalias virtio:d00000001v* virtio_net\nalias virtio:d0000000?v* virtio_net\n"
        "alias virtio:d00000001v* other\nalias broken\n");
    CHECK(index.match("virtio:d00000001v00001AF4") ==
          std::vector<std::string>{"virtio_net", "other"});
    CHECK(index.match("virtio:d00000002v00001AF4") == std::vector<std::string>{"virtio_net"});
    CHECK(index.match("pci:v0").empty());
    CHECK(index.match("nf-tables") == std::vector<std::string>{"nf_tables"});
}
