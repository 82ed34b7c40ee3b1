// bootclient's work: fetch the action of this stage, carry it out, tell the server how it went, and
// try again when it went wrong.
//
// One try (attempt):
//   kernel argument → POST → action → (chain: GET → action)* → vars → files → env → commands
// as epoxy_client does it (reference: its README and nextboot/v1.go), with these differences: a
// chain is bounded and may not loop, an action without v1 is an error like any other, a file needs
// a SHA-256, downloads resume, and a boot server that refuses a second POST of a stage it has
// answered already is taken at its first word.
//
// Blocks for as long as downloads and commands take; every wait has a limit and ends at a signal.
// Nothing printed, reported or returned holds a session id or the node's key.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/http_client.h"
#include "stage/action.h"
#include "stage/download.h"
#include "stage/failure.h"
#include "stage/report.h"
#include "stage/waiter.h"
#include "sys/files.h"

namespace planetbox {

struct ClientOptions {
    std::string action = "epoxy.stage2";  // names of kernel arguments that hold URLs
    std::string report = "epoxy.report";
    bool add_kargs = false;
    bool dryrun = false;
    bool allow_unhashed = false;
    bool allow_http = false;
    int max_chain = 10;
    Millis request_timeout{600'000};
    Millis command_timeout{2 * 3600'000};
    DownloadLimits download;
    Millis progress_interval{5'000};
    std::string ca_pem;
    std::string node_key;  // sent with the POST of epoxy.stage1
};

struct ClientHooks {
    // One line for people.
    std::function<void(const std::string&)> say;
    // Carries out a kexec command in this process; see applets/kexec.h.
    std::function<Status(const std::vector<std::string>& words,
                         const std::map<std::string, std::string>& expected)>
        kexec;
};

class BootClient {
public:
    BootClient(ClientOptions options, Kargs kargs, Waiter& waiter, ClientHooks hooks);
    ~BootClient();

    // One try, without the report.  nullopt: success.
    std::optional<Failure> attempt();
    // Tells the server about it; repeated a few times when the server does not answer.
    Status report(const std::optional<Failure>& failure);

    const Kargs& kargs() const { return kargs_; }

private:
    using Verdict = std::optional<Failure>;
    struct Answer;

    Verdict load_first();
    Verdict follow_chain();
    Verdict load(const std::string& url, bool post, Phase phase);
    Verdict request_action(const std::string& url, bool post, Phase phase, std::string* text);
    Verdict carry_out();
    Verdict download_files();
    Verdict download_one(const std::string& name,
                         std::map<std::string, std::string, std::less<>>& file);
    Verdict check_file(const std::string& name,
                       const std::map<std::string, std::string, std::less<>>& file) const;
    Verdict run_commands();
    Verdict run_one(const std::vector<std::string>& words, const std::vector<std::string>& env);
    Result<HttpClientResponse> fetch(HttpClientRequest request, bool plain_http);
    void say(const std::string& text) const { hooks_.say(text); }

    ClientOptions options_;
    Kargs given_kargs_;  // the kernel command line's
    Kargs kargs_;
    Waiter& waiter_;
    ClientHooks hooks_;
    std::unique_ptr<HttpClient> https_, http_;
    std::optional<Action> action_;
    std::optional<Action> first_answer_;
    std::optional<TempDir> files_dir_;
    std::map<std::string, std::string> verified_;  // path → SHA-256 of what was downloaded
};

// Tries until it works, `give_up` has passed, or (retry off) once; reports each time.
struct RetryOptions {
    bool retry = true;
    Millis interval{60'000};  // a quarter more or less
    Millis give_up{6 * 3600'000};
};
// nullopt: success.
std::optional<Failure> run_with_retries(BootClient& client, const RetryOptions& retry,
                                        Waiter& waiter,
                                        const std::function<void(const std::string&)>& say);

}  // namespace planetbox
