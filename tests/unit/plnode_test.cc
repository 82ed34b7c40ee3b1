#include "wire/plnode.h"

#include <doctest/doctest.h>

using namespace planetbox;

static const char* kStatic =
    "NODE_ID=\"121\"\n"
    "NODE_KEY=\"79yaw2Igv6RMFSRX6TwqaRsjYSDCVDEsVtcyOIdKWKc\"\n"
    "KEY_RENEWAL_DATE=\"2026/11/21 at 10:12 +0000\"\n"
    "NET_DEVICE=\"00:06:5b:ec:33:bb\"\n"
    "IP_METHOD=\"static\"\n"
    "IP_ADDRESS=\"192.0.2.5\"\n"
    "IP_GATEWAY=\"192.0.2.1\"\n"
    "IP_NETMASK=\"255.255.255.0\"\n"
    "IP_NETADDR=\"192.0.2.0\"\n"
    "IP_BROADCASTADDR=\"192.0.2.255\"\n"
    "IP_DNS1=\"198.51.100.1\"\n"
    "HOST_NAME=\"planetlab-1\"\n"
    "DOMAIN_NAME=\"cs.example\"\n"
    "### Category : WLAN\n"
    "WLAN_SSID=\"guest net\"\n";

static std::string error_of(std::string_view text) {
    auto node = parse_plnode(text);
    return node ? "" : node.error().message();
}

static std::string with(std::string_view line) {
    return std::string("HOST_NAME=\"n1\"\n").append(line);
}

TEST_CASE("a file as PLCAPI writes it is read whole") {
    auto node = parse_plnode(kStatic);
    REQUIRE(node);
    CHECK(node->node_id == "121");
    CHECK(node->node_key == "79yaw2Igv6RMFSRX6TwqaRsjYSDCVDEsVtcyOIdKWKc");
    CHECK(node->net_device == "00:06:5b:ec:33:bb");
    CHECK(node->ip_address == "192.0.2.5");
    CHECK(plnode_hostname(*node) == "planetlab-1.cs.example");
    REQUIRE(node->extra.size() == 1);
    CHECK(node->extra[0].second == "guest net");
    CHECK(plnode_epoxy_ipv4(*node) == "192.0.2.5/24,192.0.2.1,198.51.100.1");
}

TEST_CASE("what is written is what was read, in PlanetLab's order") {
    auto node = parse_plnode(kStatic);
    REQUIRE(node);
    auto text = write_plnode(*node);
    REQUIRE(text);
    auto again = parse_plnode(*text);
    REQUIRE(again);
    CHECK(*again == *node);
    CHECK(text->starts_with("NODE_ID=\"121\"\nNODE_KEY="));
}

TEST_CASE("a file edited by hand on any system is understood") {
    auto node = parse_plnode(
        "\xef\xbb\xbf# my node\r\n\r\n  HOST_NAME = 'N1' \r\nDOMAIN_NAME=Example.ORG\r\n"
        "NET_DEVICE=\"52:54:00:AB:CD:EF\"\r\nIP_METHOD=DHCP\r\nIP_DNS2=\"\"");
    REQUIRE_MESSAGE(node, node.error().message());
    CHECK(plnode_hostname(*node) == "n1.example.org");
    CHECK(node->net_device == "52:54:00:ab:cd:ef");
    CHECK(node->ip_method == "dhcp");
    CHECK(node->ip_dns2 == "");
}

TEST_CASE("every value is checked, and the message names line and key") {
    CHECK(error_of(with("NODE_ID=\"12x\"")) ==
          "plnode.txt line 2: NODE_ID: expected a positive number, not \"12x\"");
    for (const char* bad : {
             "NODE_ID=0",
             "NODE_ID=-1",
             "NODE_KEY=short",
             "NODE_KEY=\"abcdefghijklmnop=\"",
             "NET_DEVICE=0:6:5b:ec:33:bb",
             "NET_DEVICE=00-06-5b-ec-33-bb",
             "NET_DEVICE=ff:ff:ff:ff:ff:ff",
             "IP_METHOD=static6",
             "IP_ADDRESS=300.1.1.1",
             "IP_ADDRESS=1.2.3",
             "IP_NETMASK=255.0.255.0",
             "IP_NETMASK=0.0.0.0",
             "IP_DNS1=localhost",
             "IP6_ADDRESS=2001:db8::1",
             "IP6_ADDRESS=2001:db8::1/129",
             "IP6_GATEWAY=fe80::1",
             "HOST_NAME=a.b",
             "DOMAIN_NAME=a..b",
             "DOMAIN_NAME=-a.b",
             "BOOT_SERVER=http://c.example",
             "BOOT_SERVER=https://c.example:99999",
             "BOOT_SERVER=https://",
             "BOOT_SERVER=https://c.example/path",
             "BOOT_SERVER=https://[2001:db8::1",
             "PROXY_SERVER=ftp://x",
             "IPMI_ADDRESS=x",
             "IP_ADRESS=192.0.2.1",
             "NODE_KEYS=1",
             "no equals sign",
             "lower=1",
             "1A=1",
             "A=\"open",
             "A=x y",
             "A=\"$(reboot)\"",
             "A=\"`id`\"",
             "A=\"a\\b\"",
             "A=\"a\x01\"",
             "A=\"\xff\"",
         })
        CHECK_MESSAGE(!parse_plnode(with(bad)), bad);
    CHECK(parse_plnode(with("BOOT_SERVER=https://[2001:db8::1]:8443")));
    CHECK(parse_plnode(with("PROXY_SERVER=http://proxy.example:3128/")));
}

TEST_CASE("no message quotes the node's key") {
    std::string error = error_of(with("NODE_KEY=\"secret secret secret !!\""));
    CHECK(error.find("secret") == std::string::npos);
    CHECK(error.find("NODE_KEY") != std::string::npos);
    CHECK(error_of(with("NODE_KEY=\"secret$secret\"")).find("secret") == std::string::npos);
}

TEST_CASE("a key given twice is refused, not resolved") {
    CHECK(error_of("HOST_NAME=a\nHOST_NAME=b\n") == "plnode.txt line 2: HOST_NAME is there twice");
}

TEST_CASE("a static network must agree with itself") {
    const std::string base = with("IP_METHOD=static\nIP_ADDRESS=192.0.2.5\n");
    CHECK(error_of(base).find("needs IP_ADDRESS, IP_GATEWAY and IP_NETMASK") != std::string::npos);
    CHECK(!parse_plnode(base + "IP_GATEWAY=198.51.100.1\nIP_NETMASK=255.255.255.0"));
    CHECK(!parse_plnode(base + "IP_GATEWAY=192.0.2.1\nIP_NETMASK=255.255.255.0\n"
                               "IP_BROADCASTADDR=192.0.2.127"));
    CHECK(!parse_plnode(base + "IP_GATEWAY=192.0.2.1\nIP_NETMASK=255.255.255.0\n"
                               "IP_NETADDR=192.0.1.0"));
    CHECK(
        !parse_plnode(with("IP_METHOD=static\nIP_ADDRESS=192.0.2.255\nIP_GATEWAY=192.0.2.1\n"
                           "IP_NETMASK=255.255.255.0")));
    CHECK(
        parse_plnode(with("IP_METHOD=static\nIP_ADDRESS=192.0.2.0\nIP_GATEWAY=192.0.2.1\n"
                          "IP_NETMASK=255.255.255.254")));
}

TEST_CASE("limits: file, lines, line") {
    CHECK(parse_plnode(std::string(kPlnodeLimit + 1, '\n')).error().code() == Code::kTooLarge);
    CHECK(parse_plnode(with(std::string(300, '\n'))).error().code() == Code::kTooLarge);
    CHECK(parse_plnode(with("A=" + std::string(600, 'x'))).error().code() == Code::kTooLarge);
}

TEST_CASE("a file without a host name is refused") {
    CHECK(error_of("").find("HOST_NAME is missing") != std::string::npos);
}

TEST_CASE("writing refuses what reading would not take back") {
    Plnode node;
    set_plnode_hostname(node, "N1.Example");
    CHECK(plnode_hostname(node) == "n1.example");
    node.extra.emplace_back("WLAN_SSID", "a\"\nNODE_ID=\"7");
    CHECK_FALSE(write_plnode(node));
    node.extra.clear();
    node.node_key = "with space and more";
    CHECK_FALSE(write_plnode(node));
    node.node_key = " 79yaw2Igv6RMFSRX6TwqaRsjYSDCVDEsVtcyOIdKWKc";
    CHECK_FALSE(write_plnode(node));
}

TEST_CASE("ePoxy's network form there and back") {
    Plnode node;
    node.host_name = "n1";
    REQUIRE(set_plnode_epoxy_ipv4(node, "192.0.2.130/26,192.0.2.129,192.0.2.1,2001:db8::53"));
    CHECK(node.ip_netmask == "255.255.255.192");
    CHECK(node.ip_netaddr == "192.0.2.128");
    CHECK(node.ip_broadcastaddr == "192.0.2.191");
    CHECK(plnode_epoxy_ipv4(node) == "192.0.2.130/26,192.0.2.129,192.0.2.1,2001:db8::53");
    REQUIRE(set_plnode_epoxy_ipv6(node, "2001:db8::5/64,fe80::1"));
    CHECK(plnode_epoxy_ipv6(node).starts_with("2001:db8::5/64,fe80::1"));
    CHECK(write_plnode(node));
    for (const char* bad :
         {"", "192.0.2.5", "192.0.2.5/24", "192.0.2.5/33,192.0.2.1", "192.0.2.5/24,198.51.100.1",
          "192.0.2.5/24,192.0.2.1,x", "192.0.2.5/24,192.0.2.1,,,", "192.0.2.255/24,192.0.2.1"}) {
        Plnode other;
        CHECK_MESSAGE(!set_plnode_epoxy_ipv4(other, bad), bad);
    }
}
