// Many small writes, one fsync: the writes of one loop turn share a transaction, and what waits for
// them (an HTTP answer that hands out a token) runs only after the commit that covers it.
//
// submit() runs `write` at once inside the open transaction, in a SAVEPOINT of its own, so that one
// failed write undoes nothing but itself; `then` runs after COMMIT with the write's status, or with
// the commit's error when that fails (then nothing of the batch has happened).
//
// `then` never runs inside submit(), always at the end of a turn or in flush(); it may submit
// again. A `write` uses Statements only: no Transaction, no submit() (both are bugs).  A write by
// anybody else on the same Database (a Transaction, a plain Statement) first commits what is open
// here, so that nobody's write is swallowed by a batch that fails later.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "event/loop.h"
#include "store/db.h"

namespace planetbox {

class GroupCommit {
public:
    // Both must outlive this.
    GroupCommit(Loop& loop, Database& db);
    // Commits what is open; who still waits is not called any more.
    ~GroupCommit();
    GroupCommit(const GroupCommit&) = delete;
    GroupCommit& operator=(const GroupCommit&) = delete;
    using Write = std::function<Status()>;
    using Then = std::function<void(Status)>;
    void submit(const Write& write, Then then);
    void flush();  // commits what is open now; also runs by itself at the end of the turn

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace planetbox
