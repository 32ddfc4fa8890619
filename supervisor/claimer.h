#pragma once

#include <map>
#include <optional>
#include <string>

#include "supervisor/registry.h"
#include "supervisor/upstream/upstream.h"

namespace shift {

// From "the API lists it" to "it is ours": poll, unstage, pin, and every way these can be lost on
// the way (docs/design.md, "Claiming"). Ends by putting an entry into kFetching or kWaiting.
class Claimer {
  public:
    Claimer(Registry& registry, Upstream& upstream) : registry_(registry), upstream_(upstream) {}

    // Asks for staged migrations when the poll is due. `allowed` false (drain, stop file): only
    // keeps claims already begun moving.
    void tick(bool allowed);
    void poll_soon() { poll_due_ = {}; }
    // Forgets calls on their way; after a (re)load of the registry.
    void reset();
    // What moves an entry that is being claimed; called every tick.
    void advance(Entry& entry);
    // Reads a migration back now and then: taken over, deleted, or lost?
    void recheck(Entry& entry);
    // Whether an attempt may start: the API has shown our pin not long ago. Else reads it, and says
    // no until the answer came. While the API is out, what this process has seen itself counts on.
    bool is_confirmed(Entry& entry);
    // An operator's word that the host `listed` is pinned to is gone: pins it to us and goes on
    // with its step. `listed` is the migration as the operator saw it, with host and port. Errors:
    // kConflict - it is being worked on here; kInvalidArgument - no machine step.
    Status take_over(const Migration& listed);
    // Stops serving it without telling the API anything.
    void disown(Entry& entry, const std::string& why, WhyCode code = WhyCode::kNotOurs);

    // Copies and short steps that hold a slot now, seen from `entry`.
    SlotView slots(const Entry& entry) const;

    // Items of the last page that were left alone, by id: for status.
    const std::map<std::string, Why>& problems() const { return problems_; }
    // The next try of whatever this claim waits for is due now.
    void retry_now(Entry& entry) { entry.claim_due = {}; }
    WallTime last_poll() const { return last_poll_; }

  private:
    static constexpr Millis kClaimBackoffMin{500};

    static std::string path_of(const Entry& entry);
    enum class Listed { kSkip, kClaimed, kNoSlot };

    void poll();
    void on_page(const ApiAnswer& answer);
    Listed consider(const Json& item, bool queue_without_slot);
    void refuse(const std::string& key, MigrationId id, Why why);
    bool any_claim_in_flight() const;

    void begin_record(Entry& entry, const Migration& listed, Step step);
    void begin(Entry& entry, const Migration& listed, Step step);
    void send_unstage(Entry& entry);
    void on_unstage(Entry& entry, const ApiAnswer& answer);
    void claimed(Entry& entry, const Json& answer, bool read_back);
    void void_older_calls(Entry& entry);
    void resolve(Entry& entry);
    void on_resolve(Entry& entry, const ApiAnswer& answer);
    void watch(Entry& entry, const Migration& shown);
    void contest(Entry& entry);
    bool has_won(Entry& entry);
    void pin(Entry& entry);
    void read_pin(Entry& entry, bool may_write);
    void on_pin_read(Entry& entry, const ApiAnswer& answer, bool may_write);
    void take_pin_back(Entry& entry, const Migration& shown);
    void pinned(Entry& entry);
    void on_hold_read(Entry& entry, const ApiAnswer& answer);
    void write_pin(Entry& entry, Millis wait);
    void on_takeover_read(Entry& entry, const ApiAnswer& answer);
    void fetch_state(Entry& entry);
    void let_go(Entry& entry, const std::string& why, WhyCode code = WhyCode::kNotOurs);
    Millis recheck_interval(const Entry& entry) const;
    void on_recheck(Entry& entry, const ApiAnswer& answer);
    bool take_lost_claim(Entry& entry, const ApiAnswer& answer, const Migration& shown);
    bool ask_for_its_owner(Entry& entry, const Migration& shown);
    void read(Entry& entry, std::function<void(Entry&, const ApiAnswer&)> then);
    // The migration that an answer shows; nullopt: let go (the API does not know it) or to be read
    // again later, with `doing` and the error as the reason when `doing` is given.
    std::optional<Migration> shown_or_later(Entry& entry, const ApiAnswer& answer,
                                            const std::string& doing = "");
    void later(Entry& entry);  // back-off of claim calls

    Registry& registry_;
    Upstream& upstream_;
    SteadyTime poll_due_{};
    bool poll_in_flight_ = false;
    std::uint64_t poll_serial_ = 0;
    bool allowed_ = true;
    std::map<std::string, Why> problems_;
    std::map<std::string, Why> fresh_problems_;
    WallTime last_poll_{};
};

// The migration inside an answer of GET migrations/ID ({"migration": {...}, ...}) or of an endpoint
// that returns it bare. Errors: kInvalidArgument, kNotFound (the API says so), kUnavailable (no
// usable answer).
Result<Migration> shown_migration(const ApiAnswer& answer);

}  // namespace shift
