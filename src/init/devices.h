// Drivers for the hardware that is there: walks /sys/bus/*/devices/*/modalias and loads what the
// image has for it.  A driver brings new devices (a bus, a port), so the walk is repeated until it
// finds nothing new; some appear late, so callers scan again while they wait for one.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "init/module_index.h"

namespace planetbox {

class Devices {
public:
    // `modules_dir` = /lib/modules/VERSION.  Without one there is nothing to load, and nothing
    // wrong.
    static Devices open(const std::string& modules_dir, const std::string& sys_dir = "/sys");

    // Loads for every device not seen yet.  Returns how many modules were loaded.  Drivers of disks
    // and of what else a stage without disks can do without wait for with_storage: probing an idle
    // disk controller takes longer than all the rest.
    int scan(bool with_storage);
    // Loads one by name, with what it needs.
    Status load(const std::string& name);

    const std::vector<std::string>& loaded() const { return loaded_; }  // names, in order
    const std::vector<std::string>& errors() const { return errors_; }  // at most 20
    size_t available() const { return index_.size(); }

private:
    std::vector<std::string> new_aliases();

    std::string modules_dir_, sys_dir_;
    ModuleIndex index_;
    std::set<std::string> seen_aliases_;
    std::vector<std::string> deferred_;  // modules
    std::set<std::string> tried_paths_;
    std::vector<std::string> loaded_, errors_;
};

}  // namespace planetbox
