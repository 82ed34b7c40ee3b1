// The state directory of a central server: where everything lies, with which permissions, and who
// may use it at one time.
//
//     STATE/                 0700
//       lock                 who runs `up` here: a record lock, the kernel names its holder
//       planetbox.conf bootd.conf      the operator's; never written by us
//       state.db             the registry (store/db.h)
//       ca/root.crt root.key           0700, key 0600: the root every medium trusts
//       tls/rsa.crt rsa.key ecdsa.crt ecdsa.key    what bootd shows; replaced by renewal
//       keys/sign.key sign.pub         signs what nodes act on
//       images/ cache/       0755: what bootd serves, and what it keeps of an upstream
//
// Called by the applets on the central server.  Everything here blocks on the local disk only.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace planetbox {

inline constexpr const char* kDefaultStateDir = "/var/lib/planetbox";

// Paths only; making one touches nothing.
class StateDir {
public:
    explicit StateDir(std::string path);
    const std::string& path() const { return path_; }

    std::string lock() const { return path_ + "/lock"; }
    std::string config() const { return path_ + "/planetbox.conf"; }
    std::string database() const { return path_ + "/state.db"; }
    std::string ca_dir() const { return path_ + "/ca"; }
    std::string ca_cert() const { return path_ + "/ca/root.crt"; }
    std::string ca_key() const { return path_ + "/ca/root.key"; }
    std::string tls_dir() const { return path_ + "/tls"; }
    // kind is "rsa" or "ecdsa".
    std::string server_cert(const char* kind) const { return path_ + "/tls/" + kind + ".crt"; }
    std::string server_key(const char* kind) const { return path_ + "/tls/" + kind + ".key"; }
    std::string keys_dir() const { return path_ + "/keys"; }
    std::string signing_key() const { return path_ + "/keys/sign.key"; }
    std::string signing_public_key() const { return path_ + "/keys/sign.pub"; }
    // bootd's own options, for those that `up` does not know; not made by us.
    std::string bootd_config() const { return path_ + "/bootd.conf"; }
    std::string images() const { return path_ + "/images"; }
    std::string cache() const { return path_ + "/cache"; }
    std::string initial_password() const { return path_ + "/initial-admin-password"; }

private:
    std::string path_;  // without a trailing slash
};

// Makes the directories that are missing and narrows permissions that are too wide.  A directory
// that holds other people's files and no state is refused: a mistyped --state must not scatter keys
// over a home directory.  `repaired` (may be null) receives one sentence for each permission that
// was narrowed.
Status prepare_state_dir(const StateDir& state, std::vector<std::string>* repaired);

// True when the directory holds a state (its CA exists).
bool has_state(const StateDir& state);

// While it lives, files are made as whoever owns the state directory.  The service usually runs as
// a user of its own; what root makes by hand (`up --renew`) must stay readable to it.  Does nothing
// for anybody but root.
class ActAsOwner {
public:
    static Result<ActAsOwner> of(const StateDir& state);
    ActAsOwner(ActAsOwner&& other) noexcept : active_(std::exchange(other.active_, false)) {}
    ActAsOwner& operator=(ActAsOwner&&) = delete;
    ~ActAsOwner();

private:
    explicit ActAsOwner(bool active) : active_(active) {}
    bool active_;
};

// Held while `up` runs; gone with its process, however that ends.
class StateLock {
public:
    // kConflict with the holder's pid when another `up` runs on this state.
    static Result<StateLock> take(const StateDir& state);

private:
    explicit StateLock(UniqueFd fd) : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

// The pid of the `up` that runs on this state; 0 when none does.  Must not be asked by the holder.
Result<pid_t> state_lock_holder(const StateDir& state);

}  // namespace planetbox
