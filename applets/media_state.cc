#include "media_state.h"

#include "base/strings.h"

namespace planetbox {

Status add_state_nodes(const MediaArguments& arguments, const std::vector<std::string>& names,
                       std::vector<MediumSpec>&) {
    return fail(Code::kNotFound,
                str_cat(names.empty() ? arguments.state : names[0],
                        ": there is no state with boot records yet; use --nodes or --plnode"));
}

Status find_active_image(const MediaArguments&, std::string*, std::string*) {
    return fail(Code::kInvalid, "give the kernel and the initramfs with --kernel and --initramfs");
}

}  // namespace planetbox
