#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "supervisor/journal/journal.h"

namespace shift {

// What a disk would hold: survives the Journal objects that write to it.
struct MemoryDisk {
    std::map<MigrationId, MigrationRecord> migrations;
    std::map<std::int64_t, AttemptRecord> attempts;
    std::map<std::int64_t, OwedCall> calls;
    std::vector<EventRecord> events;
    std::map<std::string, std::string> settings;
    int commits = 0;
};

// A journal in memory: what was not committed is lost with the object, as in a crash.
class MemoryJournal final : public Journal {
  public:
    explicit MemoryJournal(MemoryDisk& disk) : disk_(disk), working_(disk) {}

    // From now on every write fails, as on a full disk.
    static inline bool disk_full = false;

    Result<bool> commit() override {
        if (!dirty_) {
            return false;
        }
        RETURN_IF_ERROR(writable());
        dirty_ = false;
        disk_ = working_;
        ++disk_.commits;
        working_.commits = disk_.commits;
        return true;
    }
    Status put(const MigrationRecord& record) override {
        RETURN_IF_ERROR(writable());
        working_.migrations[record.id] = record;
        return Ok{};
    }
    Status put(const AttemptRecord& record) override {
        RETURN_IF_ERROR(writable());
        working_.attempts[record.id] = record;
        return Ok{};
    }
    Status put(OwedCall& call) override {
        RETURN_IF_ERROR(writable());
        if (call.id == 0) {
            call.id = working_.calls.empty() ? 1 : working_.calls.rbegin()->first + 1;
        }
        working_.calls[call.id] = call;
        return Ok{};
    }
    Status add(const EventRecord& event) override {
        RETURN_IF_ERROR(writable());
        working_.events.push_back(event);
        return Ok{};
    }
    Status put_setting(const std::string& key, const std::string& value) override {
        RETURN_IF_ERROR(writable());
        working_.settings[key] = value;
        return Ok{};
    }
    Result<Contents> load() override {
        Contents contents;
        for (const auto& [id, record] : working_.migrations) {
            if (is_open(record.state)) {
                contents.migrations.push_back(record);
            }
        }
        for (const auto& [id, attempt] : working_.attempts) {
            if (!attempt.ended) {
                contents.attempts.push_back(attempt);
            }
            contents.last_attempt = id;
        }
        for (const auto& [id, call] : working_.calls) {
            if (call.state == CallState::kPending) {
                contents.calls.push_back(call);
            }
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
        Json events = Json::array();
        for (const EventRecord& event : working_.events) {
            const bool counts = event.source == "worker" || event.source == "operator";
            if (event.migration == id && counts && is_durable_event(event.kind)) {
                Json copy = event.detail;
                copy["event"] = event.kind;
                events.push_back(std::move(copy));
            }
        }
        return events;
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
        for (const auto& [id, record] : working_.migrations) {
            const bool over = record.state == ClaimState::kLetGo ||
                              (record.state == ClaimState::kHandedOn && record.seen.status >= 8 &&
                               record.seen.status <= 10);
            const bool old =
                (over && record.since < expiry.over_before) ||
                (record.state == ClaimState::kHandedOn && record.since < expiry.untouched_before);
            if (old && std::ssize(ids) < limit) {
                ids.push_back(id);
            }
        }
        return ids;
    }
    Result<bool> forget(MigrationId id, int) override {
        RETURN_IF_ERROR(writable());
        working_.migrations.erase(id);
        std::erase_if(working_.attempts, [id](const auto& a) { return a.second.migration == id; });
        std::erase_if(working_.calls, [id](const auto& c) { return c.second.migration == id; });
        std::erase_if(working_.events, [id](const auto& event) { return event.migration == id; });
        return false;
    }
    Result<bool> prune(const Expiry&, int) override { return false; }

  private:
    Status writable() {
        dirty_ = true;
        return disk_full ? Status(Error{Errc::kIo, "disk full"}) : Status(Ok{});
    }

    MemoryDisk& disk_;
    MemoryDisk working_;
    bool dirty_ = false;
};

}  // namespace shift
