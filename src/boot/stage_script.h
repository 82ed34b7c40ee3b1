// What stage 1, 2 and 3 answer, to the byte as ePoxy's server does (reference: its template
// package), with its fault mended: nothing is escaped that the reader does not unescape, so "&" and
// "%" arrive as they are.
//
// Pure functions.  Values were checked when the record was made (host.h): no space, no line end.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace planetbox {

struct StageAnswer {
    std::string chain_url;
    std::string stage2_url, stage3_url, report_url;
    std::string images_version;
    std::vector<std::pair<std::string, std::string>> extensions;  // operation → URL, sorted
    // Static addresses of the record.  They stand behind ePoxy's lines, and only when there are
    // any.
    std::string epoxy_ipv4, epoxy_ipv6;
};

std::string stage1_ipxe(const StageAnswer& answer);
std::string stage1_json(const StageAnswer& answer);
std::string stage_json(std::string_view chain_url);  // stage 2 and 3

// A script that shows lines on the console, waits and returns a failure, so that the medium's own
// script asks again.  iPXE drops the body of a 404 or 403, so the medium must know these cases by
// itself too; other HTTP clients and people with curl do see it.
std::string message_ipxe(const std::vector<std::string>& lines, int wait_seconds);

}  // namespace planetbox
