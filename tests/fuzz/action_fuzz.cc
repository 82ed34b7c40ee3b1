// Boot actions, all the way to the words of their commands.
#include "base/result.h"
#include "stage/evaluate.h"
#include "stage/report.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace planetbox;
    const Kargs kargs{{"epoxy.ip", "10.0.0.2"}, {"t", "{{kargs `epoxy.ip`}} 'a"}};
    Result<Action> action = parse_action({reinterpret_cast<const char*>(data), size});
    if (!action) {
        CHECK(!action.error().message().empty());
        return 0;
    }
    if (evaluate_vars(*action, kargs) && evaluate_file_urls(*action, kargs)) {
        (void)evaluate_env(*action, kargs, {"PATH=/bin"});
        if (auto commands = evaluate_commands(*action, kargs))
            CHECK(commands->size() == action->commands.size());
    }
    CHECK(!debug_config(kargs, &*action).empty());
    return 0;
}
