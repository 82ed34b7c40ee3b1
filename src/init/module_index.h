// Which kernel module a device wants, and which ones that module needs first: modules.dep,
// modules.alias and modules.softdep, as depmod or initramfs/build.py write them.
//
// Pure: takes text, loads nothing (devices.h does).  Lines that make no sense are skipped, because
// an image from elsewhere must not keep a machine from starting.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace planetbox {

// Shell pattern over a whole text: '*', '?', '[abc]', '[a-z]', '[!a]'.  No escapes.  Bounded: time
// is at most pattern × text.
bool glob_match(std::string_view pattern, std::string_view text);

class ModuleIndex {
public:
    static ModuleIndex parse(std::string_view dep, std::string_view alias,
                             std::string_view softdep = {});

    // Modules for a device's modalias ("pci:v00001AF4d…"), or whose name it is, in index order.
    std::vector<std::string> match(std::string_view modalias) const;

    // Paths relative to /lib/modules/VERSION, in the order to load them, the module's own last.
    // Empty when the module is not in the index.
    std::vector<std::string> load_order(std::string_view name) const;

    size_t size() const { return modules_.size(); }

    // "…/nf-tables.ko.xz" → "nf_tables".
    static std::string plain_name(std::string_view path);

private:
    struct Module {
        std::string path;
        std::vector<std::string> needs;  // names, what must be loaded first comes last
        std::vector<std::string> wants;  // softdep pre:
    };
    struct Alias {
        std::string pattern;
        std::string module;
        size_t literal;  // length before the first special character
    };
    void collect(std::string_view name, std::set<std::string_view>& seen,
                 std::vector<std::string>& out) const;

    std::map<std::string, Module, std::less<>> modules_;
    std::vector<Alias> aliases_;
};

}  // namespace planetbox
