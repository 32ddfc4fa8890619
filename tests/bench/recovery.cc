// How long shift-supervisord takes from its start until it answers, and until it asks the API for
// work, on a journal of 10,000 migrations of which 500 are unfinished. Prints; judges nothing.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <filesystem>
#include <vector>

#include "supervisor/journal/sqlite_journal.h"
#include "tests/integration/support/fake_api.h"
#include "tests/integration/support/supervisor_process.h"
#include "tests/integration/support/temp_dir.h"
#include "tests/integration/support/wait.h"

namespace shift::testing {
namespace {

constexpr MigrationId kMigrations = 10'000;
constexpr MigrationId kUnfinished = 500;
constexpr int kEventsEach = 40;
constexpr int kAttemptsEach = 5;
constexpr int kCallsEach = 12;
constexpr int kRounds = 5;
const WallTime kLongAgo{std::chrono::hours(24 * 365 * 56)};

using Timer = std::chrono::steady_clock;

double millis_since(Timer::time_point begin, Timer::time_point end = Timer::now()) {
    return std::chrono::duration<double, std::milli>(end - begin).count();
}

MigrationRecord record_of(MigrationId id) {
    MigrationRecord r;
    r.id = id;
    r.seen.id = id;
    r.seen.status = 8;
    r.seen.lock_version = 20;
    r.seen.cluster_name = "main";
    r.seen.database = "shop";
    r.seen.table = fmt::format("table_{}", id);
    r.seen.mode = Mode::kTable;
    r.seen.action = Action::kAlter;
    r.seen.runtype = Runtype::kLong;
    r.seen.ddl_statement = fmt::format("ALTER TABLE {} ADD COLUMN c INT", r.seen.table);
    r.seen.run_host = "host-a";
    r.seen.host = "127.0.0.1";
    r.seen.port = 1;  // nobody listens there
    r.state = ClaimState::kHandedOn;
    r.step = Step::kRename;
    r.claim = 3;
    r.claim_id = fmt::format("{:032x}", id);
    r.attempt = id * kAttemptsEach;
    r.since = kLongAgo;
    r.first_seen = kLongAgo;
    return r;
}

// What was at work when the daemon died: running and queued copies, outcomes to be told, claims
// whose answer is not known.
void leave_unfinished(MigrationRecord& r) {
    static constexpr ClaimState kStates[] = {ClaimState::kRunning,    ClaimState::kRunning,
                                             ClaimState::kRunning,    ClaimState::kWaiting,
                                             ClaimState::kWaiting,    ClaimState::kWaiting,
                                             ClaimState::kDelivering, ClaimState::kDelivering,
                                             ClaimState::kUncertain,  ClaimState::kPinning};
    r.state = kStates[r.id % 10];
    r.seen.status = 3;
    r.step = Step::kRun;
}

void add_history(Journal& journal, const MigrationRecord& r, bool finished) {
    for (int i = 1; i <= kAttemptsEach; ++i) {
        AttemptRecord attempt;
        attempt.id = (r.id - 1) * kAttemptsEach + i;
        attempt.migration = r.id;
        attempt.claim = i;
        attempt.step = Step::kRun;
        attempt.engine = "pt-osc";
        attempt.ended = finished || i < kAttemptsEach || r.state != ClaimState::kRunning;
        attempt.worker = {4'000'000, 1, "another boot"};
        attempt.started = kLongAgo;
        CHECK(journal.put(attempt).ok(), "put attempt");
    }
    for (int i = 0; i < kEventsEach; ++i) {
        EventRecord event;
        event.at = kLongAgo;
        event.migration = r.id;
        event.claim = r.claim;
        event.attempt = r.attempt;
        event.source = i % 3 == 0 ? "worker" : "supervisor";
        event.kind = i % 9 == 0 ? "intent" : "state";
        event.detail = {{"what", "shadow"}, {"text", "some words about what happened here"}};
        CHECK(journal.add(event).ok(), "add event");
    }
    for (int i = 0; i < kCallsEach; ++i) {
        OwedCall call;
        call.migration = r.id;
        call.claim = r.claim;
        call.claimed_status = r.seen.status;
        call.kind = CallKind::kProgress;
        call.body = {{"copy_percentage", i}};
        call.created = kLongAgo;
        const bool owed = !finished && r.state == ClaimState::kDelivering && i + 4 >= kCallsEach;
        call.state = owed ? CallState::kPending : CallState::kDone;
        CHECK(journal.put(call).ok(), "put call");
    }
}

void write_journal(const std::string& path) {
    auto journal = SqliteJournal::open(path);
    CHECK(journal.ok(), "the journal cannot be made");
    for (MigrationId id = 1; id <= kMigrations; ++id) {
        const bool finished = id <= kMigrations - kUnfinished;
        MigrationRecord record = record_of(id);
        if (!finished) {
            leave_unfinished(record);
        } else if (id % 10 == 0) {  // waits for people
            record.seen.status = 4;
            record.step = Step::kRun;
        }
        CHECK((*journal)->put(record).ok(), "put migration");
        add_history(**journal, record, finished);
        if (id % 100 == 0) {
            CHECK((*journal)->commit().ok(), "commit");
        }
    }
    CHECK((*journal)->commit().ok(), "commit");
}

void fill_api(ApiModel& model) {
    for (MigrationId id = kMigrations - kUnfinished + 1; id <= kMigrations; ++id) {
        const MigrationRecord record = record_of(id);
        ApiModel::Spec spec;
        spec.database = record.seen.database;
        spec.table = record.seen.table;
        spec.ddl_statement = record.seen.ddl_statement;
        spec.host = record.seen.host;
        spec.port = record.seen.port;
        spec.status = 3;
        model.create_as(id, spec);
        model.set(id, {{"staged", false}, {"run_host", "host-a"}});
    }
}

void print(const char* what, std::vector<double> millis) {
    std::sort(millis.begin(), millis.end());
    fmt::print("{:<44} min {:8.1f} ms  median {:8.1f} ms  max {:8.1f} ms\n", what, millis.front(),
               millis[millis.size() / 2], millis.back());
}

// Where the time goes: opening (with its check) and folding, in this process.
void time_parts(const std::string& path) {
    std::vector<double> open;
    std::vector<double> load;
    for (int i = 0; i < kRounds; ++i) {
        auto begin = Timer::now();
        auto journal = SqliteJournal::open(path);
        CHECK(journal.ok(), "open");
        open.push_back(millis_since(begin));
        begin = Timer::now();
        const auto contents = (*journal)->load();
        CHECK(contents.ok(), "load");
        load.push_back(millis_since(begin));
    }
    print("opening the journal", open);
    print("folding it", load);
}

void run() {
    const TempDir dir;
    FakeApi api;
    fill_api(api.model());
    SupervisorProcess daemon(dir.path(), api.url(), {{"log_level", "info"}});
    std::filesystem::create_directories(daemon.state_dir());
    const std::string original = dir / "original.db";
    write_journal(original);
    fmt::print("{} migrations, {} unfinished, {} MiB\n", kMigrations, kUnfinished,
               std::filesystem::file_size(original) / 1024 / 1024);
    time_parts(original);
    std::vector<double> ready;
    std::vector<double> polled;
    for (int i = 0; i < kRounds; ++i) {
        std::filesystem::remove_all(daemon.state_dir());
        std::filesystem::create_directories(daemon.state_dir());
        std::filesystem::copy_file(original, daemon.journal());
        api.forget_calls();
        const auto begin = Timer::now();
        daemon.start();
        ready.push_back(millis_since(begin));
        CHECK(poll_until([&] { return api.count("staged") > 0; }), "it never polled");
        polled.push_back(millis_since(begin, api.calls("staged").front().at));
        daemon.kill9();
        daemon.kill_workers();
    }
    print("start until the control socket answers", ready);
    print("start until the first poll", polled);
}

}  // namespace
}  // namespace shift::testing

int main() {
    try {
        shift::testing::run();
    } catch (const std::exception& error) {
        fmt::print(stderr, "recovery: {}\n", error.what());
        return 1;
    }
    return 0;
}
