// The short codes that a node shows on its console and sends in its report, and that `bootadm log`
// explains.  One table; a code's meaning never changes once shipped.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace planetbox {

struct FailureCode {
    std::string_view code;      // "B05"
    std::string_view sentence;  // what happened: "The server's certificate is not from our CA."
    std::string_view remedy;    // what to do next
};

std::span<const FailureCode> failure_codes();
std::optional<FailureCode> find_failure_code(std::string_view code);

// The codes that code refers to by name.
inline constexpr std::string_view kFailNoLink = "B01";
inline constexpr std::string_view kFailNoAddress = "B02";
inline constexpr std::string_view kFailDns = "B03";
inline constexpr std::string_view kFailConnect = "B04";
inline constexpr std::string_view kFailUntrusted = "B05";
inline constexpr std::string_view kFailDates = "B06";
inline constexpr std::string_view kFailForbidden = "B07";
inline constexpr std::string_view kFailUnknownHost = "B08";
inline constexpr std::string_view kFailChecksum = "B09";
inline constexpr std::string_view kFailDownload = "B10";
inline constexpr std::string_view kFailAction = "B11";
inline constexpr std::string_view kFailCommand = "B12";
inline constexpr std::string_view kFailKexec = "B13";
inline constexpr std::string_view kFailConfig = "B14";
inline constexpr std::string_view kFailServer = "B15";
inline constexpr std::string_view kFailRescue = "B16";
inline constexpr std::string_view kFailInternal = "B17";

}  // namespace planetbox
