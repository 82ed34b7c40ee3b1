#include "init/devices.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "sys/files.h"
#include "sys/modules.h"

namespace planetbox {

namespace {

constexpr size_t kIndexLimit = 16 << 20;
constexpr int kMaxRounds = 10;

std::string read_or_empty(const std::string& path) {
    return read_file(path, kIndexLimit).value_or("");
}

// By where the kernel's own tree keeps the driver.
bool can_wait(const std::vector<std::string>& load_order) {
    static constexpr std::string_view kFolders[] = {
        "kernel/drivers/ata/",  "kernel/drivers/scsi/", "kernel/drivers/block/",
        "kernel/drivers/nvme/", "kernel/drivers/acpi/", "kernel/drivers/firmware/",
        "kernel/drivers/md/",   "kernel/drivers/cdrom/"};
    if (load_order.empty()) return false;
    return std::any_of(std::begin(kFolders), std::end(kFolders), [&](std::string_view folder) {
        return load_order.back().starts_with(folder);
    });
}

}  // namespace

Devices Devices::open(const std::string& modules_dir, const std::string& sys_dir) {
    Devices devices;
    devices.modules_dir_ = modules_dir;
    devices.sys_dir_ = sys_dir;
    devices.index_ = ModuleIndex::parse(read_or_empty(modules_dir + "/modules.dep"),
                                        read_or_empty(modules_dir + "/modules.alias"),
                                        read_or_empty(modules_dir + "/modules.softdep"));
    return devices;
}

std::vector<std::string> Devices::new_aliases() {
    std::vector<std::string> out;
    std::string buses = sys_dir_ + "/bus";
    Result<std::vector<std::string>> names = list_dir(buses);
    if (!names) return out;
    for (const std::string& bus : *names) {
        std::string folder = str_cat(buses, "/", bus, "/devices");
        Result<std::vector<std::string>> found = list_dir(folder);
        if (!found) continue;
        for (const std::string& device : *found) {
            Result<std::string> alias = read_file(str_cat(folder, "/", device, "/modalias"), 4096);
            if (!alias) continue;
            std::string text(trim(*alias));
            if (!text.empty() && seen_aliases_.insert(text).second) out.push_back(std::move(text));
        }
    }
    return out;
}

Status Devices::load(const std::string& name) {
    for (const std::string& path : index_.load_order(name)) {
        if (!tried_paths_.insert(path).second) continue;
        Status done = load_module(str_cat(modules_dir_, "/", path));
        if (done) {
            loaded_.push_back(ModuleIndex::plain_name(path));
        } else if (done.error().code() != Code::kNotFound || done.error().sys_errno() != ENODEV) {
            if (errors_.size() < 20) errors_.push_back(done.error().message());
            return done;
        }
    }
    return {};
}

int Devices::scan(bool with_storage) {
    size_t before = loaded_.size();
    if (with_storage)
        for (const std::string& module : std::exchange(deferred_, {})) (void)load(module);
    if (index_.size() == 0) return 0;
    for (int round = 0; round < kMaxRounds; ++round) {
        std::vector<std::string> aliases = new_aliases();
        if (aliases.empty()) break;
        for (const std::string& alias : aliases)
            for (const std::string& module : index_.match(alias)) {
                if (!with_storage && can_wait(index_.load_order(module)))
                    deferred_.push_back(module);
                else
                    (void)load(module);  // kept in errors_; the machine may do without
            }
    }
    return static_cast<int>(loaded_.size() - before);
}

}  // namespace planetbox
