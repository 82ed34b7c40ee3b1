#include "store/group_commit.h"

namespace planetbox {

namespace {

// A turn of the loop handles at most 256 descriptors, but one handler may submit often.
constexpr size_t kMaxBatch = 1000;

struct Waiting {
    GroupCommit::Then then;
    Status status;
};

}  // namespace

struct GroupCommit::State : std::enable_shared_from_this<GroupCommit::State> {
    State(Loop& loop_in, Database& db_in) : loop(loop_in), db(db_in) {}

    Loop& loop;
    Database& db;
    std::vector<Waiting> open;     // in the open transaction
    std::vector<Waiting> settled;  // committed or failed, not told yet
    bool scheduled = false;
    bool writing = false;

    void schedule() {
        if (scheduled) return;
        scheduled = true;
        loop.at_end_of_turn([weak = weak_from_this()] {
            if (auto self = weak.lock()) self->finish();
        });
    }

    void settle(const Status& outcome) {
        db.set_group_hook(nullptr);
        for (Waiting& waiting : open) {
            if (!outcome && waiting.status) waiting.status = std::unexpected(outcome.error());
            settled.push_back(std::move(waiting));
        }
        open.clear();
    }

    // Commits without telling anybody.
    void commit() {
        if (!open.empty()) settle(db.commit());
    }

    void finish() {
        scheduled = false;
        commit();
        std::vector<Waiting> told;
        told.swap(settled);
        for (Waiting& waiting : told)
            if (waiting.then) waiting.then(std::move(waiting.status));
    }

    Status open_transaction() {
        if (!open.empty()) return {};
        TRY(db.begin());
        db.set_group_hook([this] { commit(); });
        return {};
    }

    Status run(const char* sql) {
        Statement statement = TRY(db.prepare(sql));
        return statement.run();
    }

    Status run_in_savepoint(const Write& write) {
        TRY(run("SAVEPOINT submitted"));
        Status status = write();
        if (!db.in_transaction()) return status;  // SQLite gave the whole transaction up
        if (!status) TRY(run("ROLLBACK TO submitted"));
        TRY(run("RELEASE submitted"));
        return status;
    }

    void submit(const Write& write, Then then) {
        CHECK(!writing);
        schedule();
        Status status = open_transaction();
        if (!status) {
            settled.push_back({std::move(then), std::move(status)});
            return;
        }
        writing = true;
        db.set_in_group_write(true);
        status = run_in_savepoint(write);
        db.set_in_group_write(false);
        writing = false;
        bool lost = !db.in_transaction();
        Status outcome =
            lost && status ? Status(fail(Code::kIo, "transaction was given up")) : status;
        open.push_back({std::move(then), std::move(status)});
        if (lost)
            settle(outcome);
        else if (open.size() >= kMaxBatch)
            commit();
    }
};

GroupCommit::GroupCommit(Loop& loop, Database& db) : state_(std::make_shared<State>(loop, db)) {}

GroupCommit::~GroupCommit() { state_->commit(); }

void GroupCommit::submit(const Write& write, Then then) { state_->submit(write, std::move(then)); }

void GroupCommit::flush() {
    // A `then` may destroy this object.
    std::shared_ptr<State> keep = state_;
    bool was_scheduled = keep->scheduled;
    keep->finish();
    // The end-of-turn callback is still queued; it then finds nothing, or what `then` submitted.
    keep->scheduled = keep->scheduled || was_scheduled;
}

}  // namespace planetbox
