#include "worker/lhm/phase.h"

#include <fmt/format.h>

#include <algorithm>

#include "worker/lhm/conflicts.h"
#include "worker/lhm/copier.h"
#include "worker/lhm/pace.h"
#include "worker/lhm/proof.h"
#include "worker/lhm/retry.h"
#include "worker/mysql/errors.h"

// Happy path: a crew works through the ledger while this thread looks after everything else.
// Trouble: the lock's session is lost - the crew stops after its chunks, the lock is taken again on
// the same server, everything is looked at, and a new crew goes on with the same ledger; a hand
// fails - the others stop, and what the failure means is decided here; a stop is asked for - the
// crew stops, the checkpoint is saved, all is kept.

namespace shift::lhm {
namespace {

constexpr std::chrono::milliseconds kTurn{50};
constexpr std::chrono::seconds kLookEvery{1};
constexpr std::chrono::milliseconds kReportEvery{1000};
constexpr std::chrono::seconds kSaveEvery{2};
constexpr std::chrono::seconds kProbeEvery{5};
constexpr std::int64_t kConflictsAtOnce = 100;
constexpr std::chrono::milliseconds kVerifyTarget{200};
constexpr std::int64_t kVerifyRowsMax = 50'000;
constexpr double kMib = 1024 * 1024;

}  // namespace

ChunkSize::Options chunk_options(const Options& options, const Plan& plan, Stage stage) {
    ChunkSize::Options size = options.chunk;
    if (size.target.count() == 0) {
        return size;
    }
    if (stage == Stage::kVerify) {
        size.target = kVerifyTarget;  // reads block nobody
        size.rows_max = std::max(size.rows_max, kVerifyRowsMax);
    }
    if (plan.row_bytes > 0) {
        const double rows = options.chunk_mib_max * kMib / static_cast<double>(plan.row_bytes);
        size.rows_max =
            std::max(size.rows_min, std::min(size.rows_max, static_cast<std::int64_t>(rows)));
        size.rows = std::min(size.rows, size.rows_max);
    }
    return size;
}

Phase::Phase(Engine& engine, Stage stage)
    : engine_(engine),
      stage_(stage),
      size_(chunk_options(engine.options_, engine.plan_, stage)),
      ledger_(stage == Stage::kCopy || !engine.options_.limit.empty() ? engine.checkpoint_.end
                                                                      : std::optional<KeyValue>(),
              engine.checkpoint_.ledger),
      rows_before_(stage == Stage::kCopy ? engine.checkpoint_.rows : engine.compared_.rows),
      chunks_before_(engine.checkpoint_.chunks),
      elapsed_before_(engine.checkpoint_.elapsed_s),
      begun_(std::chrono::steady_clock::now()) {}

Result<std::optional<Ending>> Phase::run() {
    Throttle throttle(engine_.options_.throttle, engine_.sessions_, engine_.world_.listener,
                      engine_.world_.clock);
    Copier copier(engine_.plan_, engine_.options_, size_, tally_, engine_.world_.listener);
    Verifier verifier(engine_.plan_, engine_.options_, size_, tally_, engine_.world_.listener);
    // What an error says of the ledger is not known before the crew has ended, so both are looked
    // at.
    auto ended = run_crew(throttle, copier, verifier);
    if (stage_ == Stage::kVerify) {
        engine_.compared_.add(verifier.result());
    }
    report(throttle, ended.ok() && !*ended);
    (void)keep_checkpoint().ok();
    return ended;
}

Result<std::optional<Ending>> Phase::run_crew(Throttle& throttle, Copier& copier,
                                              Verifier& verifier) {
    Crew::Job job;
    job.role = stage_ == Stage::kCopy ? "copy" : "verify";
    job.rows = [this] { return size_.rows(); };
    job.find_end = [this](Hand& hand, const auto& after, const auto& up_to, std::int64_t rows) {
        return find_range_end(hand, engine_.plan_, engine_.options_.retry, engine_.world_.listener,
                              after, up_to, rows);
    };
    if (stage_ == Stage::kCopy) {
        job.work = [&copier](Hand& hand, const Range& range) { return copier.copy(hand, range); };
    } else {
        job.work = [&verifier](Hand& hand, const Range& range) {
            return verifier.verify(hand, range);
        };
    }
    const int threads =
        stage_ == Stage::kCopy ? engine_.plan_.threads : engine_.plan_.verify_threads;
    for (;;) {
        auto before = look(throttle);
        if (!before.ok() && is_connection_trouble(before.error())) {
            RETURN_IF_ERROR(recover_lock());
            before = look(throttle);
        }
        RETURN_IF_ERROR(before);
        if (*before) {
            return *before;
        }
        Pace pace(engine_.options_.pace, engine_.plan_, threads, size_, engine_.sessions_,
                  engine_.world_.listener, engine_.options_.throttle.interval / 2);
        job.may_work = [&pace](int number) { return pace.may_work(number); };
        Crew crew(job, threads, ledger_, engine_.sessions_, throttle);
        ASSIGN_OR_RETURN(auto ended, watch(crew, throttle));
        crew.stop();
        Status finished = crew.finish();
        if (ended) {
            return ended;
        }
        if (engine_.sessions_.may_have_lost_commits()) {
            return lost_commits_error();
        }
        if (engine_.world_.stop.reason()) {
            return std::optional(Ending::stopped(engine_.world_.stop));
        }
        if (!finished.ok()) {
            return ending_of(std::move(finished).error());
        }
        if (!engine_.world_.database.holds_lock() || engine_.sessions_.outages() != outages_) {
            RETURN_IF_ERROR(recover_lock());
        } else if (ledger_.is_complete()) {
            return std::optional<Ending>();
        }
    }
}

Result<std::optional<Ending>> Phase::ending_of(Error error) {
    if (error.code == Errc::kConflict && error.native == 0 && stage_ == Stage::kVerify) {
        return std::optional(Ending{Ending::Kind::kBlocked, "differs", std::move(error.message)});
    }
    if (is_data_error(error) || (error.code == Errc::kInvalidArgument && !is_transient(error))) {
        return std::optional(Ending{Ending::Kind::kBlocked,
                                    is_data_error(error) ? "data_does_not_fit" : "copy_failed",
                                    std::move(error.message)});
    }
    return error;
}

// nullopt: the crew has ended by itself, or the lock was lost.
Result<std::optional<Ending>> Phase::watch(Crew& crew, Throttle& throttle) {
    Engine::World& world = engine_.world_;
    while (crew.is_running()) {
        world.stop.wait_for(kTurn);
        if (world.stop.reason()) {
            crew.stop();
            return std::optional(Ending::stopped(engine_.world_.stop));
        }
        if (!world.database.keep_alive().ok() || engine_.sessions_.outages() != outages_) {
            return std::optional<Ending>();  // the lock's session is looked at, and a new crew
                                             // begins
        }
        if (engine_.sessions_.may_have_lost_commits()) {
            return std::optional<Ending>();
        }
        const Time now = std::chrono::steady_clock::now();
        if (now - looked_ >= kLookEvery || throttle.critical()) {
            auto seen = look(throttle);
            if (!seen.ok()) {
                if (!is_connection_trouble(seen.error())) {
                    return std::move(seen).error();
                }
            } else if (*seen) {
                return *seen;
            }
        }
        if (now - reported_ >= kReportEvery) {
            report(throttle, false);
        }
        if (now - saved_ >= kSaveEvery) {
            RETURN_IF_ERROR(keep_checkpoint());
        }
    }
    return std::optional<Ending>();
}

// What must hold while rows are copied; asked for once a second, and before the first chunk.
Result<std::optional<Ending>> Phase::look(const Throttle& throttle) {
    looked_ = std::chrono::steady_clock::now();
    if (const auto critical = throttle.critical()) {
        return std::optional(Ending{Ending::Kind::kBlocked, "overload",
                                    *critical + "; everything is kept, resume it later"});
    }
    ASSIGN_OR_RETURN(Connection * look, engine_.world_.database.look());
    if (const std::string id = engine_.world_.database.server().id; id != engine_.plan_.server.id) {
        return std::optional(
            Ending{Ending::Kind::kBlocked, "wrong_server",
                   fmt::format("reconnected to the wrong server: the migration was "
                               "begun on {}, this is {}",
                               engine_.plan_.server.id, id)});
    }
    ASSIGN_OR_RETURN(const CopyFacts now, look_at_copy(*look, engine_.plan_));
    if (const std::string why = difference(engine_.checkpoint_, now); !why.empty()) {
        return std::optional(Ending{Ending::Kind::kBlocked, "moved", why});
    }
    if (const std::string& query = engine_.options_.verifier_query; !query.empty()) {
        ASSIGN_OR_RETURN(const auto value, look->query_value(query));
        if (to_int(value) <= 0) {
            return std::optional(Ending{Ending::Kind::kBlocked, "verifier",
                                        "Verification failed, aborting early: the verifier query "
                                        "gives " +
                                            value.value_or("NULL")});
        }
    }
    ASSIGN_OR_RETURN(auto ended, look_at_account());
    if (ended) {
        return ended;
    }
    return look_at_conflicts(*look);
}

// The triggers work with our account's rights: when it is gone, every write of the application
// fails (1449). Sessions that are open keep their rights, so the triggers can still be taken away.
Result<std::optional<Ending>> Phase::look_at_account() {
    const Time now = std::chrono::steady_clock::now();
    if (now - probed_ < kProbeEvery) {
        return std::optional<Ending>();
    }
    probed_ = now;
    const auto probe = engine_.world_.database.connect("account probe", std::chrono::seconds(10));
    if (probe.ok() || !is_access_denied(probe.error())) {
        return std::optional<Ending>();
    }
    RETURN_IF_ERROR(
        remove_triggers(engine_.workshop_, engine_.plan_.database, engine_.plan_.names.triggers()));
    return std::optional(Ending{
        Ending::Kind::kBlocked, "account_gone",
        fmt::format("our account may not connect any more ({}), and the triggers work with its "
                    "rights: they were taken away so that the application can write; begin anew",
                    probe.error().message)});
}

Result<std::optional<Ending>> Phase::look_at_conflicts(Connection& look) {
    ASSIGN_OR_RETURN(const auto seen, read_conflicts(look, engine_.plan_, 1));
    if (seen.empty()) {
        conflict_since_.reset();
        return std::optional<Ending>();
    }
    ASSIGN_OR_RETURN(Connection session,
                     engine_.sessions_.open("conflicts", std::chrono::seconds(60)));
    ASSIGN_OR_RETURN(const auto left, settle_conflicts(session, engine_.plan_, kConflictsAtOnce));
    if (left.empty()) {
        return std::optional<Ending>();
    }
    const Time now = std::chrono::steady_clock::now();
    const std::string text =
        fmt::format("the application wrote a row that the new table refuses: {}{}",
                    describe(engine_.plan_, left.front()),
                    left.size() > 1 ? fmt::format(" (and {} more)", left.size() - 1) : "");
    if (!conflict_since_) {
        conflict_since_ = now;
        engine_.world_.listener.remark(text, LogLevel::kError);
    }
    if (now - *conflict_since_ < engine_.options_.conflict_patience) {
        return std::optional<Ending>();
    }
    return std::optional(Ending{Ending::Kind::kBlocked, "conflict",
                                text + "; the application is not affected; put the row right and "
                                       "resume"});
}

Status Phase::recover_lock() {
    RETURN_IF_ERROR(keep_checkpoint());
    RETURN_IF_ERROR(engine_.sessions_.relock(engine_.plan_.database, engine_.plan_.table));
    outages_ = engine_.sessions_.outages();
    return Ok{};
}

void Phase::report(const Throttle& throttle, bool final) {
    const Time now = std::chrono::steady_clock::now();
    reported_ = now;
    Progress progress;
    progress.phase = stage_ == Stage::kCopy ? "copy" : "verify";
    progress.rows = rows_before_ + tally_.rows;
    progress.rows_total =
        std::max(engine_.checkpoint_.rows_estimate, final ? progress.rows : progress.rows + 1);
    const double seconds = std::chrono::duration<double>(now - begun_).count();
    progress.rows_per_s = seconds > 0 ? static_cast<double>(tally_.rows) / seconds : 0;
    progress.percent = final ? 100.0
                             : std::min(99.9, 100.0 * static_cast<double>(progress.rows) /
                                                  static_cast<double>(progress.rows_total));
    if (progress.rows_per_s > 0) {
        progress.eta_s = static_cast<std::int64_t>(
            static_cast<double>(progress.rows_total - progress.rows) / progress.rows_per_s);
    }
    progress.throttle = throttle.reason();
    progress.throttle_code = throttle.code();
    engine_.world_.listener.progress(progress);
}

Status Phase::keep_checkpoint() {
    saved_ = std::chrono::steady_clock::now();
    Checkpoint& checkpoint = engine_.checkpoint_;
    checkpoint.ledger = ledger_.state();
    if (stage_ == Stage::kCopy) {
        checkpoint.rows = rows_before_ + tally_.rows;
        checkpoint.chunks = chunks_before_ + tally_.chunks;
    }
    checkpoint.elapsed_s =
        elapsed_before_ + std::chrono::duration_cast<std::chrono::seconds>(saved_ - begun_).count();
    return engine_.save();
}

}  // namespace shift::lhm
