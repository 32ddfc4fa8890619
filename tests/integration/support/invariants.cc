#include "tests/integration/support/invariants.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <utility>

#include "tests/integration/support/writers.h"

namespace shift::testing {
namespace {

constexpr const char* kBystanderTable = "_77_t_new";
constexpr const char* kBystanderTrigger = "pt_osc_app_keep_me_ins";

// The next status of each runner's call, by docs/states.md.
const std::map<std::string, std::vector<std::string>>& legal_moves() {
    static const std::map<std::string, std::vector<std::string>> kMoves = {
        {"next_step", {"0>1", "3>4", "11>12"}},
        {"complete", {"3>8", "5>8", "9>8"}},
        {"fail", {"0>10", "3>10", "5>10"}},
        {"error", {"3>13"}},
        {"offer", {"3>3"}}};
    return kMoves;
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) {
        text += (text.empty() ? "" : ", ") + word;
    }
    return text;
}

// From /proc/PID/stat; pid 0 when it is gone.
struct Process {
    pid_t pid = 0;
    char state = ' ';
    pid_t parent = 0;
};
Process process_in(const std::filesystem::path& folder) {
    std::ifstream file(folder / "stat");
    std::stringstream text;
    text << file.rdbuf();
    const std::string line = text.str();
    const std::size_t end = line.rfind(')');
    if (end == std::string::npos) {
        return {};
    }
    Process process;
    std::istringstream(line) >> process.pid;
    std::istringstream(line.substr(end + 1)) >> process.state >> process.parent;
    return process;
}

pid_t parent_of(pid_t pid) {
    return process_in("/proc/" + std::to_string(pid)).parent;
}

// Of the job that a worker or an engine is for; both name their attempt's folder. "" when it cannot
// be told.
std::string table_of(const std::string& command, const std::string& state_dir) {
    const std::string attempts = state_dir + "/attempts/";
    const std::size_t at = command.find(attempts);
    if (at == std::string::npos) {
        return "";
    }
    const std::size_t end = command.find_first_not_of("0123456789", at + attempts.size());
    const auto job = parse_json(slurp(command.substr(at, end - at) + "/job.json"));
    return job.ok() ? string_or(*job, "database", "") + "." + string_or(*job, "table", "") : "";
}

std::vector<pid_t> zombies_of(pid_t parent) {
    std::vector<pid_t> found;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
        const Process process = process_in(entry.path());
        if (process.state == 'Z' && process.parent == parent) {
            found.push_back(process.pid);
        }
    }
    return found;
}

}  // namespace

void Invariants::make_bystanders(Db& db) {
    db.execute("CREATE TABLE app.keep_me (id INT PRIMARY KEY)");
    db.execute("CREATE TABLE app." + quote_name(kBystanderTable) + " (id INT PRIMARY KEY)");
    db.execute("CREATE TRIGGER app." + quote_name(kBystanderTrigger) +
               " AFTER INSERT ON app.keep_me FOR EACH ROW REPLACE INTO app." +
               quote_name(kBystanderTable) + " VALUES (NEW.id)");
}

void Invariants::add(const std::string& text) {
    if (std::find(found_.begin(), found_.end(), text) == found_.end()) {
        found_.push_back(text);
    }
}

void Invariants::look() {
    std::vector<Acting> engines;
    for (const SupervisorProcess* host : hosts_) {
        std::vector<Acting> workers;
        for (const pid_t pid : host->workers()) {
            Acting one{.pid = pid, .command = command_line(pid), .host = host};
            one.table = table_of(one.command, host->state_dir());
            if (one.command.find("--exec-engine") != std::string::npos ||
                one.command.find("pt-online-schema-change") != std::string::npos) {
                if (one.command.find("--execute") != std::string::npos) {
                    one.is_stopped = process_in("/proc/" + std::to_string(pid)).state == 'T';
                    engines.push_back(std::move(one));
                }
            } else if (one.command.find("--attempt-dir") != std::string::npos) {
                workers.push_back(std::move(one));
            }
        }
        look_for_two(workers);
    }
    look_for_two(engines);
}

void Invariants::look_for_two(const std::vector<Acting>& all) {
    for (std::size_t i = 0; i < all.size(); ++i) {
        for (std::size_t j = i + 1; j < all.size(); ++j) {
            const Acting& one = all[i];
            const Acting& other = all[j];
            if (one.table.empty() || one.table != other.table) {
                continue;
            }
            // A worker's child looks like a second worker until its exec. Of a parent that has died
            // meanwhile it cannot be told any more; but then there are not two.
            const bool are_related =
                parent_of(one.pid) == other.pid || parent_of(other.pid) == one.pid;
            const bool are_both_there =
                command_line(one.pid) == one.command && command_line(other.pid) == other.command;
            if (!are_related && are_both_there && !may_be(one, other)) {
                add("workers: two at once: " + std::to_string(one.pid) + " " + one.command +
                    " and " + std::to_string(other.pid) + " " + other.command);
            }
        }
    }
}

// Engines of two hosts: one that is stopped acts on nothing, and one whose worker has lost the
// table's lock goes on until that notices and has stopped it.
bool Invariants::may_be(const Acting& one, const Acting& other) {
    constexpr seconds kNoticed{2};
    constexpr seconds kStopped{10};
    if (one.host == other.host) {
        return false;
    }
    if (one.is_stopped || other.is_stopped) {
        return true;
    }
    const auto now = std::chrono::steady_clock::now();
    const auto [since, is_new] = beside_.try_emplace({one.pid, other.pid}, now);
    return now - since->second < stretched(kNoticed + kStopped);
}

void Invariants::look_at_api(MigrationId id) {
    const std::vector<std::string> history = s_.model().history(id);
    std::map<std::string, int> moved;
    for (const std::string& line : history) {
        const std::string by = line.substr(line.find(' ') + 1);
        ++moved[by];
        const auto legal = legal_moves().find(by);
        if (legal == legal_moves().end()) {
            continue;  // a person's
        }
        const auto& moves = legal->second;
        if (std::find(moves.begin(), moves.end(), line.substr(0, line.find(' '))) == moves.end()) {
            add("api: no such step: " + line);
        }
    }
    // Every transition that reached the API moved it: none was told twice.
    for (const char* call : {"next_step", "complete", "fail", "error"}) {
        if (s_.api().count(call, id, true) != moved[call]) {
            add("api: " + std::string(call) + " told " +
                std::to_string(s_.api().count(call, id, true)) + " times, moved it " +
                std::to_string(moved[call]) + " times: " + joined(history));
        }
    }
    // An offer leaves the status as it is, so one told twice moves it too: it would offer what
    // somebody may be at work on. Between two of them it is claimed.
    bool is_offered = false;
    for (const ApiCall& call : s_.api().calls("", id, true)) {
        if (call.endpoint == "offer" && std::exchange(is_offered, true)) {
            add("api: offered twice after one claim: " + joined(s_.api().sequence(id)));
        }
        is_offered = is_offered && call.endpoint != "unstage";
    }
    if (!s_.text(id, "run_host").empty()) {
        add("api: still pinned to " + s_.text(id, "run_host"));
    }
}

void Invariants::look_at_tables(const End& end) {
    Db& db = s_.db();
    std::vector<std::string> expected = end.kept;
    expected.insert(expected.end(), {"keep_me", kBystanderTable});
    std::sort(expected.begin(), expected.end());
    const std::vector<std::string> tables = db.tables("app");
    for (const std::string& name : tables) {
        if (!std::binary_search(expected.begin(), expected.end(), name)) {
            add("leftover: table " + name);
        }
    }
    for (const std::string& name : expected) {
        if (std::find(tables.begin(), tables.end(), name) == tables.end()) {
            add("users: table " + name + " is gone");
        }
    }
    bool bystander = false;
    for (const std::string& name : db.triggers("app")) {
        bystander |= name == kBystanderTrigger;
        if (name != kBystanderTrigger) {
            add("leftover: trigger " + name);
        }
    }
    if (!bystander) {
        add(std::string("users: trigger ") + kBystanderTrigger + " is gone");
    }
    if (!end.with_content) {
        return;
    }
    if (const std::string wrong = Writers::difference(db, "app", "t"); !wrong.empty()) {
        add("content: " + wrong);
    }
    const std::string twice = db.scalar(
        "SELECT COALESCE(GROUP_CONCAT(names), '') FROM (SELECT GROUP_CONCAT(INDEX_NAME) AS names, "
        "COUNT(*) AS n FROM (SELECT INDEX_NAME, GROUP_CONCAT(COLUMN_NAME ORDER BY SEQ_IN_INDEX) AS "
        "cols FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = 'app' AND TABLE_NAME = 't' "
        "GROUP BY INDEX_NAME) AS i GROUP BY cols HAVING n > 1) AS d");
    if (!twice.empty()) {
        add("index: twice: " + twice);
    }
}

void Invariants::look_at_server(const End& end) {
    Db& db = s_.db();
    const auto inserted = db.integer("SELECT COUNT(*) FROM app.versions");
    if (inserted != (end.changed ? 1 : 0)) {
        add("insert: ran " + std::to_string(inserted) + " times");
    }
    if (const auto prepared = db.rows("XA RECOVER"); !prepared.empty()) {
        add("xa: " + std::to_string(prepared.size()) + " prepared transactions are left");
    }
    // Held for a moment after its session was cut off.
    const bool is_free = poll_until(
        [&db] {
            return db.integer(
                       "SELECT IS_FREE_LOCK(CONCAT('shift:', SHA1(CONCAT('app', CHAR(0), "
                       "'t'))))") == 1;
        },
        patience_);
    if (!is_free) {
        add("lock: the database lock of app.t is held");
    }
}

void Invariants::look_at_journal() {
    for (const char* check :
         {"PRAGMA integrity_check", "PRAGMA foreign_key_check", "SELECT * FROM v_inconsistent"}) {
        for (const auto& row : s_.supervisor().journal_rows(check)) {
            if (row != std::vector<std::string>{"ok"}) {
                add(std::string("journal: ") + check + ": " + joined(row));
            }
        }
    }
}

void Invariants::look_at_attempts() {
    for (const auto& row : s_.supervisor().journal_rows(
             "SELECT a.id, a.ended, (SELECT COUNT(*) FROM event e WHERE e.attempt = a.id AND "
             "e.source = 'supervisor' AND e.kind = 'ended') FROM attempt a")) {
        if (row[1] != "1" || row[2] != "1") {
            add("outcome: attempt " + row[0] + ": ended=" + row[1] + ", " + row[2] + " ends");
        }
    }
    for (const std::string& folder : s_.supervisor().attempts()) {
        std::istringstream lines(slurp(folder + "/events.jsonl"));
        int outcomes = 0;
        for (std::string line; std::getline(lines, line);) {
            const auto event = parse_json(line);
            outcomes += event.ok() && string_or(*event, "event", "") == "outcome" ? 1 : 0;
        }
        if (outcomes > 1) {
            add("outcome: " + folder + " has " + std::to_string(outcomes));
        }
    }
}

void Invariants::look_at_processes() {
    const bool none = poll_until(
        [this] {
            return s_.supervisor().workers().empty() && zombies_of(s_.supervisor().pid()).empty();
        },
        patience_);
    if (none) {
        return;
    }
    for (const pid_t pid : s_.supervisor().workers()) {
        add("process: left: " + std::to_string(pid) + " " + command_line(pid));
    }
    for (const pid_t pid : zombies_of(s_.supervisor().pid())) {
        add("process: zombie " + std::to_string(pid));
    }
}

std::vector<std::string> Invariants::violations(const End& end) {
    look_at_processes();
    look_at_api(end.id);
    look_at_tables(end);
    look_at_server(end);
    look_at_journal();
    look_at_attempts();
    return found_;
}

}  // namespace shift::testing
