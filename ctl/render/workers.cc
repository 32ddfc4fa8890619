#include "ctl/render/workers.h"

#include <fmt/format.h>

#include "ctl/render/table.h"
#include "ctl/render/text.h"

namespace shift::ctl {
namespace {

std::string_view life_colour(const std::string& life) {
    if (life == "running") {
        return colour::kGreen;
    }
    return life == "engine only" ? colour::kRed : "";
}

}  // namespace

std::string render_workers(const Json& answer, const View& view) {
    Column attempt{"ATTEMPT", true};
    Column migration{"MIGRATION", true};
    Column life{"STATE"};
    life.colour = life_colour;
    Column step{"STEP/PHASE", false, 6};
    Column target{"SERVER", false, 9, 1};
    Column table{"TABLE", false, 12};
    Column progress{"PROGRESS", false, 0, 2};
    Column worker{"WORKER", true, 0, 4};
    Column engine{"TOOL", true, 0, 5};
    Column outcome{"OUTCOME", false, 8, 3};
    for (const Json& w : member(answer, "workers")) {
        attempt.cells.push_back(text_of(w, "attempt"));
        migration.cells.push_back(text_of(w, "migration"));
        life.cells.push_back(text_of(w, "life"));
        const std::string phase = text_of(w, "phase");
        step.cells.push_back(text_of(w, "step") + (phase.empty() ? "" : "/" + phase));
        target.cells.push_back(text_of(w, "host") + ":" + text_of(w, "port"));
        table.cells.push_back(text_of(w, "database") + "." + text_of(w, "table"));
        const auto percent = number_of(member(w, "progress"), "percent");
        progress.cells.push_back(percent ? progress_bar(*percent, 10) : "");
        worker.cells.push_back(text_of(w, "worker_pid"));
        engine.cells.push_back(text_of(w, "engine_pid"));
        outcome.cells.push_back(text_of(w, "outcome"));
    }
    const bool daemon = bool_or(answer, "daemon", false);
    const std::string head =
        daemon
            ? "a daemon runs here\n"
            : paint(view, colour::kYellow, "no daemon runs here: workers go on without it") + '\n';
    if (attempt.cells.empty()) {
        return head + "no workers\n";
    }
    return head + '\n' +
           render_table(
               {attempt, migration, life, step, target, table, progress, worker, engine, outcome},
               view);
}

}  // namespace shift::ctl
