// POST …/extension/{op}: asks another service, or runs a command, for a machine that boots.
//
// What is asked gets ePoxy's JSON (reference: m-lab/epoxy extension package):
//     {"v1": {"hostname", "ipv4_address", "ipv6_address", "last_boot", "raw_query"}}
// A URL gets it by POST with the header
//     Planetbox-Signature: t=UNIX_SECONDS,v1=HEX
// where HEX is HMAC-SHA256 with the extension's secret over "UNIX_SECONDS.BODY": a service that
// checks it, and that the time is near, cannot be asked by anybody else.  A command gets the JSON
// on its standard input, and its standard output is the answer; its standard error goes to bootd's.
//
// Each request has its own state, so two machines that ask at once cannot be given each other's
// answer. Limits: a deadline each (504 beyond it, the command's process group is killed), 64 KiB of
// answer, 32 at a time.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "boot/boot_store.h"
#include "event/loop.h"
#include "net/http_client.h"
#include "net/http_message.h"

namespace planetbox {

struct ExtensionQuestion {
    std::string hostname, ipv4, ipv6;
    int64_t last_boot = 0;  // Unix seconds
    std::string raw_query;
};
std::string extension_body(const ExtensionQuestion& question);
// The value of Planetbox-Signature.
std::string extension_signature(std::string_view secret, int64_t now, std::string_view body);

class ExtensionRunner {
public:
    // `ca_pem`: who may vouch for https URLs.
    ExtensionRunner(Loop& loop, const std::string& ca_pem);
    ~ExtensionRunner();  // kills the commands that run
    using Done = std::function<void(HttpResponse)>;
    void run(const ExtensionRecord& extension, const ExtensionQuestion& question, Done done);

private:
    struct Command;
    void ask_url(const ExtensionRecord& extension, std::string body, Done done);
    void run_command(const ExtensionRecord& extension, const std::string& body, Done done);
    void watch(Command* command, int64_t deadline_ms);
    void read_output(Command* command);
    void end_output(Command* command);
    void finish_if_over(Command* command);

    Loop& loop_;
    HttpClient client_;
    std::map<pid_t, std::unique_ptr<Command>> commands_;
    size_t running_ = 0;
    std::shared_ptr<bool> alive_;
};

}  // namespace planetbox
