// The part of `media` that reads and writes a central server's state.
#pragma once

#include <string>
#include <vector>

#include "media_input.h"

namespace planetbox {

// Adds a spec for every named host (or all of them), issuing keys where there are none.
Status add_state_nodes(const MediaArguments& arguments, const std::vector<std::string>& names,
                       std::vector<MediumSpec>& specs);

// Files of the image that is active in the state.
Status find_active_image(const MediaArguments& arguments, std::string* kernel,
                         std::string* initramfs);

}  // namespace planetbox
