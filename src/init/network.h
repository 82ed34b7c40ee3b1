// Puts a NetworkConfig into effect: waits for a link, sets addresses, routes, resolv.conf, host
// name; or runs udhcpc and does the same with each lease it gets.
//
// Which interface: the one named, or the one with the medium's MAC address, or the first that has a
// link (with DHCP, the first that gets a lease).  The others are left down, so that a second cable
// cannot bring a second way out.
//
// Owns what it starts (udhcpc).  bring_up() takes up to the limits below, and turns the loop while
// it waits, so signals, services and the watchdog go on.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "event/loop.h"
#include "init/console.h"
#include "init/devices.h"
#include "init/network_config.h"
#include "init/reaper.h"

namespace planetbox {

struct Interface {
    std::string name;
    std::string mac;
    bool physical = false;  // has a device behind it: no loopback, bridge, tunnel
    bool carrier = false;
};
// From /sys/class/net, in the kernel's order (ifindex).
std::vector<Interface> list_interfaces(const std::string& sys_dir = "/sys");

// A lease as our udhcpc script writes it: lines key=value.
struct Lease {
    std::string event;  // "bound", "renew", "deconfig", …
    std::string interface;
    std::optional<StaticAddress> address;
    std::vector<IpAddress> dns;
    std::string hostname, domain;
    int mtu = 0;
};
Lease parse_lease(std::string_view text);

// A code of wire/failure_code.h, and what in particular.
struct BootFailure {
    std::string code;
    std::string detail;
};

class Network {
public:
    static constexpr Millis kLinkWait{60'000};
    static constexpr Millis kLeaseWait{12'000};  // for each interface

    Network(Loop& loop, Reaper& reaper, Console& console, Devices& devices)
        : loop_(loop), reaper_(reaper), console_(console), devices_(devices) {}
    ~Network();

    Status start_loopback();
    // nullopt when the network is up.  `stop` ends the waiting early (shutdown).
    std::optional<BootFailure> bring_up(const NetworkConfig& config,
                                        const std::function<bool()>& stop);
    // Up, and its link is still there.
    bool is_up() const;
    const std::string& address() const { return address_; }  // "10.0.2.15/24 via eth0", for people
    void stop();

private:
    std::vector<Interface> candidates(const NetworkConfig& config) const;
    std::vector<Interface> wait_for_link(const NetworkConfig& config,
                                         const std::function<bool()>& stop);
    void prepare(const NetworkConfig& config, const std::string& name);
    bool wait(Millis limit, const std::function<bool()>& done, const std::function<bool()>& stop);
    std::optional<BootFailure> use_static(const NetworkConfig& config, const Interface& link);
    std::optional<BootFailure> use_dhcp(const NetworkConfig& config,
                                        const std::vector<Interface>& links,
                                        const std::function<bool()>& stop);
    Status start_dhcp(const NetworkConfig& config, const std::string& name);
    void stop_dhcp();
    void on_lease(const std::string& name);
    Status apply(const std::string& name, const StaticAddress& address);
    void set_hostname(const std::string& name);
    void finish(const NetworkConfig& config, const std::string& name, const std::string& shown);

    Loop& loop_;
    Reaper& reaper_;
    Console& console_;
    Devices& devices_;
    NetworkConfig config_;
    std::string interface_;  // the one in use; empty: not up
    std::string address_;
    std::optional<StaticAddress> leased_;
    std::vector<std::string> raised_;  // interfaces that we have set up
    pid_t udhcpc_ = 0;
    UniqueFd inotify_;
};

}  // namespace planetbox
