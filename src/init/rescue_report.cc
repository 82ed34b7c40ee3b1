#include "init/rescue_report.h"

#include "base/strings.h"
#include "init/console.h"
#include "init/machine.h"
#include "net/http_client.h"
#include "wire/failure_code.h"

namespace planetbox {

Status send_rescue_report(const Kargs& kargs, std::string_view ca_pem, std::string_view why) {
    std::string_view url = karg(kargs, "epoxy.report");
    if (url.empty())
        return fail(Code::kNotFound, "the kernel's command line has no epoxy.report to tell");
    HttpClientRequest request;
    request.method = "POST";
    request.url = url;
    request.headers.add("Content-Type", "application/x-www-form-urlencoded");
    request.body =
        str_cat("message=", url_encode(str_cat("error: rescue: ", why)), "&code=", kFailRescue,
                "&stage=", stage_of(kargs), strf("&uptime=%d", static_cast<int>(uptime_seconds())));
    request.total_timeout = Millis(30'000);
    request.max_body = 64 << 10;
    HttpClientOptions options;
    options.ca_pem = ca_pem;
    options.user_agent = "planetbox-init";
    HttpClientResponse answer = TRY(http_fetch(options, std::move(request)));
    if (answer.status >= 200 && answer.status < 300) return {};
    return fail(Code::kUnavailable, "the boot server answered " + answer.status_line);
}

}  // namespace planetbox
