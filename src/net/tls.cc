// How bytes travel.  Mbed TLS asks for input in pieces (5 bytes of record header, then the record):
// receive() reads ahead into a buffer that all streams share and keeps only what is left over.
// During the handshake it sends each message by itself: send_out() collects them, so that a flight
// is one packet train and one system call.  After that records go straight to the socket.
#include "net/tls.h"

#include <mbedtls/net_sockets.h>
#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/x509_crt.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/strings.h"
#include "crypto/mbed.h"

namespace planetbox {

namespace {

constexpr uint32_t kTicketSeconds = 12 * 3600;  // the ticket keys change that often, too
constexpr size_t kReadAhead = 16 * 1024 + 512;  // a whole record

// ECDSA first: it is cheaper for both sides.  AES-128 first: nothing is gained by more.
constexpr int kCiphers[] = {
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    0,
};
constexpr int kCiphersWithRsaExchange[] = {
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_RSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_RSA_WITH_AES_128_CBC_SHA256,
    MBEDTLS_TLS_RSA_WITH_AES_256_CBC_SHA256,
    MBEDTLS_TLS_RSA_WITH_AES_128_CBC_SHA,
    MBEDTLS_TLS_RSA_WITH_AES_256_CBC_SHA,
    0,
};

// x25519 first: see src/crypto/mbedtls_config.h for what it costs here.
constexpr uint16_t kGroups[] = {
    MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
    MBEDTLS_SSL_IANA_TLS_GROUP_NONE,
};

struct Identity {
    mbedtls_x509_crt chain;
    mbedtls_pk_context key;
    Identity() {
        mbedtls_x509_crt_init(&chain);
        mbedtls_pk_init(&key);
    }
    ~Identity() {
        mbedtls_x509_crt_free(&chain);
        mbedtls_pk_free(&key);
    }
    Identity(const Identity&) = delete;
    Identity& operator=(const Identity&) = delete;
};

const unsigned char* raw(const std::string& text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

Status parse_chain(mbedtls_x509_crt* into, const std::string& pem, std::string_view what) {
    int result = mbedtls_x509_crt_parse(into, raw(pem), pem.size() + 1);
    if (result < 0) return fail(mbed_error(Code::kInvalid, what, result));
    if (result > 0)
        return fail(Code::kInvalid, str_cat(what, ": one of its certificates is broken"));
    return {};
}

}  // namespace

// --- context ------------------------------------------------------------------------------------

struct TlsContext::State {
    mbedtls_ssl_config config;
    mbedtls_ssl_ticket_context tickets;
    mbedtls_x509_crt client_ca;
    std::vector<std::unique_ptr<Identity>> identities;
    std::map<std::string, uint64_t, std::less<>> failures;
    unsigned char read_ahead[kReadAhead];  // shared by all streams, empty between calls

    State() {
        mbedtls_ssl_config_init(&config);
        mbedtls_ssl_ticket_init(&tickets);
        mbedtls_x509_crt_init(&client_ca);
    }
    ~State() {
        mbedtls_ssl_config_free(&config);
        mbedtls_ssl_ticket_free(&tickets);
        mbedtls_x509_crt_free(&client_ca);
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    Status add_identity(const CertAndKey& cert);
    Status set_up(const TlsServerConfig& wanted);
};

Status TlsContext::State::add_identity(const CertAndKey& cert) {
    auto identity = std::make_unique<Identity>();
    TRY(parse_chain(&identity->chain, cert.cert_pem, "server certificate"));
    int result = mbedtls_pk_parse_key(&identity->key, raw(cert.key_pem), cert.key_pem.size() + 1,
                                      nullptr, 0, mbed_random, nullptr);
    if (result != 0) return fail(mbed_error(Code::kInvalid, "server key", result));
    result = mbedtls_pk_check_pair(&identity->chain.pk, &identity->key, mbed_random, nullptr);
    if (result != 0)
        return fail(mbed_error(Code::kInvalid, "server key and certificate do not fit", result));
    result = mbedtls_ssl_conf_own_cert(&config, &identity->chain, &identity->key);
    if (result != 0) return fail(mbed_error(Code::kIo, "server certificate", result));
    identities.push_back(std::move(identity));
    return {};
}

Status TlsContext::State::set_up(const TlsServerConfig& wanted) {
    int result = mbedtls_ssl_config_defaults(
        &config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    if (result != 0) return fail(mbed_error(Code::kIo, "TLS", result));
    mbedtls_ssl_conf_rng(&config, mbed_random, nullptr);
    mbedtls_ssl_conf_min_tls_version(&config, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_groups(&config, kGroups);
    mbedtls_ssl_conf_ciphersuites(
        &config, wanted.allow_rsa_key_exchange ? kCiphersWithRsaExchange : kCiphers);
    if (wanted.certs.empty()) return fail(Code::kInvalid, "TLS: no server certificate is given");
    for (const CertAndKey& cert : wanted.certs) TRY(add_identity(cert));
    mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_NONE);
    if (!wanted.client_ca_pem.empty()) {
        TRY(parse_chain(&client_ca, wanted.client_ca_pem, "CA of client certificates"));
        mbedtls_ssl_conf_ca_chain(&config, &client_ca, nullptr);
        mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_OPTIONAL);
    }
    result = mbedtls_ssl_ticket_setup(&tickets, mbed_random, nullptr, MBEDTLS_CIPHER_AES_256_GCM,
                                      kTicketSeconds);
    if (result != 0) return fail(mbed_error(Code::kIo, "TLS tickets", result));
    mbedtls_ssl_conf_session_tickets_cb(&config, mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse,
                                        &tickets);
    return {};
}

TlsContext::TlsContext(std::shared_ptr<State> state) : state_(std::move(state)) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<TlsContext>> TlsContext::create(const TlsServerConfig& config) {
    auto state = std::make_shared<State>();
    TRY(state->set_up(config));
    return std::shared_ptr<TlsContext>(new TlsContext(std::move(state)));
}

void TlsContext::count_failure(std::string_view reason) {
    auto found = state_->failures.find(reason);
    if (found == state_->failures.end())
        state_->failures.emplace(reason, 1);
    else
        ++found->second;
}

const std::map<std::string, uint64_t, std::less<>>& TlsContext::failures() const {
    return state_->failures;
}

// --- stream -------------------------------------------------------------------------------------

struct TlsStream::State {
    std::shared_ptr<TlsContext::State> context;
    mbedtls_ssl_context ssl;
    int fd = -1;
    bool collecting = true;  // during the handshake
    bool saw_bytes = false;
    bool not_tls = false;
    bool flight_sent = false;  // our certificate has gone out
    size_t in_flight = 0;      // bytes of plain text in the record that Mbed TLS still holds
    std::string ahead;         // read from the socket, not yet asked for
    size_t ahead_at = 0;
    std::string out;  // collected, not yet sent
    size_t out_at = 0;
    std::string reason;
    std::string first_bytes;
    unsigned char last[7] = {};  // what Mbed TLS got last, during the handshake

    State() { mbedtls_ssl_init(&ssl); }
    ~State() { mbedtls_ssl_free(&ssl); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    static int send_out(void* self, const unsigned char* data, size_t size);
    static int receive(void* self, unsigned char* into, size_t size);
    int take(unsigned char* into, size_t size);
    int send_now(const unsigned char* data, size_t size) const;
    int flush_collected();
    bool first_byte_is_tls(const unsigned char* data, size_t size);
    Error handshake_error(int result);
    bool plain_alert() const;
};

int TlsStream::State::send_now(const unsigned char* data, size_t size) const {
    while (true) {
        ssize_t sent = ::send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) return static_cast<int>(sent);
        if (errno == EINTR) continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK) return MBEDTLS_ERR_SSL_WANT_WRITE;
        return errno == EPIPE || errno == ECONNRESET ? MBEDTLS_ERR_NET_CONN_RESET
                                                     : MBEDTLS_ERR_NET_SEND_FAILED;
    }
}

int TlsStream::State::send_out(void* self, const unsigned char* data, size_t size) {
    auto& state = *static_cast<State*>(self);
    if (state.collecting) {
        state.out.append(reinterpret_cast<const char*>(data), size);
        return static_cast<int>(size);
    }
    if (int result = state.flush_collected(); result != 0) return result;
    return state.send_now(data, size);
}

// 0, or an error of Mbed TLS.
int TlsStream::State::flush_collected() {
    while (out_at < out.size()) {
        int sent = send_now(raw(out) + out_at, out.size() - out_at);
        if (sent < 0) return sent;
        out_at += static_cast<size_t>(sent);
    }
    if (!out.empty()) {
        std::string().swap(out);  // handshake flights are big and rare: give the memory back
        out_at = 0;
    }
    return 0;
}

// A TLS connection begins with a handshake record: 0x16, then version 3.x.
bool TlsStream::State::first_byte_is_tls(const unsigned char* data, size_t size) {
    saw_bytes = true;
    if (data[0] == 0x16 && (size < 2 || data[1] == 0x03)) return true;
    not_tls = true;
    first_bytes.assign(reinterpret_cast<const char*>(data), std::min<size_t>(size, 16));
    return false;
}

int TlsStream::State::receive(void* self, unsigned char* into, size_t size) {
    auto& state = *static_cast<State*>(self);
    int got = state.take(into, size);
    if (state.collecting && got > 0) {
        size_t count = std::min(static_cast<size_t>(got), sizeof last);
        memmove(state.last, state.last + count, sizeof last - count);
        memcpy(state.last + sizeof last - count, into + got - count, count);
    }
    return got;
}

int TlsStream::State::take(unsigned char* into, size_t size) {
    if (ahead_at < ahead.size()) {
        size_t count = std::min(size, ahead.size() - ahead_at);
        memcpy(into, ahead.data() + ahead_at, count);
        ahead_at += count;
        if (ahead_at == ahead.size()) {
            ahead_at = 0;
            if (ahead.capacity() > 2048)
                std::string().swap(ahead);
            else
                ahead.clear();
        }
        return static_cast<int>(count);
    }
    unsigned char* shared = context->read_ahead;
    ssize_t got;
    do {
        got = ::recv(fd, shared, kReadAhead, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got == 0) return 0;
    if (got < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? MBEDTLS_ERR_SSL_WANT_READ
                                                       : MBEDTLS_ERR_NET_CONN_RESET;
    auto have = static_cast<size_t>(got);
    if (!saw_bytes && !first_byte_is_tls(shared, have)) return MBEDTLS_ERR_SSL_INVALID_RECORD;
    size_t count = std::min(size, have);
    memcpy(into, shared, count);
    if (count < have) ahead.assign(reinterpret_cast<const char*>(shared) + count, have - count);
    return static_cast<int>(count);
}

TlsStream::TlsStream(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsStream::~TlsStream() = default;

Result<std::unique_ptr<TlsStream>> TlsContext::accept(int fd) {
    auto state = std::make_unique<TlsStream::State>();
    state->context = state_;
    state->fd = fd;
    int result = mbedtls_ssl_setup(&state->ssl, &state_->config);
    if (result != 0) return fail(mbed_error(Code::kUnavailable, "TLS connection", result));
    mbedtls_ssl_set_bio(&state->ssl, state.get(), TlsStream::State::send_out,
                        TlsStream::State::receive, nullptr);
    return std::unique_ptr<TlsStream>(new TlsStream(std::move(state)));
}

// OpenSSL's TLS 1.3 client refuses our certificate in plain text, before it has switched its keys,
// and Mbed TLS cannot decrypt what is not encrypted: the record was a fatal alert of two bytes.
bool TlsStream::State::plain_alert() const {
    static constexpr unsigned char kAlert[] = {21, 3, 3, 0, 2, 2};
    return memcmp(last, kAlert, sizeof kAlert) == 0;
}

namespace {

// The word for an alert that the peer sent (RFC 8446 §6).
std::string_view alert_reason(int alert) {
    switch (alert) {
        case MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA:
            return "unknown_ca";
        case MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED:
            return "expired";
        case MBEDTLS_SSL_ALERT_MSG_BAD_CERT:
        case MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT:
        case MBEDTLS_SSL_ALERT_MSG_CERT_REVOKED:
        case MBEDTLS_SSL_ALERT_MSG_CERT_UNKNOWN:
            return "bad_certificate";
        case MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION:
            return "protocol_version";
        case MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE:
            return "no_shared_cipher";
        default:
            return "other";
    }
}

}  // namespace

Error TlsStream::State::handshake_error(int result) {
    bool hung_up = result == MBEDTLS_ERR_SSL_CONN_EOF || result == MBEDTLS_ERR_NET_CONN_RESET ||
                   result == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY ||
                   result == MBEDTLS_ERR_NET_SEND_FAILED;
    if (not_tls) {
        reason = "not_tls";
        return Error(Code::kProtocol, "TLS handshake: the peer does not speak TLS");
    }
    if (hung_up) {
        reason = !saw_bytes ? "empty" : flight_sent ? "closed_after_certificate" : "reset";
        return Error(Code::kProtocol,
                     !saw_bytes    ? "TLS handshake: closed without a byte"
                     : flight_sent ? "TLS handshake: the peer hung up on seeing our certificate"
                                   : "TLS handshake: the peer hung up");
    }
    bool alerted = result == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE;
    if (alerted || plain_alert()) {
        int alert = alerted ? ssl.MBEDTLS_PRIVATE(in_msg)[1] : last[6];
        reason = alert_reason(alert);
        return Error(Code::kProtocol,
                     strf("TLS handshake: the peer sent alert %d (%s)", alert, reason.c_str()));
    }
    switch (result) {
        case MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION:
            reason = "protocol_version";
            break;
        case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE:
            reason = "no_shared_cipher";
            break;
        default:
            reason = "other";
    }
    return mbed_error(Code::kProtocol, "TLS handshake", result);
}

Result<TlsWant> TlsStream::handshake() {
    State& state = *state_;
    int result = mbedtls_ssl_handshake(&state.ssl);
    if (state.out.size() > 256) state.flight_sent = true;  // an alert is 7 bytes, a chain is not
    int flushed = state.flush_collected();
    if (result == 0 && flushed == 0) {
        state.collecting = false;
        return TlsWant::kDone;
    }
    if (flushed == MBEDTLS_ERR_SSL_WANT_WRITE &&
        (result == 0 || result == MBEDTLS_ERR_SSL_WANT_READ))
        return TlsWant::kWrite;
    if (result == MBEDTLS_ERR_SSL_WANT_READ && flushed == 0) return TlsWant::kRead;
    if (result == 0 || result == MBEDTLS_ERR_SSL_WANT_READ) result = flushed;
    return fail(state.handshake_error(result));
}

Result<TlsWant> TlsStream::read(std::span<char> into, size_t* count) {
    *count = 0;
    int result =
        mbedtls_ssl_read(&state_->ssl, reinterpret_cast<unsigned char*>(into.data()), into.size());
    if (result > 0) {
        *count = static_cast<size_t>(result);
        return TlsWant::kDone;
    }
    switch (result) {
        case 0:
        case MBEDTLS_ERR_SSL_CONN_EOF:
        case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
            return TlsWant::kClosed;
        case MBEDTLS_ERR_SSL_WANT_READ:
            return TlsWant::kRead;
        case MBEDTLS_ERR_SSL_WANT_WRITE:
            return TlsWant::kWrite;
        case MBEDTLS_ERR_NET_CONN_RESET:
            return fail(Code::kUnavailable, "connection reset");
        default:
            return fail(mbed_error(Code::kProtocol, "TLS read", result));
    }
}

Result<TlsWant> TlsStream::write(std::string_view data, size_t* count) {
    *count = 0;
    State& state = *state_;
    if (state.in_flight || state.out_at < state.out.size()) {
        TlsWant want = TRY(flush());
        if (want != TlsWant::kDone) return want;
    }
    int record =
        mbedtls_ssl_get_max_out_record_payload(&state.ssl);  // the client may want small ones
    if (record <= 0) return fail(mbed_error(Code::kIo, "TLS write", record));
    while (*count < data.size()) {
        std::string_view rest = data.substr(*count);
        size_t size = std::min(rest.size(), static_cast<size_t>(record));
        int result = mbedtls_ssl_write(&state.ssl,
                                       reinterpret_cast<const unsigned char*>(rest.data()), size);
        if (result == MBEDTLS_ERR_SSL_WANT_WRITE) {
            // The record lies encrypted in Mbed TLS's buffer: the data is taken.
            state.in_flight = size;
            *count += size;
            return TlsWant::kWrite;
        }
        if (result < 0) return fail(mbed_error(Code::kUnavailable, "TLS write", result));
        *count += static_cast<size_t>(result);
    }
    return TlsWant::kDone;
}

Result<TlsWant> TlsStream::flush() {
    State& state = *state_;
    int result = state.flush_collected();
    if (result == 0 && state.in_flight) {
        // With a record held back, this call only sends it; the pointer is not looked at.
        unsigned char unused = 0;
        result = mbedtls_ssl_write(&state.ssl, &unused, state.in_flight);
        if (result > 0) {
            state.in_flight = 0;
            result = 0;
        }
    }
    if (result == MBEDTLS_ERR_SSL_WANT_WRITE) return TlsWant::kWrite;
    if (result < 0) return fail(mbed_error(Code::kUnavailable, "TLS write", result));
    return TlsWant::kDone;
}

bool TlsStream::has_buffered_input() const {
    return !state_->ahead.empty() || mbedtls_ssl_check_pending(&state_->ssl);
}

void TlsStream::close_notify() {
    if (!state_->collecting && !state_->in_flight) mbedtls_ssl_close_notify(&state_->ssl);
}

std::string_view TlsStream::failure_reason() const { return state_->reason; }
std::string_view TlsStream::plain_text() const { return state_->first_bytes; }
std::string TlsStream::version() const { return mbedtls_ssl_get_version(&state_->ssl); }

std::string TlsStream::cipher() const {
    const char* name = mbedtls_ssl_get_ciphersuite(&state_->ssl);
    return name ? name : "";
}

std::string TlsStream::peer_subject() const {
    const mbedtls_x509_crt* peer = mbedtls_ssl_get_peer_cert(&state_->ssl);
    if (!peer || mbedtls_ssl_get_verify_result(&state_->ssl) != 0) return "";
    char text[512];
    if (mbedtls_x509_dn_gets(text, sizeof text, &peer->subject) < 0) return "";
    return text;
}

}  // namespace planetbox
