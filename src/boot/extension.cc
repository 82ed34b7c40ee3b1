#include "boot/extension.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "base/bytes.h"
#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"
#include "crypto/hash.h"
#include "sys/process.h"

namespace planetbox {
namespace {

constexpr size_t kMaxAnswer = 64 * 1024;
constexpr size_t kMaxRunning = 32;

HttpClientOptions client_options(const std::string& ca_pem) {
    HttpClientOptions options;
    options.ca_pem = ca_pem;
    options.allow_http = true;  // the request is signed; what it says is no secret
    return options;
}

HttpResponse relayed(const ExtensionRecord& extension, Result<HttpClientResponse> result) {
    if (!result) {
        const bool late = result.error().code() == Code::kTimeout;
        log_warning("bootd", "extension",
                    {{"operation", extension.name}, {"error", result.error().message()}});
        return HttpResponse::text(late ? 504 : 502, late ? "The extension did not answer in time\n"
                                                         : "The extension cannot be reached\n");
    }
    HttpResponse response;
    response.status = result->status;
    response.body = std::move(result->body);
    for (std::string_view name : {"Content-Type", "Retry-After", "Cache-Control"})
        if (auto value = result->headers.get(name))
            response.headers.add(std::string(name), std::string(*value));
    return response;
}

}  // namespace

std::string extension_body(const ExtensionQuestion& question) {
    json::Writer writer(4);
    writer.begin_object().key("v1").begin_object();
    writer.field("hostname", question.hostname);
    writer.field("ipv4_address", question.ipv4).field("ipv6_address", question.ipv6);
    writer.field("last_boot", rfc3339(from_unix_seconds(question.last_boot)));
    writer.field("raw_query", question.raw_query);
    writer.end_object().end_object();
    return writer.take();
}

std::string extension_signature(std::string_view secret, int64_t now, std::string_view body) {
    const std::string time = strf("%lld", static_cast<long long>(now));
    return "t=" + time + ",v1=" + hex(as_bytes(hmac_sha256(secret, str_cat(time, ".", body))));
}

// A command that runs.  Over when its output has ended and its process is reaped.
struct ExtensionRunner::Command {
    std::string name;
    pid_t pid = -1;
    UniqueFd output;
    std::string answer;
    Loop::TimerId timer = 0;
    int wait_status = 0;
    bool reaped = false, timed_out = false, too_long = false;
    Done done;
};

ExtensionRunner::ExtensionRunner(Loop& loop, const std::string& ca_pem)
    : loop_(loop), client_(loop, client_options(ca_pem)), alive_(std::make_shared<bool>(true)) {}

ExtensionRunner::~ExtensionRunner() {
    *alive_ = false;
    for (auto& [pid, command] : commands_) {
        kill(-pid, SIGKILL);
        loop_.cancel(command->timer);
        if (command->output.ok()) loop_.unwatch(command->output.get());
    }
}

void ExtensionRunner::run(const ExtensionRecord& extension, const ExtensionQuestion& question,
                          Done done) {
    if (running_ >= kMaxRunning) {
        HttpResponse busy = HttpResponse::text(503, "Too many extensions run at once\n");
        busy.headers.add("Retry-After", "5");
        return done(std::move(busy));
    }
    ++running_;
    Done counted = [this, alive = alive_, done = std::move(done)](HttpResponse response) {
        if (*alive) --running_;
        done(std::move(response));
    };
    std::string body = extension_body(question);
    if (extension.argv.empty())
        ask_url(extension, std::move(body), std::move(counted));
    else
        run_command(extension, body, std::move(counted));
}

void ExtensionRunner::ask_url(const ExtensionRecord& extension, std::string body, Done done) {
    HttpClientRequest request;
    request.method = "POST";
    request.url = extension.url;
    request.headers.add("Content-Type", "application/json");
    request.headers.add(
        "Planetbox-Signature",
        extension_signature(extension.secret, unix_seconds(loop_.clock().wall()), body));
    request.body = std::move(body);
    request.max_body = kMaxAnswer;
    request.max_redirects = 0;
    request.connect_timeout = std::min(Millis(extension.deadline_ms), Millis(10'000));
    request.total_timeout = Millis(extension.deadline_ms);
    client_.start(std::move(request),
                  [extension, done = std::move(done)](Result<HttpClientResponse> result) {
                      done(relayed(extension, std::move(result)));
                  });
}

void ExtensionRunner::run_command(const ExtensionRecord& extension, const std::string& body,
                                  Done done) {
    const auto broken = [&](const Error& error) {
        log_error("bootd", "extension",
                  {{"operation", extension.name}, {"error", error.message()}});
        done(HttpResponse::text(500, "The extension cannot be started\n"));
    };
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0) return broken(sys_error("pipe"));
    UniqueFd in_read(in[0]), in_write(in[1]);
    if (pipe2(out, O_CLOEXEC | O_NONBLOCK) != 0) return broken(sys_error("pipe"));
    UniqueFd out_read(out[0]), out_write(out[1]);
    // Far smaller than a pipe holds, so this cannot block.
    if (write(in_write.get(), body.data(), body.size()) != ssize_t(body.size()))
        return broken(sys_error("write to the command"));
    in_write.reset();
    SpawnOptions options;
    options.argv = extension.argv;
    options.stdin_fd = in_read.get();
    options.stdout_fd = out_write.get();
    options.new_session = true;
    options.die_with_parent = true;
    const Result<pid_t> pid = spawn(options);
    if (!pid) return broken(pid.error());
    auto command = std::make_unique<Command>();
    command->name = extension.name;
    command->pid = *pid;
    command->output = std::move(out_read);
    command->done = std::move(done);
    Command* raw = command.get();
    commands_.emplace(*pid, std::move(command));
    watch(raw, extension.deadline_ms);
}

void ExtensionRunner::watch(Command* command, int64_t deadline_ms) {
    command->timer = loop_.after(Millis(deadline_ms), [this, command] {
        command->timer = 0;
        command->timed_out = true;
        if (!command->reaped) kill(-command->pid, SIGKILL);
        end_output(command);  // somebody who left the group may hold the pipe for ever
    });
    (void)loop_.watch(command->output.get(), EPOLLIN,
                      [this, command](uint32_t) { read_output(command); });
    (void)loop_.on_child(command->pid, [this, alive = alive_, command](int wait_status) {
        if (!*alive) return;
        command->reaped = true;
        command->wait_status = wait_status;
        // A grandchild that keeps the pipe must not keep the answer.
        kill(-command->pid, SIGKILL);
        finish_if_over(command);
    });
}

void ExtensionRunner::read_output(Command* command) {
    char buffer[4096];
    for (;;) {
        const ssize_t count = read(command->output.get(), buffer, sizeof buffer);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) return;
        if (count <= 0) break;
        command->answer.append(buffer, size_t(count));
        if (command->answer.size() <= kMaxAnswer) continue;
        command->too_long = true;
        kill(-command->pid, SIGKILL);
        break;
    }
    end_output(command);
}

void ExtensionRunner::end_output(Command* command) {
    if (command->output.ok()) loop_.unwatch(command->output.get());
    command->output.reset();
    finish_if_over(command);
}

void ExtensionRunner::finish_if_over(Command* command) {
    if (!command->reaped || command->output.ok()) return;
    loop_.cancel(command->timer);
    const std::unique_ptr<Command> over = std::move(commands_[command->pid]);
    commands_.erase(over->pid);
    if (over->timed_out)
        return over->done(HttpResponse::text(504, "The extension did not answer in time\n"));
    if (over->too_long || over->wait_status != 0) {
        log_error("bootd", "extension",
                  {{"operation", over->name},
                   {"error", over->too_long ? "answer above 64 KiB"
                                            : describe_wait_status(over->wait_status)}});
        return over->done(HttpResponse::text(500, "The extension failed\n"));
    }
    const bool is_json = json::parse(over->answer, kMaxAnswer).has_value();
    over->done(is_json ? HttpResponse::json(200, std::move(over->answer))
                       : HttpResponse::text(200, std::move(over->answer)));
}

}  // namespace planetbox
