#include "event/watchdog.h"

#include "sys/notify.h"

namespace planetbox {

static void feed(Loop& loop, Millis interval) {
    notify_watchdog();
    loop.after(interval / 3, [&loop, interval] { feed(loop, interval); });
}

void keep_watchdog_fed(Loop& loop) {
    if (std::optional<Millis> interval = watchdog_interval()) feed(loop, *interval);
}

}  // namespace planetbox
