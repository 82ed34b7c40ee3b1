// What the parts of bootadm share: bootadm.cc has the options, bootadm_hosts.cc and
// bootadm_images.cc the verbs.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "boot/boot_store.h"
#include "boot/host_edit.h"
#include "central/state_dir.h"
#include "options.h"

namespace planetbox {

// The opened state, and how to answer.
struct Bootadm {
    std::unique_ptr<Database> db;
    std::unique_ptr<BootStore> store;
    StateDir state{""};
    int64_t now = 0;
    bool json = false;
};

// Options of add, create and update, and which hosts a command is about.
struct HostOptions {
    std::vector<std::string> names;      // by position: exact
    std::optional<std::string> pattern;  // --hostname: a regular expression, or for add the name
    HostChange change;
    std::optional<std::string> extensions;
    bool update_on = false, update_off = false;
};

void declare_host_options(Options& opt, HostOptions* o, bool for_add);
Status add_hosts(Bootadm& adm, HostOptions& o);
Status update_hosts(Bootadm& adm, HostOptions& o);
Status list_hosts(Bootadm& adm, const HostOptions& o, bool details);
Status delete_hosts(Bootadm& adm, const HostOptions& o);

struct SyncOptions {
    std::string file;
    bool remove = false, dry_run = false;
};
Status sync_hosts(Bootadm& adm, const SyncOptions& o);

struct KeyOptions {
    std::string host;
    std::string key;  // empty: make one
    Millis grace{7 * 24 * 3600 * 1000LL};
};
Status issue_key(Bootadm& adm, const KeyOptions& o);
Status show_log(Bootadm& adm, const std::string& hostname);
struct RevokeOptions {
    std::vector<std::string> hosts;
    bool all = false;
};
Status revoke_tokens(Bootadm& adm, const RevokeOptions& o);

struct ImageOptions {
    std::string name = "planetbox";
    std::string version, kernel, initramfs, rescue_keys;
    std::vector<std::string> files;  // "NAME=PATH"
    std::string cmdline = "console=tty0 console=ttyS0,115200";
    bool activate = false, no_overlay = false, dry_run = false;
    int64_t keep = 3;
};
Status add_image(Bootadm& adm, const ImageOptions& o);
Status list_images(Bootadm& adm);
Status activate_image(Bootadm& adm, const std::string& version);
Status roll_back_image(Bootadm& adm);
Status collect_images(Bootadm& adm, const ImageOptions& o);
Status check_images(Bootadm& adm);

struct ExtensionOptions {
    std::string name, url;
    std::vector<std::string> command;
    Millis deadline{30'000}, max_age{120 * 60 * 1000};
    bool show_secret = false;
};
Status add_extension(Bootadm& adm, const ExtensionOptions& o);
Status list_extensions(Bootadm& adm, const ExtensionOptions& o);
Status delete_extension(Bootadm& adm, const std::string& name);

}  // namespace planetbox
