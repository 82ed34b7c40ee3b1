// A boot storm: N simulated nodes, all at once, each stage1.json → stage2 → an image of the storage
// → report, over HTTPS with the pinned CA.  Prints one JSON object with what happened.
//
//     storm --url https://127.0.0.1:8443 --ca root.crt --count 1000 --image
//     /v1/storage/v1/storm/image
//
// What it is not: the image is counted, not hashed (a real node hashes; a thousand on one core
// cannot).
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/json.h"
#include "base/strings.h"
#include "event/loop.h"
#include "net/http_client.h"
#include "options.h"
#include "sys/files.h"

using namespace planetbox;

namespace {

struct Settings {
    std::string url, ca, hosts = "node%04d.storm.example", image;
    int64_t count = 1000;
};

// One node's way through the boot.  Ends in `done`, with an empty text or the failure.
class Node {
public:
    Node(HttpClient& client, const Clock& clock, const Settings& settings, std::string host,
         std::function<void(std::string)> done)
        : client_(client),
          clock_(clock),
          settings_(settings),
          host_(std::move(host)),
          done_(std::move(done)) {}

    void start() {
        begun_ = clock_.mono();
        post(str_cat(settings_.url, "/v1/boot/", host_, "/stage1.json"), "",
             [this](HttpClientResponse& answer) { on_stage1(answer); });
    }
    double seconds() const { return seconds_; }
    uint64_t image_bytes() const { return image_bytes_; }

private:
    void finish(std::string failure) {
        seconds_ = std::chrono::duration<double>(clock_.mono() - begun_).count();
        done_(std::move(failure));
    }

    void run(HttpClientRequest request, std::function<void(HttpClientResponse&)> next) {
        request.total_timeout = Millis(600'000);
        request.connect_timeout = Millis(120'000);
        client_.start(std::move(request), [this, next](Result<HttpClientResponse> answer) {
            if (!answer) return finish(answer.error().message());
            if (answer->status / 100 != 2) return finish(answer->status_line);
            next(*answer);
        });
    }

    void post(std::string url, std::string form, std::function<void(HttpClientResponse&)> next) {
        HttpClientRequest request;
        request.method = "POST";
        request.url = std::move(url);
        request.headers.add("Content-Type", "application/x-www-form-urlencoded");
        request.body = std::move(form);
        run(std::move(request), std::move(next));
    }

    void on_stage1(HttpClientResponse& answer) {
        Result<json::Document> document = json::parse(answer.body);
        if (!document) return finish(document.error().message());
        json::Value kargs = document->root()["kargs"];
        report_url_ = std::string(kargs["epoxy.report"].string_or(""));
        post(std::string(kargs["epoxy.stage2"].string_or("")), "",
             [this](HttpClientResponse&) { fetch_image(); });
    }

    void fetch_image() {
        HttpClientRequest request;
        request.url = settings_.url + settings_.image;
        request.sink = [this](std::string_view piece) -> Status {
            image_bytes_ += piece.size();
            return {};
        };
        run(std::move(request), [this](HttpClientResponse&) {
            post(report_url_, "message=success", [this](HttpClientResponse&) { finish(""); });
        });
    }

    HttpClient& client_;
    const Clock& clock_;
    const Settings& settings_;
    std::string host_, report_url_;
    std::function<void(std::string)> done_;
    MonoTime begun_{};
    double seconds_ = 0;
    uint64_t image_bytes_ = 0;
};

// The hosts pattern holds one %04d, filled in by hand: it comes from the command line.
std::string host_name(const std::string& pattern, int64_t index) {
    return replace_all(pattern, "%04d", strf("%04d", static_cast<int>(index)));
}

int print_summary(const std::vector<std::unique_ptr<Node>>& nodes,
                  const std::map<std::string, int64_t>& failures, double seconds) {
    double fastest = 1e9, slowest = 0;
    uint64_t bytes = 0;
    for (const auto& node : nodes) {
        fastest = std::min(fastest, node->seconds());
        slowest = std::max(slowest, node->seconds());
        bytes += node->image_bytes();
    }
    int64_t failed = 0;
    json::Writer out(2);
    out.begin_object().field("nodes", static_cast<int64_t>(nodes.size()));
    out.key("failures").begin_object();
    for (const auto& [message, count] : failures) {
        out.field(message, count);
        failed += count;
    }
    out.end_object();
    out.field("failed", failed).field("seconds", seconds);
    out.field("fastest_seconds", fastest).field("slowest_seconds", slowest);
    out.field("image_bytes", static_cast<int64_t>(bytes)).end_object();
    std::printf("%s\n", out.text().c_str());
    return failed ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
    Settings settings;
    Options opt("storm", "Simulates many nodes that boot at once.");
    opt.value("--url", &settings.url, "boot server").required();
    opt.value("--ca", &settings.ca, "file of the pinned CA").required();
    opt.value("--hosts", &settings.hosts, "host names; %04d is the number");
    opt.value("--image", &settings.image, "path of the image on the server").required();
    opt.value("--count", &settings.count, "how many").range(1, 20'000);
    if (std::optional<int> code = opt.parse(argc, argv)) return *code;

    RealClock clock;
    auto loop = Loop::create(clock);
    auto ca = read_file(settings.ca, 1 << 20);
    if (!loop || !ca) return std::fprintf(stderr, "storm: no loop or no CA file\n"), 1;
    HttpClientOptions options;
    options.ca_pem = *ca;
    HttpClient client(**loop, options);

    std::vector<std::unique_ptr<Node>> nodes;
    std::map<std::string, int64_t> failures;
    int64_t left = settings.count;
    MonoTime begun = clock.mono();
    for (int64_t i = 0; i < settings.count; ++i) {
        nodes.push_back(std::make_unique<Node>(
            client, clock, settings, host_name(settings.hosts, i), [&](std::string failure) {
                if (!failure.empty()) ++failures[failure];
                if (--left == 0) (*loop)->stop();
            }));
    }
    for (auto& node : nodes) node->start();
    Status ran = (*loop)->run();
    if (!ran) return std::fprintf(stderr, "storm: %s\n", ran.error().message().c_str()), 1;
    return print_summary(nodes, failures,
                         std::chrono::duration<double>(clock.mono() - begun).count());
}
