// TLS on the server's side over mbedTLS (with crypto/, its only includer).
//
// TlsContext holds what all connections share: one or two certificates (RSA for iPXE, ECDSA for
// everybody else, chosen by what the ClientHello offers), ticket keys, and counters by failure
// reason. TlsStream is one connection on a non-blocking socket.  It never blocks; read and write
// say what to wait for.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/ca.h"

namespace planetbox {

struct TlsServerConfig {
    std::vector<CertAndKey> certs;  // cert_pem holds leaf + chain (iPXE wants the root in it)
    std::string client_ca_pem;      // not empty: ask for a client certificate; absent is allowed
    bool allow_rsa_key_exchange = false;  // RSA key exchange + AES-CBC, for 2019-era ROMs
};

enum class TlsWant { kDone, kRead, kWrite, kClosed };

class TlsStream;

class TlsContext {
public:
    static Result<std::shared_ptr<TlsContext>> create(const TlsServerConfig& config);
    ~TlsContext();
    // Takes over neither the fd nor its lifetime.  The stream keeps what it needs of the context.
    Result<std::unique_ptr<TlsStream>> accept(int fd);
    // Handshakes that failed, by reason:
    //   unknown_ca, bad_certificate, expired   the peer refused our certificate and said why
    //   closed_after_certificate               it hung up on seeing it (iPXE does, whatever the
    //   cause) no_shared_cipher, protocol_version     nothing in common not_tls something else than
    //   TLS, most often plain HTTP empty                                  closed without a byte (a
    //   port scan, a health check) reset, timeout                         hung up, or fell silent,
    //   in the middle other
    void count_failure(std::string_view reason);
    const std::map<std::string, uint64_t, std::less<>>& failures() const;

private:
    friend class TlsStream;
    struct State;
    explicit TlsContext(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

class TlsStream {
public:
    ~TlsStream();
    TlsStream(const TlsStream&) = delete;
    TlsStream& operator=(const TlsStream&) = delete;

    // kDone when the handshake is complete.  Errors: kProtocol with a message for people;
    // failure_reason() is then one of TlsContext's words, and the alert has been sent.
    Result<TlsWant> handshake();
    // kDone with *count > 0, kClosed at the end of the stream.
    Result<TlsWant> read(std::span<char> into, size_t* count);
    // *count = bytes taken: they are encrypted and never needed again, even when the answer is
    // kWrite.  After kWrite call flush() once the socket can take more.
    Result<TlsWant> write(std::string_view data, size_t* count);
    Result<TlsWant> flush();          // kDone when nothing waits to be sent
    bool has_buffered_input() const;  // bytes wait in here although the socket may be quiet
    void close_notify();              // best effort
    std::string_view failure_reason() const;
    // What a peer sent that is not TLS, up to 16 bytes ("GET / HTTP/1.1…"); empty otherwise.
    std::string_view plain_text() const;
    std::string version() const;       // "TLSv1.2"
    std::string cipher() const;        // "TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256"
    std::string peer_subject() const;  // of a verified client certificate, else empty

private:
    friend class TlsContext;
    struct State;
    explicit TlsStream(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace planetbox
