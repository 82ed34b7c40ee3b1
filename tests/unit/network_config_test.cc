#include "init/network_config.h"

#include <doctest/doctest.h>

using namespace planetbox;

static Result<NetworkConfig> from(std::string_view cmdline, std::string_view plnode = "") {
    return network_config(parse_kargs(cmdline), plnode);
}

TEST_CASE("epoxy.ipv4 in full, with parts missing, and with nothing: a node off the air") {
    auto config = from("quiet epoxy.ipv4=192.0.2.10/26,192.0.2.1,8.8.8.8,8.8.4.4 net.ifnames=0");
    REQUIRE(config);
    CHECK(config->v4->text() == "192.0.2.10/26");
    CHECK(config->v4->gateway->text() == "192.0.2.1");
    CHECK(config->dns.size() == 2);
    CHECK(config->source == "epoxy.ipv4");
    CHECK_FALSE(config->dhcp());

    config = from("epoxy.ipv4=192.0.2.10/26,,,1.1.1.1");
    REQUIRE(config);
    CHECK_FALSE(config->v4->gateway);
    CHECK(config->dns.size() == 1);

    config = from("epoxy.ipv4=");
    REQUIRE(config);
    CHECK(config->dhcp());
    CHECK(config->source == "DHCP");
}

TEST_CASE("epoxy.ipv6: an address beside IPv4, alone, or empty for none") {
    auto config = from(
        "epoxy.ipv4=10.0.0.2/24,10.0.0.1 "
        "epoxy.ipv6=2001:db8::2/64,2001:db8::1,2001:4860:4860::8888");
    REQUIRE(config);
    CHECK(config->v6->text() == "2001:db8::2/64");
    CHECK(config->v6->gateway->text() == "2001:db8::1");
    CHECK(config->dns.size() == 1);
    CHECK_FALSE(config->v6_off);

    config = from("epoxy.ipv6=");
    REQUIRE(config);
    CHECK(config->v6_off);
    CHECK(config->dhcp());

    config = from("epoxy.ipv6=2001:db8::2/64,fe80::1");
    REQUIRE(config);
    CHECK(config->source == "epoxy.ipv6");
    CHECK_FALSE(config->dhcp());
}

TEST_CASE("epoxy.ip and ip=: the kernel's form, as M-Lab's old media carry it") {
    auto config =
        from("epoxy.ip=192.0.2.10::192.0.2.1:255.255.255.192:mlab1.abc01:eth0:off:8.8.8.8:8.8.4.4");
    REQUIRE(config);
    CHECK(config->v4->text() == "192.0.2.10/26");
    CHECK(config->v4->gateway->text() == "192.0.2.1");
    CHECK(config->interface == "eth0");
    CHECK(config->hostname == "mlab1.abc01");
    CHECK(config->dns.size() == 2);
    CHECK(config->source == "epoxy.ip");

    config = from("ip=10.0.0.5::10.0.0.1:24");
    REQUIRE(config);
    CHECK(config->v4->text() == "10.0.0.5/24");
    CHECK(config->source == "ip");

    config = from("ip=[2001:db8::5]::[2001:db8::1]:64:node:eth1:off");
    REQUIRE(config);
    CHECK(config->v6->text() == "2001:db8::5/64");
    CHECK(config->interface == "eth1");

    for (const char* dhcp : {"ip=dhcp", "ip=on", "ip=:::::eth0:dhcp", "ip=eth0:dhcp", "ip="}) {
        config = from(dhcp);
        CAPTURE(dhcp);
        REQUIRE(config);
        CHECK(config->dhcp());
    }
}

TEST_CASE("epoxy.ipv4 wins over the older forms; epoxy.interface over theirs") {
    auto config = from(
        "ip=10.9.9.9::10.9.9.1:24:other:eth7:off epoxy.ipv4=10.0.0.2/24,10.0.0.1 "
        "epoxy.interface=eth2 epoxy.hostname=n1.example");
    REQUIRE(config);
    CHECK(config->v4->text() == "10.0.0.2/24");
    CHECK(config->interface == "eth2");
    CHECK(config->hostname == "n1.example");

    config = from("epoxy.ip=10.9.9.9::10.9.9.1:24:other:eth7:off epoxy.interface=eth2");
    REQUIRE(config);
    CHECK(config->interface == "eth2");
}

TEST_CASE("what is wrong is refused, naming the argument, not half taken") {
    const char* wrong[] = {"epoxy.ipv4=10.0.0.2",
                           "epoxy.ipv4=10.0.0.2/33,10.0.0.1",
                           "epoxy.ipv4=10.0.0.2/0",
                           "epoxy.ipv4=10.0.0/24,10.0.0.1",
                           "epoxy.ipv4=10.0.0.2/24,gw",
                           "epoxy.ipv4=2001:db8::2/64",
                           "epoxy.ipv4=1.2.3.4/24,,,,,",
                           "epoxy.ipv6=10.0.0.2/24",
                           "epoxy.ipv6=2001:db8::2/129",
                           "epoxy.ip=10.0.0.2::10.0.0.1:255.0.255.0",
                           "epoxy.ip=10.0.0.2::10.0.0.1",
                           "ip=10.0.0.2::10.0.0.1:24:bad,host!:eth0:off",
                           "ip=10.0.0.2::10.0.0.1:24::../..:off",
                           "ip=bogus",
                           "epoxy.interface=a/b",
                           "epoxy.hostname=a;b",
                           "ip=10.0.0.2::10.0.0.1:24:h:eth0:sometimes"};
    for (const char* text : wrong) {
        CAPTURE(text);
        auto config = from(text);
        REQUIRE_FALSE(config);
        CHECK(config.error().code() == Code::kInvalid);
        std::string name(text, std::string_view(text).find('='));
        CHECK(config.error().message().find(name) != std::string::npos);
    }
}

TEST_CASE("plnode.txt gives the address when the command line does not") {
    std::string plnode =
        "NODE_ID=\"7\"\nNET_DEVICE=\"52:54:00:12:34:56\"\nIP_METHOD=\"static\"\n"
        "IP_ADDRESS=\"10.0.2.9\"\nIP_GATEWAY=\"10.0.2.2\"\nIP_NETMASK=\"255.255.255.0\"\n"
        "IP_DNS1=\"10.0.2.3\"\nHOST_NAME=\"n7\"\nDOMAIN_NAME=\"example.org\"\n";
    auto config = from("quiet", plnode);
    REQUIRE_MESSAGE(config, config.error().message());
    CHECK(config->v4->text() == "10.0.2.9/24");
    CHECK(config->mac == "52:54:00:12:34:56");
    CHECK(config->hostname == "n7.example.org");
    CHECK(config->source == "plnode.txt");

    config = from("epoxy.ipv4=10.0.0.2/24,10.0.0.1 epoxy.hostname=other", plnode);
    REQUIRE(config);
    CHECK(config->v4->text() == "10.0.0.2/24");
    CHECK(config->hostname == "other");

    CHECK_FALSE(from("quiet", "IP_ADRESS=\"1.2.3.4\"\n"));
}

TEST_CASE("resolv.conf: three servers at most, no injected lines") {
    std::vector<IpAddress> dns;
    for (const char* text : {"10.0.0.1", "2001:db8::53", "10.0.0.3", "10.0.0.4"})
        dns.push_back(*IpAddress::parse(text));
    CHECK(
        resolv_conf(dns, "example.org") ==
        "search example.org\nnameserver 10.0.0.1\nnameserver 2001:db8::53\nnameserver 10.0.0.3\n");
    CHECK(resolv_conf({}, "evil\nnameserver 6.6.6.6").empty());
}
