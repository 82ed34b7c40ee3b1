// The transfer half of HttpConnection: bytes between the socket, or its TLS stream, and the
// buffers.
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>

#include "net/http_connection.h"
#include "net/http_server_state.h"

namespace planetbox {

static constexpr size_t kBytesPerTurn = 128 * 1024;  // written, before the others get their turn
static constexpr size_t kRecord = 16 * 1024;         // of TLS

// The beginning of a file goes out with the head: one record, one system call.
void HttpConnection::take_first_block() {
    if (out_.size() >= kRecord || file_->length == 0) return;
    if (!tls_ && file_->length > kRecord) return;  // sendfile(2) spares the copy
    size_t head = out_.size();
    size_t size = static_cast<size_t>(std::min<uint64_t>(file_->length, kRecord - head));
    out_.resize(head + size);
    ssize_t got =
        pread(file_->fd.get(), out_.data() + head, size, static_cast<off_t>(file_->offset));
    size_t count = got > 0 ? static_cast<size_t>(got) : 0;  // what fails here fails again later
    out_.resize(head + count);
    file_->offset += count;
    file_->length -= count;
}

HttpConnection::Step HttpConnection::step_writing() {
    size_t budget = kBytesPerTurn;
    while (true) {
        bool blocked = false;
        if (tls_ && !flush_tls(&blocked)) break;
        size_t count = 0;
        bool alive = true;
        if (blocked) {
            want(EPOLLOUT);
            return Step::kWait;
        } else if (out_at_ < out_.size()) {
            alive = write_some(std::string_view(out_).substr(out_at_), &count,
                               body_at_ < body_.size() || (file_ && file_->length > 0));
            out_at_ += count;
        } else if (body_at_ < body_.size()) {
            alive = write_some(std::string_view(body_).substr(body_at_, budget), &count, false);
            body_at_ += count;
        } else if (file_ && file_->length > 0) {
            alive = write_file(budget, &count);
        } else {
            return finish_exchange();
        }
        if (!alive) break;
        sent_ += count;
        extend_deadline_after(count);
        budget -= std::min(budget, count);
        bool unfinished =
            out_at_ < out_.size() || body_at_ < body_.size() || (file_ && file_->length > 0);
        if (unfinished && (count == 0 || budget == 0)) {
            want(EPOLLOUT);
            return Step::kWait;
        }
    }
    gone(false);
    return Step::kWait;
}

// One block of the file.  Over TLS through the shared buffer, plain by sendfile(2).
bool HttpConnection::write_file(size_t budget, size_t* count) {
    FileBody& file = *file_;
    size_t size = static_cast<size_t>(std::min<uint64_t>(file.length, budget));
    if (!tls_) {
        off_t offset = static_cast<off_t>(file.offset);
        ssize_t sent = sendfile(fd_.get(), file.fd.get(), &offset, size);
        if (sent < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
        if (sent == 0) return false;  // the file is shorter than was promised
        *count = static_cast<size_t>(sent);
    } else {
        std::string& buffer = server_.buffer;
        ssize_t got = pread(file.fd.get(), buffer.data(), std::min(size, buffer.size()),
                            static_cast<off_t>(file.offset));
        if (got < 0) return errno == EINTR;
        if (got == 0) return false;
        std::string_view block(buffer.data(), static_cast<size_t>(got));
        if (!write_some(block, count, false)) return false;
    }
    file.offset += *count;
    file.length -= *count;
    return true;
}

// *count = 0 and !*end: nothing there now.
bool HttpConnection::read_some(size_t* count, bool* end) {
    std::string& buffer = server_.buffer;
    if (tls_) {
        auto result = tls_->read({buffer.data(), kRecord}, count);
        if (!result) return false;
        *end = *result == TlsWant::kClosed;
        return true;
    }
    ssize_t got;
    do {
        got = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    *count = static_cast<size_t>(got);
    *end = got == 0;
    return true;
}

// *count = 0: the socket is full.
bool HttpConnection::write_some(std::string_view data, size_t* count, bool more_follows) {
    if (tls_) return tls_->write(data, count).has_value();
    ssize_t sent;
    do {
        sent = ::send(fd_.get(), data.data(), data.size(),
                      MSG_NOSIGNAL | MSG_DONTWAIT | (more_follows ? MSG_MORE : 0));
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    *count = static_cast<size_t>(sent);
    return true;
}

bool HttpConnection::flush_tls(bool* blocked) {
    auto result = tls_->flush();
    if (!result) return false;
    *blocked = *result == TlsWant::kWrite;
    return true;
}

}  // namespace planetbox
