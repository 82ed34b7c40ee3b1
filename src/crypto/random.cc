#include "crypto/random.h"

#include <sys/mman.h>
#include <sys/random.h>

#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/mbed.h"

namespace planetbox {

namespace {

// One page that the kernel zeroes in a forked child (MADV_WIPEONFORK), so parent and child can
// never hand out the same bytes: `left` is zero there, and the first use fills the page anew.
struct Pool {
    size_t left;
    unsigned char bytes[4096 - sizeof(size_t)];
};

void fill_from_kernel(unsigned char* into, size_t count) {
    while (count > 0) {
        ssize_t got = getrandom(into, count, 0);
        if (got < 0 && errno == EINTR) continue;
        CHECK(got > 0);  // without randomness nothing here may go on
        into += got;
        count -= static_cast<size_t>(got);
    }
}

// nullptr when the kernel cannot wipe on fork; then every call asks the kernel.
Pool* map_pool() {
    void* page =
        mmap(nullptr, sizeof(Pool), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return nullptr;
    if (madvise(page, sizeof(Pool), MADV_WIPEONFORK) < 0) {
        munmap(page, sizeof(Pool));
        return nullptr;
    }
    madvise(page, sizeof(Pool), MADV_DONTDUMP);
    return static_cast<Pool*>(page);
}

void fill(unsigned char* into, size_t count) {
    static Pool* const pool = map_pool();
    if (!pool || count > 256) return fill_from_kernel(into, count);
    if (pool->left < count) {
        fill_from_kernel(pool->bytes, sizeof pool->bytes);
        pool->left = sizeof pool->bytes;
    }
    unsigned char* from = pool->bytes + (pool->left - count);
    memcpy(into, from, count);
    explicit_bzero(from, count);  // what was handed out cannot be read back later
    pool->left -= count;
}

}  // namespace

int mbed_random(void*, unsigned char* into, size_t count) {
    fill(into, count);
    return 0;
}

std::string random_bytes(size_t count) {
    std::string out(count, '\0');
    fill(reinterpret_cast<unsigned char*>(out.data()), count);
    return out;
}

std::string random_token() { return base64url(as_bytes(random_bytes(20))); }

std::string random_password() {
    static constexpr std::string_view kAlphabet = "abcdefghjkmnpqrstuvwxyz23456789";
    constexpr size_t kWords = 4, kLetters = 5;  // 20 letters of 31: 99 bits
    constexpr unsigned kFair = 256 / kAlphabet.size() * kAlphabet.size();
    std::string out;
    for (size_t i = 0; i < kWords * kLetters; ++i) {
        if (i && i % kLetters == 0) out.push_back('-');
        unsigned char byte;
        do {
            fill(&byte, 1);
        } while (byte >= kFair);  // no letter is likelier than another
        out.push_back(kAlphabet[byte % kAlphabet.size()]);
    }
    return out;
}

}  // namespace planetbox
