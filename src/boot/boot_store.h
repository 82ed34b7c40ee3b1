// The tables of the boot domain: hosts, their keys, sessions and logs, images, extensions.
//
// Owned by whoever opened the Database (bootd, bootadm, later the registry); all SQL of the domain
// is in boot_*_store.cc.  Every method is one statement or a few, none begins a transaction, so all
// of them may run inside a GroupCommit write or a Transaction of the caller's.  Blocks on the local
// disk only.
//
// Several processes write: bootd its sessions, bootadm the records.  data_version() changes when
// another process has committed; bootd's cache (boot_service.h) looks at it before it trusts
// itself.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "boot/host.h"
#include "boot/session.h"
#include "store/db.h"

namespace planetbox {

std::span<const Migration> boot_migrations();

struct NodeKey {
    std::string hash;  // SHA-256 of the key's text, raw
    int64_t created = 0;
    int64_t expires = 0;  // Unix seconds; 0 = never
};

// One line of a host's log.
struct BootEvent {
    int64_t seq = 0;
    int64_t at_ms = 0;  // Unix milliseconds
    std::string
        kind;  // "stage1", "stage2", "stage3", "file", "extension", "report", "refused", "admin"
    std::string address;
    std::string detail;  // words; no id, no key
    std::string code;    // failure code (wire/failure_code.h) or empty
};
inline constexpr int64_t kEventsKept = 256;  // a host

struct ImageRecord {
    std::string version, name;
    std::string cmdline;
    int64_t added = 0;
};
struct ImageFile {
    std::string version, image, name;
    std::string sha256;  // hex
    int64_t size = 0;
};

// What an operation of /extension/{op} does: asks a URL or runs a command; exactly one is set.
struct ExtensionRecord {
    std::string name;
    std::string url;
    std::vector<std::string> argv;
    int64_t deadline_ms = 30'000;
    int64_t max_age = 120 * 60;  // seconds since stage 1 within which a machine may call it
    std::string secret;          // signs requests to a URL
};

class BootStore {
public:
    explicit BootStore(Database& db) : db_(db) {}
    Database& database() { return db_; }

    // --- hosts (boot_store.cc)
    Result<std::optional<Host>> find_host(std::string_view hostname);
    Result<std::vector<Host>> list_hosts();
    Result<int64_t> insert_host(const Host& host, int64_t now);  // kExists
    Status update_host(const Host& host, int64_t now);           // what an operator sets
    Status delete_host(int64_t id);                              // with its keys, session and log
    Status set_collected(int64_t id, const FormFields& collected);
    // Report taken; success clears `update` and turns reinstall and upgrade into boot.
    Status set_reported(int64_t id, bool success, int64_t now);
    Result<int64_t> data_version();

    // --- node keys (boot_store.cc)
    Result<std::vector<NodeKey>> keys(int64_t node_id);
    // Older keys die `grace` seconds from now, if not before.
    Status add_key(int64_t node_id, std::string_view key, int64_t now, int64_t grace);

    // --- sessions (boot_session_store.cc)
    Status put_session(const Session& session);   // replaces the host's
    Status save_session(const Session& session);  // progress of the same set
    Result<std::optional<Session>> find_session(int64_t node_id);
    Result<std::vector<Session>> list_sessions();
    Result<int64_t> revoke_sessions(std::optional<int64_t> node_id);  // how many were live

    // --- log (boot_session_store.cc)
    Status add_event(int64_t node_id, const BootEvent& event);
    Result<std::vector<BootEvent>> events(int64_t node_id);

    // --- images (boot_image_store.cc)
    Status insert_image(const ImageRecord& image, const std::vector<ImageFile>& files);
    Result<std::vector<ImageRecord>> list_images();
    Result<std::optional<ImageRecord>> find_image(std::string_view version, std::string_view name);
    Result<std::vector<ImageFile>> image_files(std::string_view version, std::string_view name);
    Result<bool> has_version(std::string_view version);
    Status delete_version(std::string_view version);
    Result<std::string> active_version();  // empty: none
    Status activate_version(std::string_view version, int64_t now);
    // Goes back to the version that was active before and still exists; kNotFound when there is
    // none.
    Result<std::string> roll_back();

    // --- extensions (boot_image_store.cc)
    Status put_extension(const ExtensionRecord& extension);
    Status delete_extension(std::string_view name);  // kNotFound
    Result<std::vector<ExtensionRecord>> list_extensions();

private:
    Status insert_event(int64_t node_id, int64_t seq, const BootEvent& event);
    Result<int64_t> last_event(int64_t node_id);

    Database& db_;
    std::unordered_map<int64_t, int64_t> last_seq_;  // of the log of a node; others may be further
};

// A node key as plnode.txt holds it: 32 random bytes in base64url, 43 characters, safe in a query.
std::string make_node_key();
// Constant in time for each key of the list.
bool key_fits(const std::vector<NodeKey>& keys, std::string_view key, int64_t now);

}  // namespace planetbox
