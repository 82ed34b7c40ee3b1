// The media as a whole: what is put on them is what check finds, and what would mislead a node is
// refused.
#include "media/medium.h"

#include <doctest/doctest.h>

#include "base/bytes.h"
#include "crypto/hash.h"
#include "media/check.h"
#include "media/ipxe_binary.h"

using namespace planetbox;

namespace {

const std::string kRoot = sha256("our root");

// The least that counts as an EFI application for x86-64, with iPXE's root in it `copies` times.
std::string fake_ipxe(int copies, uint32_t checksum = 0, uint32_t signature = 0) {
    std::string efi(1024, '\0');
    efi.replace(0, 2, "MZ");
    put_le(efi, 0x3c, 0x80, 4);
    efi.replace(0x80, 4, std::string("PE\0\0", 4));
    put_le(efi, 0x84, 0x8664, 2);
    put_le(efi, 0x98, 0x20b, 2);
    put_le(efi, 0x98 + 68, 10, 2);
    put_le(efi, 0x98 + 64, checksum, 4);
    put_le(efi, 0x98 + 112 + 36, signature, 4);
    for (int i = 0; i < copies; ++i)
        efi += *unhex("9faf717b7f8ca2f93c256c79f8ac5591895d66d1ff3bee6397a70d29c65eed1a") + "pad";
    return efi;
}

MediaKit kit() {
    MediaKit kit;
    kit.ipxe.push_back({"BOOTX64.EFI", *reanchor_ipxe(fake_ipxe(1), kRoot, "ipxe.efi")});
    kit.loader.push_back({"BOOTX64.EFI", fake_ipxe(0)});
    kit.kernel = std::string(100000, 'k');
    kit.initramfs = std::string(300000, 'i');
    kit.cmdline = "console=ttyS0,115200";
    kit.ca_pem = "-----BEGIN CERTIFICATE-----\n";
    seal_kit(kit);
    return kit;
}

MediumSpec spec() {
    MediumSpec spec;
    set_plnode_hostname(spec.node, "n1.example");
    spec.node.node_key = "abc+/def0123456789";
    spec.node.ip_method = "dhcp";
    spec.node.boot_server = "https://central.example:4430";
    spec.issued = 1790000000;
    return spec;
}

std::string image(MediumKind kind, const MediaKit& kit, const MediumSpec& spec) {
    auto made = make_medium(kind, kit, spec, {});
    REQUIRE_MESSAGE(made, made.error().message());
    return made->flatten();
}

}  // namespace

TEST_CASE("every kind of medium is found sound and says whose it is") {
    MediaKit k = kit();
    for (MediumKind kind : {MediumKind::kUsb, MediumKind::kIso, MediumKind::kBootcd}) {
        std::string bytes = image(kind, k, spec());
        auto report = check_medium_image(bytes, kRoot);
        REQUIRE_MESSAGE(report, report.error().message());
        for (const std::string& problem : report->problems) CHECK_MESSAGE(false, problem);
        CHECK(report->host == "n1.example");
        CHECK(report->server == "https://central.example:4430");
        CHECK(report->key_id == node_key_id("abc+/def0123456789"));
    }
}

TEST_CASE("the same input gives the same bytes, another key or kit gives others") {
    MediaKit k = kit();
    std::string first = image(MediumKind::kUsb, k, spec());
    CHECK(first == image(MediumKind::kUsb, kit(), spec()));
    MediumSpec other = spec();
    other.node.node_key = "zzz0123456789012345";
    std::string second = image(MediumKind::kUsb, k, other);
    CHECK(first.substr(512, 1024) != second.substr(512, 1024));  // the disk's GUID
    k.cmdline += " quiet";
    seal_kit(k);
    CHECK(first != image(MediumKind::kUsb, k, spec()));
}

TEST_CASE("iPXE is re-anchored only when that is certain") {
    CHECK(ipxe_trusts(*reanchor_ipxe(fake_ipxe(1), kRoot, "f"), kRoot));
    CHECK_FALSE(ipxe_is_stock(*reanchor_ipxe(fake_ipxe(1), kRoot, "f")));
    CHECK(reanchor_ipxe(fake_ipxe(0), kRoot, "f").error().message().find("does not hold") !=
          std::string::npos);
    CHECK(reanchor_ipxe(fake_ipxe(2), kRoot, "f").error().message().find("2 times") !=
          std::string::npos);
    CHECK(reanchor_ipxe(fake_ipxe(1, 0, 64), kRoot, "f").error().message().find("Secure Boot") !=
          std::string::npos);
    CHECK(reanchor_ipxe("no program", kRoot, "f").error().message() ==
          "f: is not an EFI application");
    // Built by the operator with TRUST=: taken as it is.
    std::string own = fake_ipxe(0, 0, 64) + kRoot;
    CHECK(*reanchor_ipxe(own, kRoot, "f") == own);
    // A checksum that was there is right afterwards (the sum over a file with its own checksum in
    // place is what the loader recomputes); one that was not stays zero.
    CHECK(get_le(*reanchor_ipxe(fake_ipxe(1), kRoot, "f"), 0x98 + 64, 4) == 0);
    CHECK(get_le(*reanchor_ipxe(fake_ipxe(1, 77), kRoot, "f"), 0x98 + 64, 4) != 77);
}

TEST_CASE("damage and mix-ups on a medium are told in words") {
    MediaKit k = kit();
    std::string good = image(MediumKind::kUsb, k, spec());
    auto problems = [](const std::string& bytes, const std::string& root = kRoot) {
        auto report = check_medium_image(bytes, root);
        if (!report) return report.error().message();
        std::string all;
        for (const std::string& problem : report->problems) all += problem + "\n";
        return all;
    };
    CHECK(problems(good) == "");
    CHECK(problems(good, sha256("other root")).find("another fleet") != std::string::npos);
    std::string host = good;
    host.replace(host.find("set host n1.example"), 19, "set host n2.example");
    CHECK(problems(host).find("is for \"n2.example\"") != std::string::npos);
    std::string plnode = good;
    plnode.replace(plnode.find("HOST_NAME"), 9, "HOST_NAMF");
    CHECK(problems(plnode).find("HOST_NAMF is not a key") != std::string::npos);
    std::string table = good;
    table[512 + 60] = char(table[512 + 60] ^ 1);
    CHECK(problems(table).find("checksum") != std::string::npos);
    CHECK(problems(good.substr(0, good.size() / 2)) != "");
    CHECK(problems("") != "");
}

TEST_CASE("the script is for this node, with its network, and no value can break out of it") {
    MediumSpec s = spec();
    auto script = make_autoexec(s, ScriptHome::kDisk);
    REQUIRE_MESSAGE(script, script.error().message());
    CHECK(script->find("set host n1.example\n") != std::string::npos);
    CHECK(script->find("set node_key abc%2B%2Fdef0123456789\n") != std::string::npos);
    CHECK(script->find("{{") == std::string::npos);
    CHECK(script->find("ifconf --configurator dhcp") != std::string::npos);
    REQUIRE(set_plnode_epoxy_ipv4(s.node, "192.0.2.5/24,192.0.2.1,192.0.2.53,2001:db8::53"));
    REQUIRE(set_plnode_epoxy_ipv6(s.node, "2001:db8::5/64,fe80::1,2001:db8::53"));
    script = make_autoexec(s, ScriptHome::kDisk);
    REQUIRE_MESSAGE(script, script.error().message());
    CHECK(script->find("set net${nic}/netmask 255.255.255.0") != std::string::npos);
    CHECK(script->find("set net${nic}/len6 64") != std::string::npos);
    CHECK(script->find("set net${nic}/dns6 2001:db8::53") != std::string::npos);
    CHECK(script->find("--configurator") == std::string::npos);
    for (const char* server : {"", "http://c.example", "https://c.example/x", "https://c ${x}"}) {
        MediumSpec bad = spec();
        bad.node.boot_server = server;
        CHECK_FALSE_MESSAGE(make_autoexec(bad, ScriptHome::kDisk), server);
    }
}

TEST_CASE("a PXE directory: one script a node and MAC address, no two nodes with one address") {
    MediumSpec a = spec(), b = spec();
    a.node.net_device = "52:54:00:00:00:01";
    set_plnode_hostname(b.node, "n2.example");
    auto files = make_pxe(kit(), {a, b}, "/srv/pxe");
    REQUIRE_MESSAGE(files, files.error().message());
    auto find = [&](const std::string& path) {
        for (const MediumFile& file : *files)
            if (file.path == path) return file.data;
        return std::string();
    };
    CHECK(find("mac/52-54-00-00-00-01.ipxe").find("host/n1.example.ipxe") != std::string::npos);
    CHECK(find("host/n2.example.ipxe").find("n2.example.plnode.txt") != std::string::npos);
    CHECK(find("host/n2.example.initrd").starts_with("070701"));
    CHECK(find("dnsmasq.conf").find("dhcp-match=set:planetbox-x86_64,option:client-arch,7\n") !=
          std::string::npos);
    CHECK(find("dnsmasq.conf").find("dhcp-host=52:54:00:00:00:01,n1") != std::string::npos);
    b.node.net_device = a.node.net_device;
    CHECK(make_pxe(kit(), {a, b}, "/srv/pxe").error().code() == Code::kConflict);
    CHECK_FALSE(make_pxe(kit(), {a}, "/srv/with space"));
}
