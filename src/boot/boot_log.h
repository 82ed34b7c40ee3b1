// A host's log for people: each event a line, each failure code with its sentence and remedy.
#pragma once

#include <string>
#include <vector>

#include "boot/boot_store.h"

namespace planetbox {

// "2026-11-21 10:12:30  stage1  192.0.2.5  iPXE 1.21.1, boot sequence, images latest"; an empty
// line between two boots, and under a failure what its code means.
std::string log_text(const std::vector<BootEvent>& events);
std::string log_json(const std::string& hostname, const std::vector<BootEvent>& events);

}  // namespace planetbox
