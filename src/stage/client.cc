#include "stage/client.h"

#include <unistd.h>

#include <set>

#include "base/strings.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "stage/command.h"
#include "stage/evaluate.h"
#include "stage/go_text.h"
#include "stage/progress.h"
#include "stage/redact.h"
#include "wire/failure_code.h"

extern char** environ;

namespace planetbox {

namespace {

constexpr std::string_view kFileScheme = "file://";
constexpr std::string_view kNoUrl = "Action URL key not found";

bool is_plain_http(std::string_view url) { return lower_ascii(url.substr(0, 7)) == "http://"; }

Failure action_failure(std::string message) {
    return {.message = std::move(message), .code = kFailAction};
}

std::vector<std::string> own_environment() {
    std::vector<std::string> env;
    for (char** entry = environ; *entry; ++entry) env.emplace_back(*entry);
    return env;
}

// "a" "b c": to read, or to paste into a shell.
std::string paste(const std::vector<std::string>& words) {
    return str_cat("\"", join(words, "\" \""), "\"");
}

// The server's own words, when they are words: bootd and ePoxy answer errors with one line of text.
std::string first_line_of(const HttpClientResponse& answer) {
    if (!answer.headers.get("Content-Type").value_or("").starts_with("text/plain")) return {};
    return printable(trim(split(answer.body, '\n')[0]), 200);
}

int64_t uptime_seconds() {
    Result<std::string> text = read_file("/proc/uptime", 100);
    if (!text) return 0;
    return parse_int(split(*text, '.')[0]).value_or(0);
}

}  // namespace

BootClient::BootClient(ClientOptions options, Kargs kargs, Waiter& waiter, ClientHooks hooks)
    : options_(std::move(options)),
      given_kargs_(std::move(kargs)),
      kargs_(given_kargs_),
      waiter_(waiter),
      hooks_(std::move(hooks)) {
    HttpClientOptions http{.ca_pem = options_.ca_pem, .user_agent = "planetbox-bootclient"};
    https_ = std::make_unique<HttpClient>(waiter_.loop(), http);
    http.allow_http = true;
    http_ = std::make_unique<HttpClient>(waiter_.loop(), http);
}

BootClient::~BootClient() = default;

Result<HttpClientResponse> BootClient::fetch(HttpClientRequest request, bool plain_http) {
    return waiter_.fetch(plain_http ? *http_ : *https_, std::move(request));
}

std::optional<Failure> BootClient::attempt() {
    files_dir_.reset();
    verified_.clear();
    action_.reset();
    if (Verdict bad = load_first()) return bad;
    if (Verdict bad = follow_chain()) return bad;
    Verdict bad = carry_out();
    files_dir_.reset();
    return bad;
}

// --- the action
// ------------------------------------------------------------------------------------

BootClient::Verdict BootClient::load_first() {
    auto url = kargs_.find(options_.action);
    if (url == kargs_.end()) return action_failure(std::string(kNoUrl));
    say(str_cat("Loading the action ", options_.action, " from ", redact(url->second)));
    if (Verdict bad = load(url->second, true, Phase::kAskStage)) {
        if (!bad->refused || !first_answer_) return bad;
        // Its session id is used up: what it answered then still holds.
        say(str_cat(bad->message, "; going on with the answer from before"));
        action_ = *first_answer_;
    }
    first_answer_ = *action_;
    if (!options_.add_kargs) return std::nullopt;
    // What an earlier answer added gives way: each stage 1 makes new ids and kills the old ones.
    kargs_ = given_kargs_;
    for (const auto& [name, value] : action_->kargs)
        if (!kargs_.emplace(name, value).second && kargs_[name] != value)
            say(str_cat("keeping ", name, " of the kernel command line; the server has another"));
    return std::nullopt;
}

BootClient::Verdict BootClient::follow_chain() {
    std::set<std::string> seen;
    while (!action_->chain.empty()) {
        const std::string url = action_->chain;
        if (!seen.insert(url).second)
            return action_failure("chain: it leads back to " + redact(url));
        if (static_cast<int>(seen.size()) > options_.max_chain)
            return action_failure(strf("chain: longer than %d actions", options_.max_chain));
        say("Following the chain to " + redact(url));
        if (Verdict bad = load(url, false, Phase::kFollowChain)) return bad;
    }
    return std::nullopt;
}

BootClient::Verdict BootClient::load(const std::string& url, bool post, Phase phase) {
    std::string text;
    if (url.starts_with(kFileScheme)) {
        Result<std::string> file = read_file(url.substr(kFileScheme.size()), kMaxActionText);
        if (!file) return classify(Phase::kReadAction, file.error());
        text = std::move(*file);
    } else if (Verdict bad = request_action(url, post, phase, &text)) {
        return bad;
    }
    Result<Action> action = parse_action(text);
    if (!action) return classify(Phase::kReadAction, action.error());
    action_ = std::move(*action);
    return std::nullopt;
}

BootClient::Verdict BootClient::request_action(const std::string& url, bool post, Phase phase,
                                               std::string* text) {
    HttpClientRequest request;
    request.url = url;
    request.total_timeout = options_.request_timeout;
    request.max_body = kMaxActionText;
    if (post) {
        request.method = "POST";
        request.headers.add("Content-Type", "application/x-www-form-urlencoded");
        if (options_.action == "epoxy.stage1" && !options_.node_key.empty() &&
            !is_plain_http(url)) {
            request.body = encode_form({{"key", options_.node_key}});
            request.max_redirects = 0;  // the key is for this server only
        }
    }
    Result<HttpClientResponse> answer = fetch(std::move(request), options_.allow_http);
    if (!answer) return classify(phase, std::move(answer.error()).context(post ? "Post" : "Get"));
    if (answer->status >= 200 && answer->status < 300) {
        *text = std::move(answer->body);
        return std::nullopt;
    }
    if (std::string words = first_line_of(*answer); !words.empty())
        say(strf("the server says: %s", redact(words).c_str()));
    return classify_status(phase, answer->status,
                           post ? strf("Bad status code: got %d, expected 200 code", answer->status)
                                : "server returned " + answer->status_line);
}

// --- carrying it out
// -------------------------------------------------------------------------------

BootClient::Verdict BootClient::carry_out() {
    if (action_->ignored_commands > 0)
        say(strf("ignoring %zu commands that are neither text nor array",
                 action_->ignored_commands));
    if (Status done = evaluate_vars(*action_, kargs_); !done)
        return classify(Phase::kReadAction, done.error());
    if (Status done = evaluate_file_urls(*action_, kargs_); !done)
        return classify(Phase::kReadAction, done.error());
    if (Verdict bad = download_files()) return bad;
    return run_commands();
}

BootClient::Verdict BootClient::download_files() {
    if (action_->files.empty()) return std::nullopt;
    // All are looked at before the first is loaded: half an hour is better not spent in vain.
    for (const auto& [name, file] : action_->files)
        if (Verdict bad = check_file(name, file)) return bad;
    Result<TempDir> dir = TempDir::create();
    if (!dir) return classify(Phase::kDownload, dir.error());
    files_dir_.emplace(std::move(*dir));
    for (auto& [name, file] : action_->files)
        if (Verdict bad = download_one(name, file)) return bad;
    return std::nullopt;
}

BootClient::Verdict BootClient::check_file(
    const std::string& name, const std::map<std::string, std::string, std::less<>>& file) const {
    const std::string shown = go_quote(printable(name, 60));
    if (!is_plain_name(name)) return action_failure(str_cat("file ", shown, ": not a file name"));
    auto hash = file.find("sha256");
    if (hash == file.end() && !options_.allow_unhashed)
        return action_failure(str_cat("file ", shown,
                                      " has no sha256, and nothing unchecked is "
                                      "started (--allow-unhashed lifts this)"));
    if (hash != file.end() && !is_sha256_hex(hash->second))
        return action_failure(str_cat("file ", shown, ": its sha256 is not 64 hex digits"));
    if (is_plain_http(file.find("url")->second) && hash == file.end() && !options_.allow_http)
        return action_failure(str_cat("file ", shown, ": http without a sha256 is refused"));
    return std::nullopt;
}

BootClient::Verdict BootClient::download_one(
    const std::string& name, std::map<std::string, std::string, std::less<>>& file) {
    const std::string path =
        str_cat(files_dir_->path(), "/", name, "-", hex(as_bytes(random_bytes(5))));
    file.insert_or_assign("name", path);
    if (options_.dryrun) return std::nullopt;
    const std::string url = file.find("url")->second;
    auto hash = file.find("sha256");
    say(str_cat("Downloading ", name, " from ", redact(url)));
    Result<UniqueFd> fd = open_file(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (!fd) return classify(Phase::kDownload, fd.error());

    ProgressMeter meter(name, options_.progress_interval, waiter_.clock(), hooks_.say);
    // What the hash vouches for may come over any connection.
    const bool plain = options_.allow_http || (hash != file.end() && is_plain_http(url));
    DownloadTools tools{
        .fetch = [&](HttpClientRequest request) { return fetch(std::move(request), plain); },
        .pause = [&](Millis time) { return waiter_.pause(time); },
        .progress = [&](uint64_t done, uint64_t total) { meter.update(done, total); },
        .say = [&](const std::string& text) { say(str_cat(name, ": ", redact(text))); },
        .clock = waiter_.clock()};
    Result<Downloaded> got = download_file(
        tools, options_.download, url,
        hash == file.end() ? std::string_view() : std::string_view(hash->second), fd->get());
    if (!got) {
        (void)remove_file(path);
        say(str_cat(name, ": ", redact(got.error().message())));
        return classify(Phase::kDownload, got.error());
    }
    say(str_cat(meter.summary(got->size), hash == file.end() ? ", not checked" : ", SHA-256 fits"));
    verified_[path] = got->sha256;
    return std::nullopt;
}

BootClient::Verdict BootClient::run_commands() {
    auto env = evaluate_env(*action_, kargs_, own_environment());
    if (!env) return classify(Phase::kReadAction, env.error());
    auto commands = evaluate_commands(*action_, kargs_);
    if (!commands) return classify(Phase::kReadAction, commands.error());
    for (const std::vector<std::string>& words : *commands) {
        if (words.empty()) continue;  // a comment
        say(str_cat("Command: ", redact(paste(words))));
        if (options_.dryrun) continue;
        if (Verdict bad = run_one(words, *env)) return bad;
    }
    return std::nullopt;
}

BootClient::Verdict BootClient::run_one(const std::vector<std::string>& words,
                                        const std::vector<std::string>& env) {
    const bool kexec = base_name(words[0]) == "kexec";
    Status done;
    if (kexec && hooks_.kexec && is_own_kexec(words, env)) {
        done = hooks_.kexec(words, verified_);
        if (!done) done = std::unexpected(std::move(done.error()).context("exit status 1"));
    } else {
        done = run_command(waiter_, words, env, options_.command_timeout);
    }
    if (done) return std::nullopt;
    Failure failure = classify(kexec ? Phase::kKexec : Phase::kCommand, done.error());
    failure.message = str_cat(go_quote(words), " : ", failure.message);
    return failure;
}

// --- the report
// ------------------------------------------------------------------------------------

Status BootClient::report(const std::optional<Failure>& failure) {
    Report report;
    report.success = !failure;
    if (failure) report.failure = *failure;
    std::string_view stage = options_.action;
    report.stage =
        stage.substr(stage.find('.') == std::string_view::npos ? 0 : stage.find('.') + 1);
    report.uptime_seconds = uptime_seconds();
    auto url = kargs_.find(options_.report);
    if (url == kargs_.end())
        return fail(Code::kNotFound,
                    str_cat(kNoUrl, ": no ", options_.report, " among the kernel arguments"));
    if (options_.dryrun) {
        say("Report (not sent): " + report.message());
        return {};
    }
    const std::string form =
        encode_form(report_fields(report, kargs_, action_ ? &*action_ : nullptr));

    // A success that stays unknown leaves a good node looking dead: it is worth more patience.
    const int tries = report.success ? 8 : 3;
    Millis pause{1'000};
    for (int count = 1;; ++count) {
        HttpClientRequest request;
        request.method = "POST";
        request.url = url->second;
        request.headers.add("Content-Type", "application/x-www-form-urlencoded");
        request.body = form;
        request.total_timeout = options_.request_timeout;
        Result<HttpClientResponse> answer = fetch(std::move(request), options_.allow_http);
        if (answer && answer->status >= 200 && answer->status < 300) return {};
        Error error =
            answer ? Error(code_of_status(answer->status),
                           strf("Bad status code: got %d, expected 200 code", answer->status))
                   : std::move(answer.error());
        const bool later = error.code() == Code::kUnavailable || error.code() == Code::kTimeout;
        if (!later || count == tries) return fail(std::move(error));
        TRY(waiter_.pause(with_jitter(pause)));
        pause = std::min(pause * 2, Millis(30'000));
    }
}

std::optional<Failure> run_with_retries(BootClient& client, const RetryOptions& retry,
                                        Waiter& waiter,
                                        const std::function<void(const std::string&)>& say) {
    const MonoTime deadline = waiter.clock().mono() + retry.give_up;
    for (;;) {
        std::optional<Failure> failure = client.attempt();
        if (waiter.stopped()) return failure ? failure : Failure{"told to stop", kFailInternal};
        if (failure) say(explain_failure(failure->code));
        say("Result: " + (failure ? "error: " + redact(failure->message) : "success"));
        if (Status told = client.report(failure); !told)
            say("The report was not delivered: " + redact(told.error().message()));
        if (!failure) return std::nullopt;
        if (!retry.retry || waiter.clock().mono() >= deadline || waiter.stopped()) return failure;
        Millis wait = with_jitter(retry.interval);
        say("Trying again in " + human_duration(wait) + ".");
        if (!waiter.pause(wait)) return failure;
    }
}

}  // namespace planetbox
