// Pings whoever supervises this daemon, as long as its loop turns.
#pragma once

#include "event/loop.h"

namespace planetbox {

// Sends WATCHDOG=1 at a third of the interval that the environment asks for; does nothing when
// nobody asks.  A loop that hangs pings no more, which is the point.
void keep_watchdog_fed(Loop& loop);

}  // namespace planetbox
