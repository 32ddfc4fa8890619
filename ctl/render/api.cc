#include "ctl/render/api.h"

#include <fmt/format.h>

#include <array>

#include "common/migration.h"
#include "ctl/render/text.h"

namespace shift::ctl {
namespace {

constexpr std::size_t kWideBarCells = 20;

std::string before_and_after(const Json& m, const char* start, const char* end, bool bytes) {
    const auto shown = [&](const char* key) -> std::string {
        const auto value = number_of(m, key);
        if (!value) {
            return "?";
        }
        return bytes ? byte_size(*value) : fmt::format("{}", int_or(m, key, 0));
    };
    if (!number_of(m, start) && !number_of(m, end)) {
        return {};
    }
    return number_of(m, end) ? shown(start) + " -> " + shown(end) : shown(start);
}

}  // namespace

std::string next_commands(std::int64_t id, const std::vector<std::string>& actions) {
    std::vector<std::string> commands;
    constexpr std::string_view kApprove = "approve_";
    for (const std::string& action : actions) {
        if (action.starts_with(kApprove)) {
            commands.push_back(fmt::format("approve {} --runtype {}", id,
                                           one_line(action.substr(kApprove.size()))));
        } else {
            commands.push_back(fmt::format("{} {}", one_line(action), id));
        }
    }
    return fmt::format("{}", fmt::join(commands, ", "));
}

std::string render_api_result(const Json& migration, const std::vector<std::string>& actions) {
    const std::int64_t id = int_or(migration, "id", 0);
    const int status = static_cast<int>(int_or(migration, "status", -1));
    std::string out = fmt::format("migration {}: {}", id, api_status_name(status));
    if (bool_or(migration, "staged", false)) {
        out += ", waiting for a runner";
    }
    out += '\n';
    if (!actions.empty()) {
        out += fmt::format("next: {}\n", next_commands(id, actions));
    }
    return out;
}

std::string render_api_migration(const Json& m, const std::vector<std::string>& actions,
                                 const View& view) {
    Block block;
    const int status = static_cast<int>(int_or(m, "status", -1));
    block.add("migration", text_of(m, "id"));
    block.add("status", fmt::format("{}{}", api_status_name(status),
                                    bool_or(m, "staged", false) ? ", waiting for a runner" : ""));
    block.add("cluster", text_of(m, "cluster_name"));
    block.add("database", text_of(m, "database"));
    block.add("statement", text_of(m, "ddl_statement"));
    block.add("final insert", text_of(m, "final_insert"));
    const auto runtype = get_int(m, "runtype");
    constexpr std::array<const char*, 6> kRuntypes = {
        "", "long", "short", "maybeshort", "nocheckalter", "maybenocheckalter"};
    block.add("runtype", runtype && *runtype >= 0 && *runtype < std::ssize(kRuntypes)
                             ? kRuntypes[static_cast<std::size_t>(*runtype)]
                             : text_of(m, "runtype"));
    block.add("pinned to", text_of(m, "run_host"));
    if (const auto copied = number_of(m, "copy_percentage")) {
        block.add("copied", progress_bar(*copied, kWideBarCells));
    }
    block.add("rows", before_and_after(m, "table_rows_start", "table_rows_end", false));
    block.add("table size", before_and_after(m, "table_size_start", "table_size_end", true));
    block.add("index size", before_and_after(m, "index_size_start", "index_size_end", true));
    block.add("requested by", text_of(m, "requestor"));
    block.add("pull request", text_of(m, "pr_url"));
    block.add("approved by", text_of(m, "approved_by"));
    block.add("created", time_and_age(m, "created_at", view));
    block.add("started", time_and_age(m, "started_at", view));
    block.add("completed", time_and_age(m, "completed_at", view));
    block.add("renames itself", bool_or(m, "auto_run", false) ? "yes" : "");
    block.add("options", text_of(m, "custom_options"));
    block.add("error", paint(view, colour::kRed, text_of(m, "error_message")));
    block.add("lock version", text_of(m, "lock_version"));
    block.add("next", next_commands(int_or(m, "id", 0), actions));
    return block.take();
}

}  // namespace shift::ctl
