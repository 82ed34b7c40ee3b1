#include "wire/failure_code.h"

namespace planetbox {

static constexpr FailureCode kCodes[] = {
    {kFailNoLink, "No network interface has a link.",
     "Check the cable and the switch port; a missing driver shows as no interface at all."},
    {kFailNoAddress, "The network gave no address.",
     "Check the DHCP server, or give the node a static address on its medium."},
    {kFailDns, "The boot server's name does not resolve.",
     "Check the name servers in the node's configuration, or use an address on the medium."},
    {kFailConnect, "The boot server cannot be reached.",
     "Check that it runs, and the route and firewalls on the way; the node goes on trying."},
    {kFailUntrusted, "The server's certificate is not from the CA that this medium trusts.",
     "Somebody may be in the way; if the CA was replaced, make new media."},
    {kFailDates, "The server's certificate is not valid at this time.",
     "Check the node's clock, and on central `planetbox up --renew`."},
    {kFailForbidden, "The boot server refused the node.",
     "Its address or key does not fit its record; see `bootadm show HOST`."},
    {kFailUnknownHost, "The boot server does not know this node.",
     "Add it with `bootadm add`, or make a medium for the node that this machine is."},
    {kFailChecksum, "A downloaded file is not the one that was promised (SHA-256).",
     "See which file in the log; check the image with `bootadm image list`."},
    {kFailDownload, "A download broke off.", "The node resumes it by itself."},
    {kFailAction, "The boot action cannot be understood.",
     "Check the action file of the host's sequence; the message names the place."},
    {kFailCommand, "A command of the boot action failed.", "The message names the command."},
    {kFailKexec, "The new kernel could not be started.",
     "Check the image's kernel; a locked-down kernel needs a signed one."},
    {kFailConfig, "The node's configuration on the medium is missing or wrong.",
     "Make a new medium with `planetbox media`."},
    {kFailServer, "The boot server had an internal error.", "See its log on central."},
    {kFailRescue, "The node is in rescue mode.", "Log in with the rescue key, or reboot it."},
    {kFailInternal, "The node's own software failed.", "Report the message to the developers."},
};

std::span<const FailureCode> failure_codes() { return kCodes; }

std::optional<FailureCode> find_failure_code(std::string_view code) {
    for (const FailureCode& entry : kCodes)
        if (entry.code == code) return entry;
    return std::nullopt;
}

}  // namespace planetbox
