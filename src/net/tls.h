// TLS on the server's side over mbedTLS (with crypto/, its only includer).
//
// TlsContext holds what all connections share: one or two certificates (RSA for iPXE, ECDSA for
// everybody else, chosen by what the ClientHello offers), ticket keys, and counters by failure reason.
// TlsStream is one connection on a non-blocking socket.  It never blocks; read and write say what to wait for.
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
    // Takes over neither the fd nor its lifetime.
    Result<std::unique_ptr<TlsStream>> accept(int fd);
    // Handshakes that failed, by reason: "unknown_ca" (the peer does not trust us), "bad_certificate",
    // "expired", "no_shared_cipher", "protocol_version", "timeout", "reset", "not_tls", "other".
    void count_failure(std::string_view reason);
    const std::map<std::string, uint64_t, std::less<>>& failures() const;

private:
    friend class TlsStream;
    struct State;
    explicit TlsContext(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

class TlsStream {
public:
    ~TlsStream();
    TlsStream(const TlsStream&) = delete;
    TlsStream& operator=(const TlsStream&) = delete;

    // kDone when the handshake is complete.  Errors: kProtocol with a message for people;
    // failure_reason() is then one of TlsContext's words.
    Result<TlsWant> handshake();
    // *count = bytes read; kDone with *count > 0, kClosed at a clean end.
    Result<TlsWant> read(std::span<char> into, size_t* count);
    // *count = bytes taken.  After kWrite/kRead call again with the same data (mbedTLS keeps the record).
    Result<TlsWant> write(std::string_view data, size_t* count);
    bool has_buffered_input() const;  // decrypted bytes wait although the socket may be quiet
    void close_notify();              // best effort
    std::string_view failure_reason() const;
    std::string version() const;  // "TLSv1.2"
    std::string cipher() const;
    std::string peer_subject() const;  // of a verified client certificate, else empty

private:
    friend class TlsContext;
    struct State;
    explicit TlsStream(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace planetbox
