#include "common/why.h"

#include "common/check.h"

namespace shift {

const std::vector<WhyEntry>& why_table() {
    static const std::vector<WhyEntry> table = {
        {WhyCode::kRunning, "running", "An attempt is at work and nothing holds it.",
         "nothing; status ID shows how far it is"},
        {WhyCode::kStarting, "starting", "It is ours and its next attempt starts within a second.",
         "nothing"},
        {WhyCode::kThrottled, "throttled",
         "The copy sleeps because a replica lags, the server is loaded, or a pause file exists.",
         "find what loads the server or holds the replica; the copy goes on by itself"},
        {WhyCode::kBlockedByLock, "blocked-by-lock",
         "A statement of ours waits for a lock on the table that somebody else holds, most often "
         "with a transaction left open.",
         "end the holder's transaction (KILL its thread if it is idle); the step goes on by "
         "itself"},
        {WhyCode::kTableBusy, "table-busy",
         "Another tool of this project, here or on another host, works on the same table.",
         "wait for it, or see with status on that host which migration it is"},
        {WhyCode::kDatabaseUnreachable, "database-unreachable",
         "The database server does not answer, or refuses our user for now.",
         "doctor tells what is wrong with the server; then retry ID"},
        {WhyCode::kBackoff, "backoff",
         "The last attempt ended without success; the next one starts after a pause.",
         "log ID and events ID tell what happened; retry ID tries at once"},
        {WhyCode::kWaitingForSlot, "waiting-for-slot",
         "As many copies or short steps run as the configuration allows.",
         "wait, or raise max_workers, max_running_per_host or max_short_steps and reload"},
        {WhyCode::kDrained, "drained",
         "A drain or the stop file keeps this host from working on it.",
         "undrain, or remove the stop file, when this host may work again"},
        {WhyCode::kStopping, "stopping", "Its attempt was asked to stop and has not ended yet.",
         "wait; a worker that does not answer gets TERM after 30 s and KILL after 60 s"},
        {WhyCode::kClaiming, "claiming",
         "The daemon is making sure with the API that the migration is ours.",
         "wait; events ID shows the calls"},
        {WhyCode::kApiUnreachable, "api-unreachable",
         "The shift API does not answer, and what comes next has to be told to it or asked of it.",
         "see that the API runs and rest_api is right (doctor); everything owed is delivered then"},
        {WhyCode::kOwed, "owed", "The step is over; the API has not taken what it is told yet.",
         "wait; if the API refuses, events ID shows its words; retry ID sends at once"},
        {WhyCode::kNeedsDecision, "needs-decision",
         "The table is changed, but whether the final insert happened is not known and cannot be "
         "found out: sent again it could happen twice.",
         "look into the table it writes to, then final-insert ID --done or --run-again"},
        {WhyCode::kWaitingForPeople, "waiting-for-people",
         "The next move is a person's: approve, start, rename, resume or cancel.",
         "show ID names the commands that are possible"},
        {WhyCode::kWaitingForRunner, "waiting-for-runner",
         "It is staged: the next runner that asks the API takes it.",
         "see that a runner is up and not drained, here or elsewhere (status)"},
        {WhyCode::kPinnedElsewhere, "pinned-elsewhere",
         "The API has it pinned to another host (run_host), which alone may work on it.",
         "see with status on that host; if it is gone for good, takeover HOST on this one"},
        {WhyCode::kUnreadable, "unreadable",
         "The API lists it, but something in it cannot be understood, so it is left alone.",
         "correct what the text names, or cancel it"},
        {WhyCode::kNotOurs, "not-ours",
         "This host has let it go: another runner has it, or it is gone from the API.",
         "show ID tells where it is"},
        {WhyCode::kFinished, "finished", "It has come to its end.",
         "nothing; history and events ID tell how it went"},
        {WhyCode::kJournalFailed, "journal-failed",
         "The journal cannot be written: nothing new is begun or told, workers go on.",
         "make room on the disk of state_dir, or see its log; the daemon tries every 10 s"},
    };
    return table;
}

const WhyEntry& why_entry(WhyCode code) {
    for (const WhyEntry& entry : why_table()) {
        if (entry.code == code) {
            return entry;
        }
    }
    CHECK(false, "a reason code that is not in the table");
    return why_table().front();
}

std::optional<WhyCode> parse_why_code(std::string_view name) {
    for (const WhyEntry& entry : why_table()) {
        if (name == entry.name) {
            return entry.code;
        }
    }
    return std::nullopt;
}

Json to_json(const Why& why, std::int64_t migration) {
    const WhyEntry& entry = why_entry(why.code);
    std::string advice = entry.advice;
    for (std::size_t at = advice.find("ID"); at != std::string::npos; at = advice.find("ID", at)) {
        advice.replace(at, 2, std::to_string(migration));
    }
    return {{"id", migration},          {"code", entry.name},       {"text", why.text},
            {"evidence", why.evidence}, {"meaning", entry.meaning}, {"advice", advice}};
}

}  // namespace shift
