#include "init/network.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>

#include "base/strings.h"
#include "sys/files.h"
#include "sys/interfaces.h"
#include "sys/process.h"

namespace planetbox {

namespace {

constexpr const char* kLeaseDir = "/run/planetbox";
constexpr const char* kDhcpScript = "/etc/planetbox/udhcpc";

bool same_network(const StaticAddress& a, const IpAddress& b) {
    for (int bit = 0; bit < a.prefix; ++bit) {
        int byte = bit / 8, mask = 0x80 >> (bit % 8);
        if ((a.address.bytes()[byte] ^ b.bytes()[byte]) & mask) return false;
    }
    return true;
}

template <typename Raw>
Raw raw_address(const IpAddress& address) {
    Raw raw{};
    memcpy(&raw, address.bytes(), std::min(sizeof raw, address.size()));
    return raw;
}

void sysctl_v6(const std::string& interface, std::string_view name, std::string_view value) {
    (void)write_existing(str_cat("/proc/sys/net/ipv6/conf/", interface, "/", name), value);
}

}  // namespace

Network::~Network() {
    stop_dhcp();
    if (inotify_.ok()) loop_.unwatch(inotify_.get());
}

Status Network::start_loopback() { return set_interface_up("lo", true); }

std::vector<Interface> Network::candidates(const NetworkConfig& config) const {
    std::vector<Interface> out;
    for (Interface& link : list_interfaces()) {
        bool fits = !config.interface.empty() ? link.name == config.interface
                    : !config.mac.empty()     ? link.mac == config.mac
                                              : link.physical;
        if (fits) out.push_back(std::move(link));
    }
    return out;
}

bool Network::wait(Millis limit, const std::function<bool()>& done,
                   const std::function<bool()>& stop) {
    MonoTime deadline = loop_.clock().mono() + limit;
    while (!done()) {
        if (stop() || loop_.clock().mono() >= deadline) return false;
        if (!loop_.turn(Millis(25))) return false;
    }
    return true;
}

// What must be said to the kernel before the interface comes up.
void Network::prepare(const NetworkConfig& config, const std::string& name) {
    if (std::find(raised_.begin(), raised_.end(), name) != raised_.end()) return;
    raised_.push_back(name);
    if (config.v6 || config.v6_off) {
        sysctl_v6(name, "accept_ra", "0");
        sysctl_v6(name, "autoconf", "0");
        // An address that an operator has given is not questioned for a second at each boot.
        sysctl_v6(name, "accept_dad", "0");
    }
    if (config.v6_off) sysctl_v6(name, "disable_ipv6", "1");
    Status up = set_interface_up(name, true);
    if (!up) console_.step("network", up.error().message());
}

std::vector<Interface> Network::wait_for_link(const NetworkConfig& config,
                                              const std::function<bool()>& stop) {
    MonoTime start = loop_.clock().mono(), last_scan = start, last_word = start;
    std::vector<Interface> with_link;
    wait(
        kLinkWait,
        [&] {
            MonoTime now = loop_.clock().mono();
            if (now - last_scan > Millis(500)) {
                last_scan = now;
                devices_.scan(false);  // some devices take their time to appear
            }
            std::vector<Interface> all = candidates(config);
            for (const Interface& link : all) prepare(config, link.name);
            with_link = candidates(config);
            std::erase_if(with_link, [](const Interface& link) { return !link.carrier; });
            if (with_link.empty() && now - last_word > Seconds(5)) {
                last_word = now;
                std::vector<std::string> names;
                for (const Interface& link : all) names.push_back(link.name);
                auto left = std::chrono::ceil<Seconds>(kLinkWait - (now - start)).count();
                console_.step(
                    "network",
                    str_cat("waiting for ", names.empty() ? "a network card" : "a link on ",
                            join(names, ", "), strf(" (%d s left)", static_cast<int>(left))));
            }
            return !with_link.empty();
        },
        stop);
    return with_link;
}

std::optional<BootFailure> Network::bring_up(const NetworkConfig& config,
                                             const std::function<bool()>& stop) {
    this->stop();
    config_ = config;
    std::vector<Interface> links = wait_for_link(config, stop);
    if (links.empty()) {
        std::vector<Interface> all = candidates(config);
        std::string detail;
        if (all.empty())
            detail = !config.interface.empty() ? "there is no " + config.interface
                     : !config.mac.empty()     ? "no card has the address " + config.mac
                                               : "no network card was found";
        for (const Interface& link : all)
            detail += str_cat(detail.empty() ? "" : "; ", "no carrier on ", link.name);
        return BootFailure{"B01", detail};
    }
    if (config.dhcp()) return use_dhcp(config, links, stop);
    return use_static(config, links.front());
}

Status Network::apply(const std::string& name, const StaticAddress& address) {
    if (!address.address.is_v4()) {
        TRY(add_address_v6(name, raw_address<in6_addr>(address.address), address.prefix));
        if (address.gateway)
            TRY(add_default_route_v6(name, raw_address<in6_addr>(*address.gateway)));
        return {};
    }
    TRY(set_address_v4(name, raw_address<in_addr>(address.address), address.prefix));
    if (!address.gateway) return {};
    return add_default_route_v4(name, raw_address<in_addr>(*address.gateway),
                                same_network(address, *address.gateway));
}

std::optional<BootFailure> Network::use_static(const NetworkConfig& config, const Interface& link) {
    std::string shown;
    for (const std::optional<StaticAddress>& address : {config.v4, config.v6}) {
        if (!address) continue;
        Status done = apply(link.name, *address);
        if (!done) return BootFailure{"B14", str_cat(config.source, ": ", done.error().message())};
        shown += str_cat(shown.empty() ? "" : ", ", address->text());
    }
    finish(config, link.name, shown);
    return std::nullopt;
}

void Network::set_hostname(const std::string& name) {
    if (::sethostname(name.data(), name.size()) < 0)
        console_.step("network", sys_error("host name").message());
}

void Network::finish(const NetworkConfig& config, const std::string& name,
                     const std::string& shown) {
    interface_ = name;
    address_ = str_cat(shown, " via ", name);
    for (const std::string& other : raised_)
        if (other != name) (void)set_interface_up(other, false);
    raised_ = {name};
    if (!config.dhcp()) (void)write_file_atomic("/etc/resolv.conf", resolv_conf(config.dns, ""));
    if (!config.hostname.empty()) set_hostname(config.hostname);
    console_.step("network", str_cat(address_, " (", config.source, ")"));
}

bool Network::is_up() const {
    if (interface_.empty()) return false;
    std::vector<Interface> all = list_interfaces();
    return std::any_of(all.begin(), all.end(),
                       [&](const Interface& i) { return i.name == interface_ && i.carrier; });
}

void Network::stop() {
    stop_dhcp();
    for (const std::string& name : raised_) {
        (void)clear_address_v4(name);
        (void)set_interface_up(name, false);
    }
    raised_.clear();
    interface_.clear();
    address_.clear();
}

// --- DHCP ----------------------------------------------------------------------------------------

Status Network::start_dhcp(const NetworkConfig& config, const std::string& name) {
    TRY(make_dirs(kLeaseDir));
    TRY(remove_file(str_cat(kLeaseDir, "/dhcp.", name)));
    if (!inotify_.ok()) {
        inotify_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
        if (!inotify_.ok()) return fail_errno("inotify_init1");
        if (::inotify_add_watch(inotify_.get(), kLeaseDir, IN_MOVED_TO) < 0)
            return fail_errno(kLeaseDir);
    } else {
        loop_.unwatch(inotify_.get());
    }
    TRY(loop_.watch(inotify_.get(), EPOLLIN, [this, name](uint32_t) {
        char buffer[4096];
        while (::read(inotify_.get(), buffer, sizeof buffer) > 0) {
        }
        on_lease(name);
    }));
    SpawnOptions options;
    options.argv = {"/bin/busybox", "udhcpc", "-f", "-i", name, "-s", kDhcpScript,
                    "-t",           "4",      "-T", "2",  "-A", "5"};
    if (!config.hostname.empty()) {
        options.argv.push_back("-x");
        options.argv.push_back("hostname:" + config.hostname);
    }
    options.new_session = true;
    UniqueFd null = TRY(open_file("/dev/null", O_WRONLY));
    options.stdout_fd = null.get();
    options.stderr_fd = null.get();
    pid_t pid = TRY(spawn(options));
    udhcpc_ = pid;
    reaper_.watch(pid, [this](int) { udhcpc_ = 0; });
    return {};
}

void Network::stop_dhcp() {
    leased_.reset();
    if (!udhcpc_) return;
    ::kill(-udhcpc_, SIGTERM);
    reaper_.forget(udhcpc_);  // buried with the orphans
    udhcpc_ = 0;
}

void Network::on_lease(const std::string& name) {
    Result<std::string> text = read_file(str_cat(kLeaseDir, "/dhcp.", name), 16 << 10);
    if (!text) return;
    Lease lease = parse_lease(*text);
    if (!lease.address) {
        if (lease.event == "deconfig" && leased_) {
            console_.step("network", "the lease on " + name + " has ended");
            (void)clear_address_v4(name);
            leased_.reset();
        }
        return;
    }
    if (leased_ && *leased_ == *lease.address) return;  // a renewal
    Status done = apply(name, *lease.address);
    if (!done) {
        console_.step("network", "lease: " + done.error().message());
        return;
    }
    if (lease.mtu >= 576) (void)set_interface_mtu(name, lease.mtu);
    std::vector<IpAddress> dns = config_.dns;
    dns.insert(dns.end(), lease.dns.begin(), lease.dns.end());
    (void)write_file_atomic("/etc/resolv.conf", resolv_conf(dns, lease.domain));
    if (config_.hostname.empty() && is_hostname(lease.hostname)) set_hostname(lease.hostname);
    bool renewed_elsewhere = leased_.has_value();
    leased_ = lease.address;
    if (renewed_elsewhere) finish(config_, name, leased_->text());
}

std::optional<BootFailure> Network::use_dhcp(const NetworkConfig& config,
                                             const std::vector<Interface>& links,
                                             const std::function<bool()>& stop) {
    std::string tried;
    for (const Interface& link : links) {
        Status started = start_dhcp(config, link.name);
        if (!started) return BootFailure{"B17", "DHCP: " + started.error().message()};
        if (wait(kLeaseWait, [this] { return leased_.has_value(); }, stop)) {
            finish(config, link.name, leased_->text());
            return std::nullopt;
        }
        stop_dhcp();
        tried += str_cat(tried.empty() ? "" : ", ", link.name);
        if (stop()) break;
    }
    return BootFailure{"B02", "asked by DHCP on " + tried};
}

}  // namespace planetbox
