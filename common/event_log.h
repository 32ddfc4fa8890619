#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "common/unique_fd.h"

namespace shift {

// events.jsonl: what a worker tells its supervisor. One JSON object per line with a rising `seq`
// (from 1), `at` (ISO time) and `event`. Kinds and their members (all others are optional):
//
//   started    pid start_ticks boot_id version        the worker runs
//   phase      phase                                  "preflight", "dry-run", "copy", "swap" ...
//   connected  thread_id server_uuid server_version   a server session of ours (to be KILLed later)
//   engine     pid start_ticks boot_id flavour        pt-osc runs
//   intent     what ...                               durable; written before the effect it names
//   fact       what ...                               durable; the effect was seen
//   no_return  what                                   durable; the swap / DDL has happened
//   progress   percent rows rows_total rows_per_s eta_s phase throttle throttle_code
//              (percent 0..100; code: replica-lag load paused)
//   waiting    code text evidence   what the step waits for (common/why.h); code "" = it goes on
//   stats      when("start"|"end") table_rows table_size index_size      (bytes; null = view)
//   note       level("info"|"warn"|"error") text      for people
//   outcome    outcome(see Outcome) reason message retry_after_s evidence   durable; the last line
//
// Durable lines are fsynced before append() returns. `what` of intents and facts:
//   shadow {db,table}  triggers {db,table,names[]}  trash {db,table}  swap {db,table,shadow,old}
//   ddl {statement,before}  final_insert {xid}  scratch {db,table}
namespace event {
inline constexpr const char* kStarted = "started";
inline constexpr const char* kPhase = "phase";
inline constexpr const char* kConnected = "connected";
inline constexpr const char* kEngine = "engine";
inline constexpr const char* kIntent = "intent";
inline constexpr const char* kFact = "fact";
inline constexpr const char* kNoReturn = "no_return";
inline constexpr const char* kProgress = "progress";
inline constexpr const char* kWaiting = "waiting";
inline constexpr const char* kStats = "stats";
inline constexpr const char* kNote = "note";
inline constexpr const char* kOutcome = "outcome";
}  // namespace event

// Intents, facts, the point of no return and connections: what the next attempt must know.
bool is_durable_event(const std::string& kind);

// How an attempt ended, in the worker's own words.
enum class Outcome {
    kPrepared,   // prepare done                                      -> next_step
    kCopied,     // copy done up to the swap                          -> next_step
    kCompleted,  // table changed and everything after it done       -> complete
    kStopped,    // stopped on request with shadow, triggers and state kept
    kPaused,     // pause step: nothing of ours copies any more      -> next_step
    kCancelled,  // cancel step: nothing of ours is left
    kFailed,     // will never work, nothing of ours is left on the server  -> fail
    kError,      // copy broke off; can be resumed                    -> error
    kRetry,      // transient trouble: try this step again after a while
    kUndecided,  // the table is changed, and whether the final insert was done only people can tell
};
const char* outcome_name(Outcome outcome);
std::optional<Outcome> parse_outcome(const std::string& name);

// Appends events; used by the worker only, from one thread at a time.
class EventWriter {
  public:
    // Creates the file and a reserve file of 1 MiB beside it, freed when the disk is full so that
    // the outcome still fits.
    static Result<EventWriter> open(const std::string& path, const std::string& reserve_path);

    // Appends `fields` as one line of kind `kind`; fsyncs durable kinds. A short write is cut back
    // to the last good line and tried again. Outcome and other durable lines are retried for as
    // long as it takes (a worker never exits on an unwritten outcome); others give up at once.
    // Blocks: fsync; with a full disk, durable lines until space returns.
    Status append(const char* kind, Json fields);

  private:
    EventWriter(UniqueFd fd, std::string path, std::string reserve_path, std::uint64_t good_bytes,
                std::int64_t seq);
    Status write_line(const std::string& line);

    UniqueFd fd_;
    std::string path_;
    std::string reserve_path_;
    std::uint64_t good_bytes_ = 0;
    std::int64_t seq_ = 0;
};

// Reads complete new lines with the next `seq`; anything else is counted and skipped to the next
// newline. Going by seq, not by position, survives a file that power loss made shorter.
class EventReader {
  public:
    EventReader(std::string path, std::int64_t last_seq) : path_(std::move(path)), seq_(last_seq) {}

    // New events since the last call, oldest first. A missing file gives none.
    // Limits: at most 4 MiB a call; call again while it returns something.
    Result<std::vector<Json>> poll();
    std::int64_t last_seq() const { return seq_; }
    std::int64_t damaged_lines() const { return damaged_; }

  private:
    void rewind();
    bool take_lines(const std::string& chunk, std::size_t begin, std::uint64_t from,
                    std::vector<Json>& events);
    void count_damage(std::uint64_t position);

    std::string path_;
    std::uint64_t offset_ = 0;  // behind the last newline that was read
    std::int64_t seq_ = 0;
    std::int64_t damaged_ = 0;
    bool skipping_ = false;            // inside a line too long to be ours
    bool damage_since_good_ = false;   // explains a gap that follows
    std::int64_t gap_seen_at_ = 0;     // the gap before this seq has been looked into
    std::uint64_t counted_until_ = 0;  // damaged lines before this position are counted
};

}  // namespace shift
