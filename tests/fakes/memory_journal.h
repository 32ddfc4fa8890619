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

    Status commit() override {
        if (!dirty_) {
            return Ok{};
        }
        RETURN_IF_ERROR(writable());
        dirty_ = false;
        disk_ = working_;
        ++disk_.commits;
        working_.commits = disk_.commits;
        return Ok{};
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
            if (event.migration == id && event.source == "worker" && is_durable_event(event.kind)) {
                Json copy = event.detail;
                copy["event"] = event.kind;
                events.push_back(std::move(copy));
            }
        }
        return events;
    }

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
