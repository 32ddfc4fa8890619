#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/trouble.h"
#include "supervisor/core/claim.h"
#include "supervisor/journal/journal.h"

namespace shift {

// What one commit writes.
struct JournalBatch {
    std::vector<MigrationRecord> migrations;
    std::vector<AttemptRecord> attempts;
    std::vector<OwedCall> calls;
    std::vector<EventRecord> events;
    std::vector<std::pair<std::string, std::string>> settings;
    std::vector<MigrationId> forgotten;

    bool empty() const {
        return migrations.empty() && attempts.empty() && calls.empty() && events.empty() &&
               settings.empty() && forgotten.empty();
    }
};

// What a disk would hold: survives the Journal objects that write to it.
struct MemoryDisk {
    std::map<MigrationId, MigrationRecord> migrations;
    std::map<std::int64_t, AttemptRecord> attempts;
    std::map<std::int64_t, OwedCall> pending;  // calls still owed
    std::map<MigrationId, Json> history;       // durable events of workers and operators
    std::vector<EventRecord> events;           // all of them, unless forgetful
    bool forgetful = false;                    // where nobody reads them and there are very many
    std::map<std::string, std::string> settings;
    std::int64_t last_call = 0;

    void apply(const JournalBatch& batch) {
        for (const MigrationRecord& record : batch.migrations) {
            migrations.insert_or_assign(record.id, record);
        }
        for (const AttemptRecord& record : batch.attempts) {
            attempts.insert_or_assign(record.id, record);
        }
        for (const OwedCall& call : batch.calls) {
            last_call = std::max(last_call, call.id);
            if (call.state == CallState::kPending) {
                pending.insert_or_assign(call.id, call);
            } else {
                pending.erase(call.id);
            }
        }
        for (const EventRecord& event : batch.events) {
            if (!forgetful) {
                events.push_back(event);
            }
            const bool counts = event.source == "worker" || event.source == "operator";
            if (counts && is_durable_event(event.kind)) {
                Json copy = event.detail;
                copy["event"] = event.kind;
                copy["attempt"] = event.attempt;
                history.try_emplace(event.migration, Json::array())
                    .first->second.push_back(std::move(copy));
            }
        }
        for (const auto& [key, value] : batch.settings) {
            settings[key] = value;
        }
        for (const MigrationId id : batch.forgotten) {
            migrations.erase(id);
            history.erase(id);
            std::erase_if(attempts, [id](const auto& a) { return a.second.migration == id; });
            std::erase_if(pending, [id](const auto& call) { return call.second.migration == id; });
            std::erase_if(events, [id](const auto& event) { return event.migration == id; });
        }
    }
};

// What may go wrong with a MemoryJournal. Hooks may throw: the process that writes dies there.
struct MemoryJournalFaults {
    enum class Commit {
        kGood,
        kLost,  // fails, nothing is on disk
        kKept,  // fails, and yet it is on disk
    };
    bool disk_full = false;  // every write fails, and every open
    std::function<Commit(const JournalBatch&)> before_commit;
    std::function<void(const JournalBatch&)> after_commit;
};

// A journal in memory: what was not committed is lost with the object, as in a crash. A failed
// write is sticky, as with the real one; tests/unit/supervisor/journal_test.cc compares the two.
class MemoryJournal final : public Journal {
  public:
    MemoryJournal(MemoryDisk& disk, MemoryJournalFaults& faults)
        : disk_(disk), faults_(faults), working_(disk) {}

    // Errors: kIo - the disk is full.
    static Result<std::unique_ptr<Journal>> open(MemoryDisk& disk, MemoryJournalFaults& faults) {
        if (faults.disk_full) {
            return Error{Errc::kIo, "disk full"};
        }
        return std::unique_ptr<Journal>(std::make_unique<MemoryJournal>(disk, faults));
    }

    Result<bool> commit() override {
        if (failed_) {
            return disk_full();
        }
        if (batch_.empty()) {
            return false;
        }
        using Fate = MemoryJournalFaults::Commit;
        const Fate fate = faults_.before_commit ? faults_.before_commit(batch_) : Fate::kGood;
        const JournalBatch batch = std::exchange(batch_, {});
        if (fate != Fate::kLost) {
            disk_.apply(batch);
        }
        if (fate != Fate::kGood) {
            failed_ = true;
            return disk_full();
        }
        if (faults_.after_commit) {
            faults_.after_commit(batch);
        }
        return true;
    }
    Status put(const MigrationRecord& record) override {
        return write([&](JournalBatch& batch) { batch.migrations.push_back(record); });
    }
    Status put(const AttemptRecord& record) override {
        return write([&](JournalBatch& batch) { batch.attempts.push_back(record); });
    }
    Status put(OwedCall& call) override {
        if (call.id == 0) {
            call.id = working_.last_call + 1;
        }
        return write([&](JournalBatch& batch) { batch.calls.push_back(call); });
    }
    Status add(const EventRecord& event) override {
        return write([&](JournalBatch& batch) { batch.events.push_back(event); });
    }
    Status put_setting(const std::string& key, const std::string& value) override {
        return write([&](JournalBatch& batch) { batch.settings.emplace_back(key, value); });
    }
    Result<Contents> load() override {
        Contents contents;
        for (const auto& [id, record] : working_.migrations) {
            if (is_open(record.state) || may_move_again(record)) {
                contents.migrations.push_back(record);
            }
        }
        for (const auto& [id, attempt] : working_.attempts) {
            if (!attempt.ended) {
                contents.attempts.push_back(attempt);
            }
            if (attempt.ended && attempt.outcome != Outcome::kStopped) {
                contents.last_errors[attempt.migration] =
                    trouble_of(attempt.outcome, attempt.message);
            }
            contents.last_attempt = id;
        }
        for (const auto& [id, call] : working_.pending) {
            contents.calls.push_back(call);
        }
        contents.settings = working_.settings;
        return contents;
    }
    Result<MigrationRecord> find(MigrationId id) override {
        const auto it = working_.migrations.find(id);
        if (it == working_.migrations.end()) {
            return Error{Errc::kNotFound, "not in the journal"};
        }
        return it->second;
    }
    Result<Json> history(MigrationId id) override {
        const auto it = working_.history.find(id);
        return it == working_.history.end() ? Json::array() : it->second;
    }

    Result<Json> events(MigrationId id, std::int64_t after, int limit) override {
        Json events = Json::array();
        std::int64_t row = 0;
        for (const EventRecord& event : working_.events) {
            if (event.migration == id && ++row > after && std::ssize(events) < limit) {
                events.push_back({{"id", row}, {"kind", event.kind}, {"detail", event.detail}});
            }
        }
        return events;
    }
    Result<Json> list(const HistoryFilter& filter) override {
        Json migrations = Json::array();
        for (const auto& [id, record] : working_.migrations) {
            if (record.since >= filter.since && std::ssize(migrations) < filter.limit) {
                migrations.push_back({{"id", id}, {"state", claim_state_name(record.state)}});
            }
        }
        return migrations;
    }
    Result<std::vector<MigrationId>> expired(const Expiry& expiry, int limit) override {
        std::vector<MigrationId> ids;
        const MigrationId newest =
            working_.attempts.empty() ? 0 : working_.attempts.rbegin()->second.migration;
        for (const auto& [id, record] : working_.migrations) {
            const bool over = record.state == ClaimState::kLetGo ||
                              (record.state == ClaimState::kHandedOn && record.seen.status >= 8 &&
                               record.seen.status <= 10);
            const bool old =
                (over && record.since < expiry.over_before) ||
                (record.state == ClaimState::kHandedOn && record.since < expiry.untouched_before);
            if (old && id != newest && std::ssize(ids) < limit) {
                ids.push_back(id);
            }
        }
        return ids;
    }
    Result<bool> forget(MigrationId id, int) override {
        return write([id](JournalBatch& batch) { batch.forgotten.push_back(id); }).ok()
                   ? Result<bool>(false)
                   : Result<bool>(disk_full());
    }
    Result<bool> prune(const Expiry&, int) override { return false; }

    bool failed() const { return failed_; }

  private:
    static Error disk_full() { return {Errc::kIo, "disk full"}; }

    // Readers of this connection see what it has written; the disk sees it at the commit.
    template <typename Add>
    Status write(Add add) {
        failed_ = failed_ || faults_.disk_full;
        if (failed_) {
            return disk_full();
        }
        JournalBatch one;
        add(one);
        working_.apply(one);
        add(batch_);
        return Ok{};
    }

    MemoryDisk& disk_;
    MemoryJournalFaults& faults_;
    MemoryDisk working_;
    JournalBatch batch_;
    bool failed_ = false;
};

}  // namespace shift
