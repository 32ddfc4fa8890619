#include "supervisor/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/test_points.h"

namespace shift {

Status Registry::load(std::unique_ptr<Journal> journal) {
    ASSIGN_OR_RETURN(Journal::Contents contents, journal->load());
    journal_ = std::move(journal);
    ++generation_;
    entries_.clear();
    effects_.clear();
    failure_.clear();
    settings_ = std::move(contents.settings);
    last_attempt_ = std::max(last_attempt_, contents.last_attempt);
    for (MigrationRecord& record : contents.migrations) {
        auto entry = std::make_unique<Entry>();
        // A back-off ends by the monotonic clock; the wall time only tells how much is left.
        const auto left = std::clamp(record.next_try - clock_.wall(), WallTime::duration(0),
                                     WallTime::duration(config_.retry_backoff_max));
        entry->wait_until = clock_.now() + std::chrono::duration_cast<Millis>(left);
        entry->record = std::move(record);
        entries_.emplace(entry->record.id, std::move(entry));
    }
    if (planted_bug("forget-attempt")) {
        contents.attempts.clear();
    }
    for (AttemptRecord& attempt : contents.attempts) {
        Entry& entry = obtain(attempt.migration);
        entry.progress = attempt.progress;
        entry.attempt = std::move(attempt);
    }
    for (const auto& [id, error] : contents.last_errors) {
        if (Entry* entry = find(id)) {
            entry->last_error = error;
        }
    }
    for (OwedCall& call : contents.calls) {
        obtain(call.migration).calls.push_back(std::move(call));
    }
    return Ok{};
}

Entry* Registry::find(MigrationId id) {
    const auto it = entries_.find(id);
    return it == entries_.end() ? nullptr : it->second.get();
}

Entry& Registry::obtain(MigrationId id) {
    if (Entry* entry = find(id)) {
        return *entry;
    }
    auto entry = std::make_unique<Entry>();
    if (auto found = journal_->find(id); found.ok()) {
        entry->record = std::move(*found);
    } else {
        if (found.error().code != Errc::kNotFound) {
            check(found.error());
        }
        entry->record.id = id;
        entry->record.seen.id = id;
        entry->record.first_seen = clock_.wall();
        entry->record.since = clock_.wall();
    }
    return *entries_.emplace(id, std::move(entry)).first->second;
}

void Registry::set_state(Entry& entry, ClaimState state, const std::string& reason,
                         std::optional<WhyCode> why) {
    if (entry.record.state != state) {
        log_.info("state", {{"migration", entry.record.id},
                            {"from", claim_state_name(entry.record.state)},
                            {"to", claim_state_name(state)},
                            {"step", entry.record.step ? step_name(*entry.record.step) : ""},
                            {"reason", reason}});
        entry.record.state = state;
        entry.record.since = clock_.wall();
    }
    entry.record.reason = reason;
    entry.record.why = why;
    entry.changed = entry.changed || !planted_bug("unsaved-state");
}

void Registry::set_reason(Entry& entry, const std::string& reason, std::optional<WhyCode> why) {
    if (entry.record.reason != reason || entry.record.why != why) {
        entry.record.reason = reason;
        entry.record.why = why;
        entry.changed = true;
    }
}

void Registry::check(Status status) {
    if (!status.ok() && failure_.empty()) {
        failure_ = status.error().message;
        failed_since_ = clock_.now();
        log_.error("journal_failed",
                   {{"error", failure_},
                    {"text",
                     "no new claims or calls until the journal can be written again; "
                     "workers go on"}});
    }
}

void Registry::add_call(Entry& entry, OwedCall call) {
    call.migration = entry.record.id;
    call.created = clock_.wall();
    // The migration row must exist before a row that refers to it.
    check(journal_->put(entry.record));
    check(journal_->put(call));
    entry.calls.push_back(std::move(call));
}

void Registry::save_call(OwedCall& call) {
    check(journal_->put(call));
}

void Registry::add_event(const Entry* entry, const std::string& source, const std::string& kind,
                         const Json& detail, std::optional<WallTime> at) {
    EventRecord event;
    event.at = at.value_or(clock_.wall());
    if (entry != nullptr) {
        event.migration = entry->record.id;
        event.claim = entry->record.claim;
        event.attempt = entry->attempt ? entry->attempt->id : entry->record.attempt;
    }
    event.source = source;
    event.kind = kind;
    event.detail = detail;
    check(journal_->add(event));
}

void Registry::put_setting(const std::string& key, const std::string& value) {
    settings_[key] = value;
    check(journal_->put_setting(key, value));
}

std::string Registry::setting(const std::string& key) const {
    const auto it = settings_.find(key);
    return it == settings_.end() ? std::string() : it->second;
}

Json Registry::history(MigrationId id) {
    auto events = journal_->history(id);
    if (!events.ok()) {
        check(events.error());
        return Json::array();
    }
    return std::move(*events);
}

Result<MigrationRecord> Registry::find_record(MigrationId id) const {
    const auto it = entries_.find(id);
    return it == entries_.end() ? journal_->find(id) : Result<MigrationRecord>(it->second->record);
}

Result<Json> Registry::events(MigrationId id, std::int64_t after, int limit) {
    return journal_->events(id, after, limit);
}

Result<Json> Registry::list(const HistoryFilter& filter) {
    return journal_->list(filter);
}

std::vector<MigrationId> Registry::expired(const Expiry& expiry, int limit) {
    auto ids = journal_->expired(expiry, limit);
    check(ids.ok() ? Status(Ok{}) : Status(ids.error()));
    return ids.ok() ? *std::move(ids) : std::vector<MigrationId>();
}

bool Registry::forget(MigrationId id, int rows_max) {
    const auto more = journal_->forget(id, rows_max);
    check(more.ok() ? Status(Ok{}) : Status(more.error()));
    return more.ok() && *more;
}

bool Registry::prune(const Expiry& expiry, int rows_max) {
    const auto more = journal_->prune(expiry, rows_max);
    check(more.ok() ? Status(Ok{}) : Status(more.error()));
    return more.ok() && *more;
}

void Registry::write_changes() {
    for (auto& [id, entry] : entries_) {
        if (entry->changed) {
            check(journal_->put(entry->record));
            entry->changed = false;
        }
        if (entry->attempt && entry->attempt_changed) {
            if (!entry->attempt->ended || !planted_bug("lose-end")) {
                check(journal_->put(*entry->attempt));
            }
            entry->attempt_changed = false;
            if (entry->attempt->ended) {
                entry->attempt.reset();
            }
        }
        std::erase_if(entry->calls,
                      [](const OwedCall& call) { return call.state != CallState::kPending; });
    }
    const SteadyTime begin = clock_.now();
    Result<bool> wrote = journal_->commit();
    if (wrote.ok() && *wrote) {
        metrics_.commit_seconds.observe(clock_.now() - begin);
    }
    check(wrote.ok() ? Status(Ok{}) : Status(std::move(wrote).error()));
}

void Registry::commit() {
    do {
        if (planted_bug("effects-first")) {
            for (const auto& effect : std::exchange(effects_, {})) {
                effect();
            }
        }
        write_changes();
        if (!failure_.empty() && !planted_bug("ignore-failure")) {
            effects_.clear();  // nothing is done that is not on disk
            return;
        }
        for (const auto& effect : std::exchange(effects_, {})) {
            effect();
        }
    } while (!effects_.empty());
    write_changes();
}

std::function<void(ApiAnswer)> Registry::on_answer(
    MigrationId id, std::function<void(Entry&, const ApiAnswer&)> fn) {
    return [this, id, generation = generation_, fn = std::move(fn)](const ApiAnswer& answer) {
        if (generation != generation_ || !failure_.empty()) {
            return;
        }
        if (Entry* entry = find(id)) {
            const ClaimState before = entry->record.state;
            fn(*entry, answer);
            commit();
            Entry* now = find(id);  // what ran with the commit may have changed the map
            if (now != nullptr && now->record.state != before && failure_.empty()) {
                moved_(*now);
            }
        }
    };
}

std::string Registry::random_hex() {
    return fmt::format("{:016x}{:016x}", generator_(), generator_());
}

}  // namespace shift
