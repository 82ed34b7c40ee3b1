// bootadm: the options of the boot server's records. The verbs are in bootadm_hosts.cc and
// bootadm_images.cc; what they do to records is in src/boot/.
#include "bootadm.h"

#include <stdio.h>

#include "applet.h"
#include "state.h"

namespace planetbox {
namespace {

struct Verbs {
    std::string state = kDefaultStateDir;
    bool json = false;
    HostOptions add, update, list, show, remove;
    SyncOptions sync;
    KeyOptions key;
    std::string log_host;
    RevokeOptions revoke;
    ImageOptions image;
    std::string activate_version;
    ExtensionOptions extension;
};

using Action = std::function<Status(Bootadm&)>;

// A verb: its options and what it does.
struct Verb {
    Options* options;
    Action action;
};

void declare_hosts(Options& opt, Verbs* v, std::vector<Verb>* verbs) {
    for (std::string_view name : {"add", "create"}) {
        Options& add =
            opt.sub(name, name == "add" ? "Adds hosts." : "The same as add (epoxy_admin's name).");
        declare_host_options(add, &v->add, true);
        verbs->push_back({&add, [v](Bootadm& adm) { return add_hosts(adm, v->add); }});
    }
    Options& update = opt.sub("update",
                              "Changes hosts; what is not named stays as it is.\n\n"
                              "    bootadm update n1.example --boot-state safeboot\n"
                              "    bootadm update --hostname '\\.lga' --images-version 2026.11\n");
    declare_host_options(update, &v->update, false);
    verbs->push_back({&update, [v](Bootadm& adm) { return update_hosts(adm, v->update); }});
    Options& list = opt.sub("list", "Lists hosts and where their latest boot stands.");
    list.value("--hostname", &v->list.pattern, "only names that match").type("REGEX");
    list.list("HOST", &v->list.names, "only these");
    verbs->push_back({&list, [v](Bootadm& adm) { return list_hosts(adm, v->list, false); }});
    Options& show = opt.sub("show", "Shows whole records, in ePoxy's JSON form.");
    show.value("--hostname", &v->show.pattern, "names that match").type("REGEX");
    show.list("HOST", &v->show.names, "which");
    verbs->push_back({&show, [v](Bootadm& adm) { return list_hosts(adm, v->show, true); }});
    Options& remove = opt.sub("delete", "Deletes hosts with their keys, ids and logs.");
    remove.value("--hostname", &v->remove.pattern, "names that match").type("REGEX");
    remove.list("HOST", &v->remove.names, "which");
    verbs->push_back({&remove, [v](Bootadm& adm) { return delete_hosts(adm, v->remove); }});
    Options& sync = opt.sub(
        "sync",
        "Makes the records follow an inventory.\n\n"
        "A JSON array of objects with hostname, ipv4, ipv6, mac, state, auth, network, "
        "images_version, extensions; what an object does not name stays. '-' reads "
        "standard input. Prints the difference: + added, ~ changed, - not in the inventory.");
    sync.value("FILE", &v->sync.file, "the inventory").required();
    sync.flag("--remove", &v->sync.remove, "delete hosts that the inventory does not have");
    sync.flag("--dry-run,-n", &v->sync.dry_run, "only print the difference");
    verbs->push_back({&sync, [v](Bootadm& adm) { return sync_hosts(adm, v->sync); }});
}

void declare_access(Options& opt, Verbs* v, std::vector<Verb>* verbs) {
    Options& key =
        opt.sub("key",
                "Issues a node key and prints it, this once.\n\n"
                "It belongs on the node's medium (plnode.txt). Older keys of the host stay "
                "valid for the grace time, so that media in the field can be replaced.");
    key.value("HOST", &v->key.host, "whose").required();
    key.value("--grace", &v->key.grace, "how long older keys stay valid");
    key.value("--key", &v->key.key, "use this one, of a medium that exists")
        .type("KEY")
        .env("PLANETBOX_NODE_KEY");
    verbs->push_back({&key, [v](Bootadm& adm) { return issue_key(adm, v->key); }});
    Options& tokens = opt.sub("tokens", "The one-time ids of boots under way.");
    Options& revoke = tokens.sub("revoke", "Makes them worthless; the machine must start again.");
    revoke.list("HOST", &v->revoke.hosts, "of these hosts");
    revoke.flag("--all", &v->revoke.all, "of every host");
    verbs->push_back({&revoke, [v](Bootadm& adm) { return revoke_tokens(adm, v->revoke); }});
    Options& log =
        opt.sub("log", "Tells what happened at a host's boots, with what failure codes mean.");
    log.value("HOST", &v->log_host, "whose").required();
    verbs->push_back({&log, [v](Bootadm& adm) { return show_log(adm, v->log_host); }});
}

void declare_images(Options& opt, Verbs* v, std::vector<Verb>* verbs) {
    Options& image = opt.sub("image", "Images that nodes boot.");
    Options& add = image.sub(
        "add",
        "Copies an image into the state.\n\n"
        "The initramfs gets this site's CA, rescue keys and the time appended. A version never "
        "changes: add a new one, activate it, and roll back if it is bad.\n\n"
        "    bootadm image add --version 2026.11 --kernel vmlinuz --initramfs initramfs.zst "
        "--activate\n");
    ImageOptions* o = &v->image;
    add.value("NAME", &o->name,
              "'planetbox' boots by default; 'update' for updates, 'stage3' for stage 3");
    add.value("--version", &o->version, "its version").required();
    add.value("--kernel", &o->kernel, "kernel (becomes vmlinuz)").type("FILE");
    add.value("--initramfs", &o->initramfs, "initramfs").type("FILE");
    add.list("--file", &o->files, "another file, or an action of your own").type("NAME=PATH");
    add.value("--cmdline", &o->cmdline, "kernel parameters");
    add.value("--rescue-keys", &o->rescue_keys,
              "ssh keys that may log in to a node in rescue (authorized_keys form)")
        .type("FILE")
        .default_text("STATE/rescue_keys if it is there");
    add.flag("--activate", &o->activate, "make it the version that 'latest' means");
    add.flag("--no-overlay", &o->no_overlay, "append nothing to the initramfs");
    verbs->push_back({&add, [v](Bootadm& adm) { return add_image(adm, v->image); }});
    Options& list = image.sub("list", "Lists images and which version is active.");
    verbs->push_back({&list, [](Bootadm& adm) { return list_images(adm); }});
    Options& activate = image.sub("activate", "Makes a version the one that 'latest' means.");
    activate.value("VERSION", &v->activate_version, "which").required();
    verbs->push_back(
        {&activate, [v](Bootadm& adm) { return activate_image(adm, v->activate_version); }});
    Options& rollback = image.sub("rollback", "Goes back to the version that was active before.");
    verbs->push_back({&rollback, [](Bootadm& adm) { return roll_back_image(adm); }});
    Options& gc =
        image.sub("gc", "Removes versions that nobody needs, and what broken imports left.");
    gc.value("--keep", &o->keep, "newest versions that stay in any case").range(0, 1000);
    gc.flag("--dry-run,-n", &o->dry_run, "only say what would go");
    verbs->push_back({&gc, [v](Bootadm& adm) { return collect_images(adm, v->image); }});
    Options& check = image.sub("check", "Reads every file again and compares its SHA-256.");
    verbs->push_back({&check, [](Bootadm& adm) { return check_images(adm); }});
}

void declare_extensions(Options& opt, Verbs* v, std::vector<Verb>* verbs) {
    Options& extension = opt.sub("extension", "Operations that a booting node may ask for.");
    ExtensionOptions* o = &v->extension;
    Options& add = extension.sub(
        "add",
        "Adds or replaces an operation: a URL to ask or a command to run.\n\n"
        "    bootadm extension add allocate_k8s_token --command /usr/lib/planetbox/kubeadm-join\n"
        "    bootadm extension add bmc_store_password --url https://bmc.example/v1/store\n");
    add.value("NAME", &o->name, "the operation").required();
    add.value("--url", &o->url, "asked by POST, signed").type("URL");
    add.list("--command", &o->command,
             "program and arguments, one each; gets the JSON on its input")
        .type("WORD");
    add.value("--deadline", &o->deadline, "answer 504 after");
    add.value("--max-age", &o->max_age, "answer 408 to machines whose stage 1 is longer ago");
    verbs->push_back({&add, [v](Bootadm& adm) { return add_extension(adm, v->extension); }});
    Options& list = extension.sub("list", "Lists operations.");
    list.flag("--show-secret", &o->show_secret, "also what their requests are signed with");
    verbs->push_back({&list, [v](Bootadm& adm) { return list_extensions(adm, v->extension); }});
    Options& remove = extension.sub("delete", "Deletes an operation.");
    remove.value("NAME", &o->name, "which").required();
    verbs->push_back(
        {&remove, [v](Bootadm& adm) { return delete_extension(adm, v->extension.name); }});
}

Status run_verb(const Verbs& v, const Action& action) {
    Bootadm adm;
    adm.db = TRY(open_state(v.state));
    adm.store = std::make_unique<BootStore>(*adm.db);
    adm.state = StateDir(v.state);
    adm.now = unix_seconds(RealClock().wall());
    adm.json = v.json;
    return action(adm);
}

}  // namespace
}  // namespace planetbox

using namespace planetbox;

int bootadm_main(int argc, char** argv) {
    Verbs verbs;
    std::vector<Verb> list;
    Options opt(
        "bootadm",
        "Boot records, node keys, images and logs.\n"
        "\n"
        "Works on the state directory itself, while bootd runs or not; bootd notices at once.\n"
        "Exit codes: 0 done, 1 could not be done, 2 bad usage.\n");
    opt.value("--state", &verbs.state, "directory of the state").type("DIR").env("PLANETBOX_STATE");
    opt.flag("--json", &verbs.json, "answer in JSON");
    declare_hosts(opt, &verbs, &list);
    declare_access(opt, &verbs, &list);
    declare_images(opt, &verbs, &list);
    declare_extensions(opt, &verbs, &list);
    if (std::optional<int> code = opt.parse(argc, argv)) return *code;
    for (const Verb& verb : list) {
        if (!verb.options->chosen()) continue;
        const Status done = run_verb(verbs, verb.action);
        if (done) return kExitOk;
        fprintf(stderr, "planetbox bootadm: %s\n", done.error().message().c_str());
        return kExitFailure;
    }
    return opt.usage_error("which command?");
}
