// bootadm's verbs about hosts.
#include <stdio.h>
#include <unistd.h>

#include <map>

#include "base/json.h"
#include "base/strings.h"
#include "boot/boot_log.h"
#include "bootadm.h"
#include "sys/files.h"
#include "table.h"

namespace planetbox {
namespace {

constexpr size_t kMaxInventory = 64 << 20;

std::string time_or_dash(int64_t seconds) {
    if (seconds == 0) return "-";
    std::string text = rfc3339(from_unix_seconds(seconds));
    text[10] = ' ';
    return text.substr(0, 16);
}

BootEvent admin_event(const Bootadm& adm, std::string detail) {
    BootEvent event;
    event.at_ms = adm.now * 1000;
    event.kind = "admin";
    event.detail = std::move(detail);
    return event;
}

Result<Host> need_host(Bootadm& adm, const std::string& name) {
    const std::string hostname = TRY(normal_hostname(name));
    std::optional<Host> host = TRY(adm.store->find_host(hostname));
    if (host) return std::move(*host);
    return fail(Code::kNotFound, "there is no host " + hostname + "; 'bootadm list' names all");
}

// Names are exact, the pattern is a regular expression.  Neither: all, where that is harmless.
Result<std::vector<Host>> chosen_hosts(Bootadm& adm, const HostOptions& o, bool all_is_fine) {
    std::vector<Host> hosts;
    for (const std::string& name : o.names) hosts.push_back(TRY(need_host(adm, name)));
    if (o.pattern) {
        for (Host& host : TRY(match_hosts(TRY(adm.store->list_hosts()), *o.pattern)))
            hosts.push_back(std::move(host));
        if (hosts.empty())
            return fail(Code::kNotFound, "no host matches '" + printable(*o.pattern) + "'");
    }
    if (o.names.empty() && !o.pattern) {
        if (!all_is_fine)
            return fail(Code::kInvalid, "which hosts? Name them, or give --hostname REGEX");
        return adm.store->list_hosts();
    }
    return hosts;
}

// What the options say beside the change itself.
Status finish_change(HostOptions& o) {
    if (o.update_on && o.update_off)
        return fail(Code::kInvalid, "--update and --no-update exclude each other");
    if (o.update_on || o.update_off) o.change.update_enabled = o.update_on;
    if (!o.extensions) return {};
    o.change.extensions.emplace();
    for (std::string_view name : split(*o.extensions, ','))
        o.change.extensions->emplace_back(trim(name));
    return {};
}

void print_names(const Bootadm& adm, std::string_view did, const std::vector<std::string>& names) {
    if (adm.json) {
        json::Writer writer;
        writer.begin_object().key(did).begin_array();
        for (const std::string& name : names) writer.string(name);
        writer.end_array().end_object();
        printf("%s\n", writer.text().c_str());
        return;
    }
    for (const std::string& name : names)
        printf("%.*s %s\n", int(did.size()), did.data(), name.c_str());
}

}  // namespace

void declare_host_options(Options& opt, HostOptions* o, bool for_add) {
    HostChange* change = &o->change;
    opt.list("HOST", &o->names, for_add ? "host names" : "which hosts, by their exact names");
    opt.value("--hostname", &o->pattern, for_add ? "the same" : "hosts whose names match")
        .type(for_add ? "HOST" : "REGEX");
    opt.value("--ipv4,--address", &change->ipv4, "its IPv4 address; '' clears").type("ADDR");
    opt.value("--ipv6", &change->ipv6, "its IPv6 address; '' clears").type("ADDR");
    opt.value("--mac", &change->mac, "MAC address of the interface that boots");
    // Not --state: that is the directory.
    opt.value("--boot-state", &change->boot_state, "boot, reinstall, upgrade, safeboot or disabled")
        .type("WORD");
    opt.value("--auth", &change->auth, "how it proves who it is: auto, address, key or both")
        .type("WORD");
    opt.value("--images-version", &change->images_version, "version of the images it boots")
        .type("VERSION");
    opt.list("--network", &change->networks,
             "static addresses, ADDR/LEN,GATEWAY[,DNS[,DNS]], IPv4 or IPv6; 'dhcp' clears")
        .type("NET");
    opt.value("--extensions", &o->extensions, "operations it may ask for").type("NAME,NAME");
    opt.flag("--update", &o->update_on, "boot the update sequence until it has succeeded once");
    opt.flag("--no-update", &o->update_off, "take that back");
    const auto url = [&](std::string_view name, std::map<std::string, std::string>* sequence,
                         const char* stage) {
        opt.value(
               name,
               [sequence, stage](const std::string& text) -> Status {
                   (*sequence)[stage] = text;
                   return text.empty() ? Status() : check_stage_url(text);
               },
               str_cat(stage, " of the ", sequence == &change->boot ? "boot" : "update",
                       " sequence; {{VERSION}} is replaced, /PATH is on this server, '' clears"))
            .type("URL");
    };
    url("--boot-stage1", &change->boot, "stage1.ipxe");
    url("--boot-stage1-json", &change->boot, "stage1.json");
    url("--boot-stage2", &change->boot, "stage2");
    url("--boot-stage3", &change->boot, "stage3");
    url("--update-stage1", &change->update, "stage1.ipxe");
    url("--update-stage1-json", &change->update, "stage1.json");
    url("--update-stage2", &change->update, "stage2");
    url("--update-stage3", &change->update, "stage3");
}

Status add_hosts(Bootadm& adm, HostOptions& o) {
    TRY(finish_change(o));
    if (o.pattern) o.names.push_back(*o.pattern);
    if (o.names.empty()) return fail(Code::kInvalid, "which host? Give its name");
    const bool addresses = o.change.ipv4 || o.change.ipv6 || !o.change.networks.empty();
    if (o.names.size() > 1 && addresses)
        return fail(Code::kInvalid, "several hosts cannot share an address; use sync for many");
    Transaction transaction = TRY(Transaction::begin(*adm.db));
    std::vector<std::string> added;
    for (const std::string& name : o.names) {
        Host host;
        host.hostname = TRY(normal_hostname(name));
        TRY_CONTEXT(apply_change(o.change, &host), host.hostname);
        const int64_t id = TRY(adm.store->insert_host(host, adm.now));
        TRY(adm.store->add_event(id, admin_event(adm, "added")));
        added.push_back(host.hostname);
    }
    TRY(transaction.commit());
    print_names(adm, "added", added);
    return {};
}

Status update_hosts(Bootadm& adm, HostOptions& o) {
    TRY(finish_change(o));
    Transaction transaction = TRY(Transaction::begin(*adm.db));
    std::vector<std::string> changed;
    for (const Host& before : TRY(chosen_hosts(adm, o, false))) {
        Host after = before;
        TRY_CONTEXT(apply_change(o.change, &after), before.hostname);
        const std::vector<std::string> difference = describe_difference(before, after);
        if (difference.empty()) continue;
        TRY(adm.store->update_host(after, adm.now));
        TRY(adm.store->add_event(after.id, admin_event(adm, "changed " + join(difference, "; "))));
        changed.push_back(after.hostname);
    }
    TRY(transaction.commit());
    print_names(adm, "changed", changed);
    if (changed.empty() && !adm.json) printf("nothing to change\n");
    return {};
}

Status list_hosts(Bootadm& adm, const HostOptions& o, bool details) {
    const std::vector<Host> hosts = TRY(chosen_hosts(adm, o, !details));
    std::map<int64_t, Session> sessions;
    for (Session& session : TRY(adm.store->list_sessions()))
        sessions[session.node_id] = std::move(session);
    const auto status = [&](const Host& host) {
        const auto found = sessions.find(host.id);
        return found == sessions.end() ? std::string("never")
                                       : session_status(found->second, adm.now);
    };
    if (details && !adm.json) {
        for (const Host& host : hosts)
            printf("%s\n", host_json(host, !TRY(adm.store->keys(host.id)).empty()).c_str());
        return {};
    }
    if (adm.json) {
        json::Writer writer(4);
        writer.begin_array();
        for (const Host& host : hosts) {
            writer.begin_object().field("hostname", host.hostname).field("status", status(host));
            writer.key("record");
            write_host_json(writer, host, !TRY(adm.store->keys(host.id)).empty());
            writer.end_object();
        }
        writer.end_array();
        printf("%s\n", writer.text().c_str());
        return {};
    }
    Table table(
        {"HOST", "ADDRESS", "STATE", "STATUS", "IMAGES", "UPDATE", "LAST BOOT", "LAST SUCCESS"});
    for (const Host& host : hosts)
        table.add({host.hostname,
                   host.ipv4.empty() ? (host.ipv6.empty() ? "-" : host.ipv6) : host.ipv4,
                   std::string(boot_state_name(host.boot_state)), status(host), host.images_version,
                   host.update_enabled ? "yes" : "no", time_or_dash(host.last_session),
                   time_or_dash(host.last_success)});
    fputs(table.text().c_str(), stdout);
    return {};
}

Status delete_hosts(Bootadm& adm, const HostOptions& o) {
    Transaction transaction = TRY(Transaction::begin(*adm.db));
    std::vector<std::string> deleted;
    for (const Host& host : TRY(chosen_hosts(adm, o, false))) {
        TRY(adm.store->delete_host(host.id));
        deleted.push_back(host.hostname);
    }
    TRY(transaction.commit());
    print_names(adm, "deleted", deleted);
    return {};
}

namespace {

void print_plan(const Bootadm& adm, const InventoryPlan& plan, bool remove) {
    if (adm.json) {
        json::Writer writer(4);
        writer.begin_object().key("added").begin_array();
        for (const Host& host : plan.add) writer.string(host.hostname);
        writer.end_array().key("changed").begin_object();
        for (const auto& [before, after] : plan.change) {
            writer.key(after.hostname).begin_array();
            for (const std::string& line : describe_difference(before, after)) writer.string(line);
            writer.end_array();
        }
        writer.end_object().key(remove ? "deleted" : "surplus").begin_array();
        for (const Host& host : plan.remove) writer.string(host.hostname);
        writer.end_array().end_object();
        printf("%s\n", writer.text().c_str());
        return;
    }
    for (const Host& host : plan.add) printf("+ %s\n", host.hostname.c_str());
    for (const auto& [before, after] : plan.change)
        for (const std::string& line : describe_difference(before, after))
            printf("~ %s  %s\n", after.hostname.c_str(), line.c_str());
    for (const Host& host : plan.remove)
        printf("- %s%s\n", host.hostname.c_str(), remove ? "" : "  (kept; --remove deletes)");
}

}  // namespace

Status sync_hosts(Bootadm& adm, const SyncOptions& o) {
    const std::string text =
        o.file == "-" ? TRY_CONTEXT(read_fd(STDIN_FILENO, kMaxInventory), "standard input")
                      : TRY(read_file(o.file, kMaxInventory));
    const std::vector<InventoryEntry> inventory = TRY_CONTEXT(parse_inventory(text), o.file);
    // One reader and writer from here on: what the plan saw is what it changes.
    Transaction transaction = TRY(Transaction::begin(*adm.db));
    const InventoryPlan plan = TRY(plan_sync(TRY(adm.store->list_hosts()), inventory));
    if (!o.dry_run) {
        for (const Host& host : plan.add) {
            const int64_t id = TRY(adm.store->insert_host(host, adm.now));
            TRY(adm.store->add_event(id, admin_event(adm, "added by sync")));
        }
        for (const auto& [before, after] : plan.change) {
            TRY(adm.store->update_host(after, adm.now));
            TRY(adm.store->add_event(
                after.id,
                admin_event(adm, "changed " + join(describe_difference(before, after), "; "))));
        }
        if (o.remove)
            for (const Host& host : plan.remove) TRY(adm.store->delete_host(host.id));
        TRY(transaction.commit());
    }
    print_plan(adm, plan, o.remove);
    return {};
}

Status issue_key(Bootadm& adm, const KeyOptions& o) {
    if (!o.key.empty() && (o.key.size() < 32 || o.key.size() > 128))
        return fail(Code::kInvalid, "--key: must have 32 to 128 characters");
    Transaction transaction = TRY(Transaction::begin(*adm.db));
    const Host host = TRY(need_host(adm, o.host));
    const std::string key = o.key.empty() ? make_node_key() : o.key;
    TRY(adm.store->add_key(host.id, key, adm.now, o.grace.count() / 1000));
    TRY(adm.store->add_event(host.id, admin_event(adm, "a new node key was issued")));
    TRY(transaction.commit());
    if (adm.json)
        printf("%s\n", json::Writer()
                           .begin_object()
                           .field("hostname", host.hostname)
                           .field("key", key)
                           .end_object()
                           .text()
                           .c_str());
    else
        printf("%s\n", key.c_str());
    return {};
}

Status show_log(Bootadm& adm, const std::string& hostname) {
    const Host host = TRY(need_host(adm, hostname));
    const std::vector<BootEvent> events = TRY(adm.store->events(host.id));
    if (adm.json)
        printf("%s\n", log_json(host.hostname, events).c_str());
    else
        fputs(log_text(events).c_str(), stdout);
    return {};
}

Status revoke_tokens(Bootadm& adm, const RevokeOptions& o) {
    if (o.all == !o.hosts.empty()) return fail(Code::kInvalid, "whose? Name hosts, or give --all");
    Transaction transaction = TRY(Transaction::begin(*adm.db));
    int64_t revoked = 0;
    if (o.all) revoked = TRY(adm.store->revoke_sessions(std::nullopt));
    for (const std::string& name : o.hosts) {
        const Host host = TRY(need_host(adm, name));
        revoked += TRY(adm.store->revoke_sessions(host.id));
        TRY(adm.store->add_event(host.id, admin_event(adm, "its ids were revoked")));
    }
    TRY(transaction.commit());
    if (adm.json)
        printf("{\"revoked\":%lld}\n", static_cast<long long>(revoked));
    else
        printf("revoked the ids of %lld boots\n", static_cast<long long>(revoked));
    return {};
}

}  // namespace planetbox
