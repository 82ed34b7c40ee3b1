#include <doctest/doctest.h>

#include <unistd.h>

#include "base/strings.h"
#include "init/network.h"
#include "sys/files.h"

using namespace planetbox;

TEST_CASE("a lease as the udhcpc script writes it") {
    Lease lease = parse_lease(
        "event=bound\ninterface=eth0\nip=10.0.2.15\nmask=24\nrouter=10.0.2.2 10.0.2.1\n"
        "dns=10.0.2.3 8.8.8.8 bogus\nhostname=node\ndomain=example.org\nmtu=1400\nlease=86400\n");
    REQUIRE(lease.address);
    CHECK(lease.address->text() == "10.0.2.15/24");
    CHECK(lease.address->gateway->text() == "10.0.2.2");
    CHECK(lease.dns.size() == 2);
    CHECK(lease.domain == "example.org");
    CHECK(lease.mtu == 1400);
}

TEST_CASE(
    "a lease that lies: no address from deconfig, from nonsense, or names with commands in them") {
    CHECK_FALSE(parse_lease("event=deconfig\nip=10.0.2.15\nmask=24\n").address);
    CHECK_FALSE(parse_lease("event=bound\nip=\nmask=24\n").address);
    CHECK_FALSE(parse_lease("event=bound\nip=10.0.2.15\nmask=240\n").address);
    Lease lease =
        parse_lease("event=bound\nip=10.0.2.15\nmask=24\nhostname=a;reboot\ndomain=$(x)\n");
    CHECK(lease.hostname.empty());
    CHECK(lease.domain.empty());
}

static void make_interface(const std::string& sys, const std::string& name, const char* index,
                           const char* type, const char* carrier, bool device) {
    std::string dir = str_cat(sys, "/class/net/", name);
    REQUIRE(make_dirs(device ? dir + "/device" : dir));
    REQUIRE(write_file_atomic(dir + "/ifindex", index));
    REQUIRE(write_file_atomic(dir + "/type", type));
    REQUIRE(write_file_atomic(dir + "/address", "52:54:00:AA:BB:CC\n"));
    REQUIRE(write_file_atomic(dir + "/carrier", carrier));
}

TEST_CASE("interfaces come in the kernel's order, and loopback and bridges are not physical") {
    auto dir = TempDir::create();
    REQUIRE(dir);
    make_interface(dir->path(), "lo", "1\n", "772\n", "1\n", false);
    make_interface(dir->path(), "eth1", "3\n", "1\n", "1\n", true);
    make_interface(dir->path(), "eth0", "12\n", "1\n", "0\n", true);
    make_interface(dir->path(), "br0", "4\n", "1\n", "1\n", false);
    REQUIRE(write_file_atomic(dir->path() + "/class/net/bonding_masters", "\n"));
    std::vector<Interface> all = list_interfaces(dir->path());
    REQUIRE(all.size() == 4);
    CHECK(all[1].name == "eth1");
    CHECK(all[1].physical);
    CHECK(all[1].carrier);
    CHECK(all[1].mac == "52:54:00:aa:bb:cc");
    CHECK(all[2].name == "br0");
    CHECK_FALSE(all[2].physical);
    CHECK(all[3].name == "eth0");
    CHECK_FALSE(all[3].carrier);
}
