#include "ctl/render/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "common/migration.h"
#include "common/text.h"
#include "ctl/render/table.h"
#include "ctl/render/text.h"

namespace shift::ctl {
namespace {

constexpr std::size_t kBarCells = 10;
constexpr std::size_t kBarCellsNarrow = 5;
constexpr int kNarrow = 100;

std::string_view state_colour(const std::string& state) {
    if (state == "running") {
        return colour::kGreen;
    }
    if (state == "uncertain" || state == "contesting" || state == "waiting" ||
        state == "draining") {
        return colour::kYellow;
    }
    if (state == "journal failed" || state == "needs decision" || state == "not running" ||
        state == "not answering") {
        return colour::kRed;
    }
    return state == "delivering" ? colour::kCyan : "";
}

// This host has nothing to do for it and nobody waits for anything.
bool is_over(const Json& migration) {
    const std::string state = string_or(migration, "state", "");
    const bool final = is_final_status(static_cast<int>(int_or(migration, "status", -1)));
    return state == "let go" || (state == "handed on" && final);
}

// What must be seen first comes first.
int rank(const Json& migration) {
    const std::string state = string_or(migration, "state", "");
    if (state == "needs decision") {
        return 0;
    }
    if (!string_or(migration, "error", "").empty()) {
        return 1;
    }
    return state == "running" ? 2 : state == "delivering" ? 3 : state == "waiting" ? 4 : 5;
}

std::string api_line(const Json& status, const View& view) {
    const Json& api = member(status, "api");
    std::string reach = paint(view, colour::kGreen, "reachable");
    if (!bool_or(api, "reachable", false)) {
        const std::string ago = age_of(api, "last_ok", view);
        const std::string why = text_of(api, "last_error");
        reach = ago.empty() && why.empty()
                    ? "not asked yet"
                    : paint(view, colour::kRed, "NOT reachable") +
                          (ago.empty() ? ", never answered" : ", last answer " + ago + " ago") +
                          (why.empty() ? "" : ": " + why);
    }
    return fmt::format("API {}: {}\n", text_of(api, "url"), reach);
}

std::string header(const Json& status, const View& view) {
    const std::string state = text_of(status, "state");
    std::string out;
    if (const std::string when = text_of(status, "journal_of"); !when.empty()) {
        out = fmt::format("shift-supervisord on {}: {}; this is its journal, last written {} ago\n",
                          text_of(status, "run_host"), paint(view, state_colour(state), state),
                          age_of(status, "journal_of", view));
    } else {
        out = fmt::format("shift-supervisord {} on {} (pid {}): {} since {}\n",
                          text_of(status, "version"), text_of(status, "run_host"),
                          text_of(status, "pid"), paint(view, state_colour(state), state),
                          age_of(status, "since", view)) +
              api_line(status, view);
    }
    if (const std::string why = text_of(status, "journal_error"); !why.empty()) {
        out += paint(view, colour::kRed, "journal: " + why) + '\n';
    }
    out += render_drain(status, view);
    for (const Json& skipped : member(status, "skipped")) {
        const std::string id = text_of(skipped, "id");
        out += paint(view, colour::kYellow,
                     limited(fmt::format("skipped: {}: {}", id, text_of(skipped, "why")), view)) +
               '\n';
    }
    return out;
}

// "3 migrations: 2 running, 1 waiting"
std::string summary(const std::vector<const Json*>& migrations) {
    std::map<std::string, int> states;
    std::vector<std::string> order;
    for (const Json* migration : migrations) {
        const std::string state = text_of(*migration, "state");
        if (++states[state] == 1) {
            order.push_back(state);
        }
    }
    std::vector<std::string> parts;
    for (const std::string& state : order) {
        parts.push_back(fmt::format("{} {}", states[state], state));
    }
    return fmt::format("{} migration{}: {}\n", migrations.size(), migrations.size() == 1 ? "" : "s",
                       fmt::join(parts, ", "));
}

std::string pids(const Json& m) {
    const std::string worker = text_of(m, "worker_pid");
    const std::string engine = text_of(m, "engine_pid");
    return engine.empty() ? worker : worker + "/" + engine;
}

std::vector<Column> migration_columns(const std::vector<const Json*>& migrations,
                                      const View& view) {
    // Titles, and what is given up first on a narrow terminal.
    Column id{"ID", true};
    Column state{"STATE"};
    state.colour = state_colour;
    Column target{"CLUSTER/HOST:PORT", false, 8, 1};
    Column table{"TABLE", false, 18};
    Column step{"STEP/PHASE", false, 10};
    Column progress{"PROGRESS"};
    progress.drop = 2;
    Column rate{"ROWS/S", true, 0, 5};
    Column eta{"ETA", true, 0, 3};
    Column since{"SINCE", true, 0, 4};
    Column attempt{"ATTEMPT", true, 0, 7};
    Column engine{"ENGINE", false, 0, 8};
    Column worker{"WORKER/TOOL", true, 0, 6};
    const bool is_narrow = view.width > 0 && view.width < kNarrow;
    const std::size_t bar = is_narrow ? kBarCellsNarrow : kBarCells;
    for (const Json* migration : migrations) {
        const Json& m = *migration;
        id.cells.push_back(text_of(m, "id"));
        state.cells.push_back(text_of(m, "state"));
        const std::string host = text_of(m, "host");
        const std::string address = host.empty() ? "-" : host + ":" + text_of(m, "port");
        target.cells.push_back(text_of(m, "cluster") + "/" + address);
        table.cells.push_back(text_of(m, "database") + "." + text_of(m, "table"));
        const std::string phase = text_of(m, "phase");
        step.cells.push_back(text_of(m, "step") + (phase.empty() ? "" : "/" + phase));
        const auto percent = number_of(m, "percent");
        progress.cells.push_back(percent ? progress_bar(*percent, bar) : "");
        const auto rows_per_s = number_of(m, "rows_per_s");
        rate.cells.push_back(rows_per_s ? short_number(*rows_per_s) : "");
        const auto left = get_int(m, "eta_s");
        eta.cells.push_back(left ? format_duration(std::chrono::seconds(*left)) : "");
        since.cells.push_back(age_of(m, "since", view));
        attempt.cells.push_back(int_or(m, "attempt", 0) > 0 ? text_of(m, "attempt") : "");
        engine.cells.push_back(text_of(m, "engine"));
        worker.cells.push_back(pids(m));
    }
    return {id, state, target, table, step, progress, rate, eta, since, attempt, engine, worker};
}

// What does not fit into a table: one line each below the migration's own.
std::string notes_below(const Json& m, const View& view) {
    std::string out;
    const auto note = [&](std::string_view colour, const std::string& text) {
        out += paint(view, colour, limited("      " + text, view)) + '\n';
    };
    if (const std::string why = text_of(m, "throttle"); !why.empty()) {
        note(colour::kYellow, "throttled: " + why);
    }
    if (const std::string why = text_of(m, "reason"); !why.empty()) {
        note("", "reason: " + why);
    }
    if (const std::string why = text_of(m, "error"); !why.empty()) {
        note(colour::kRed, "error: " + why);
    }
    // What is being tried again: the reason says the same while it waits.
    if (const std::string why = text_of(m, "last_error");
        !why.empty() && why != text_of(m, "reason")) {
        note("", "last error: " + why);
    }
    const std::int64_t owed = int_or(m, "owed", 0);
    const WallTime next = parse_iso_time(string_or(m, "next_try", ""));
    std::string waiting;
    if (next > view.now) {
        const auto left = std::chrono::ceil<std::chrono::seconds>(next - view.now);
        waiting = "next try in " + format_duration(left);
    }
    if (owed > 0) {
        note(colour::kCyan, fmt::format("owed: {} call{} to the API{}", owed, owed == 1 ? "" : "s",
                                        waiting.empty() ? "" : ", " + waiting));
    } else if (!waiting.empty()) {
        note("", waiting);
    }
    return out;
}

std::string percent_and_rows(const Json& m) {
    const auto percent = number_of(m, "percent");
    if (!percent) {
        return {};
    }
    std::string out = progress_bar(*percent, 2 * kBarCells);
    const auto rows = number_of(m, "rows");
    const auto total = number_of(m, "rows_total");
    if (rows && total) {
        out += fmt::format("  {} of about {} rows", short_number(*rows), short_number(*total));
    }
    if (const auto rate = number_of(m, "rows_per_s")) {
        out += fmt::format(", {} rows/s", short_number(*rate));
    }
    if (const auto left = get_int(m, "eta_s")) {
        out += ", ETA " + format_duration(std::chrono::seconds(*left));
    }
    return out;
}

}  // namespace

std::string render_status(const Json& status, const View& view) {
    std::string out = header(status, view);
    std::vector<const Json*> shown;
    std::size_t hidden = 0;
    for (const Json& migration : member(status, "migrations")) {
        if (view.all || !is_over(migration)) {
            shown.push_back(&migration);
        } else {
            ++hidden;
        }
    }
    const std::string footer =
        hidden == 0 ? "" : fmt::format("{} finished or given away: see them with --all\n", hidden);
    if (shown.empty()) {
        return out + "\nno migrations here\n" + footer;
    }
    std::stable_sort(shown.begin(), shown.end(),
                     [](const Json* a, const Json* b) { return rank(*a) < rank(*b); });
    out += summary(shown) + '\n';
    return out +
           render_table(migration_columns(shown, view), view,
                        [&](std::size_t row) { return notes_below(*shown[row], view); }) +
           footer;
}

std::string render_drain(const Json& status, const View& view) {
    const Json& drain = member(status, "drain");
    if (!bool_or(drain, "active", false)) {
        return {};
    }
    const std::int64_t owed = int_or(drain, "owed", 0);
    return paint(view, colour::kYellow,
                 fmt::format("drain: by {}, {}; {}", text_of(drain, "by"),
                             bool_or(drain, "keep", false) ? "stopped copies stay on this host"
                                                           : "stopped copies are offered",
                             owed == 0 ? "drained" : fmt::format("{} owed", owed))) +
           '\n';
}

std::string render_migration(const Json& m, const View& view) {
    Block block;
    block.add("migration", text_of(m, "id"));
    const std::string state = text_of(m, "state");
    block.add("state", paint(view, state_colour(state), state));
    block.add("since", time_and_age(m, "since", view));
    block.add("API status", text_of(m, "status_name"));
    const std::string phase = text_of(m, "phase");
    block.add("step", text_of(m, "step") + (phase.empty() ? "" : ", " + phase));
    block.add("cluster", text_of(m, "cluster"));
    const std::string host = text_of(m, "host");
    block.add("server", host.empty() ? "" : host + ":" + text_of(m, "port"));
    block.add("table", text_of(m, "database") + "." + text_of(m, "table"));
    block.add("statement", text_of(m, "ddl_statement"));
    block.add("progress", percent_and_rows(m));
    block.add("throttled", paint(view, colour::kYellow, text_of(m, "throttle")));
    block.add("engine", text_of(m, "engine"));
    const std::int64_t attempt = int_or(m, "attempt", 0);
    const std::int64_t tries = int_or(m, "tries", 0);
    block.add("attempt", attempt <= 0 ? ""
                         : tries > 0  ? fmt::format("{} (try {})", attempt, tries)
                                      : fmt::format("{}", attempt));
    block.add("worker pid", text_of(m, "worker_pid"));
    block.add("engine pid", text_of(m, "engine_pid"));
    block.add("reason", text_of(m, "reason"));
    block.add("error", paint(view, colour::kRed, text_of(m, "error")));
    block.add("last error", text_of(m, "last_error"));
    const std::int64_t owed = int_or(m, "owed", 0);
    block.add("owed",
              owed == 0 ? "" : fmt::format("{} call{} to the API", owed, owed == 1 ? "" : "s"));
    block.add("next try", text_of(m, "next_try"));
    block.add("log", text_of(m, "log_file"));
    return block.take();
}

std::string render_owed(const Json& status) {
    const std::int64_t owed = int_or(member(status, "drain"), "owed", 0);
    if (owed == 0) {
        return "nothing is owed";
    }
    std::vector<std::string> items;
    for (const Json& migration : member(status, "migrations")) {
        const bool busy = int_or(migration, "owed", 0) > 0 || get_int(migration, "worker_pid");
        if (busy) {
            items.push_back(text_of(migration, "id") + " " + text_of(migration, "state"));
        }
    }
    return fmt::format("{} still owed{}{}", owed, items.empty() ? "" : ": ",
                       fmt::join(items, ", "));
}

}  // namespace shift::ctl
