#include "worker/osc/square_state.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <vector>

#include "common/text.h"

namespace shift {
namespace {

constexpr std::string_view kLastKey = "\ntbl_progress:";

std::size_t indent_of(const std::string& line) {
    const std::size_t at = line.find_first_not_of(' ');
    return at == std::string::npos ? line.size() : at;
}

// Replaces what stands under NAME: ... value: in the block of options.
bool set_option(std::vector<std::string>& lines, const std::string& name, const std::string& value,
                bool is_list) {
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const std::size_t depth = indent_of(lines[i]);
        if (depth == 0 || trim(lines[i]) != name + ":") {
            continue;
        }
        for (std::size_t j = i + 1; j < lines.size() && indent_of(lines[j]) > depth; ++j) {
            const std::string line(trim(lines[j]));
            if (line != "value:" && !line.starts_with("value: ")) {
                continue;
            }
            const std::size_t inner = indent_of(lines[j]);
            std::size_t end = j + 1;
            while (end < lines.size() &&
                   (indent_of(lines[end]) > inner || trim(lines[end]).starts_with("- "))) {
                ++end;
            }
            const std::string pad(inner, ' ');
            std::vector<std::string> fresh = {pad + "value: " + (is_list ? "" : value)};
            if (is_list) {
                fresh.push_back(pad + "  - " + value);
            }
            lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(j),
                        lines.begin() + static_cast<std::ptrdiff_t>(end));
            lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(j), fresh.begin(),
                         fresh.end());
            return true;
        }
    }
    return false;
}

// What a reader of the file would see, so that a wrong edit cannot pass.
bool has_option(const YAML::Node& root, const std::string& name, const std::string& value) {
    const YAML::Node found = root["options"]["opts"][name]["value"];
    if (!found.IsDefined()) {
        return false;
    }
    return found.IsSequence() ? found.size() == 1 && found[0].Scalar() == value
                              : found.IsScalar() && found.Scalar() == value;
}

}  // namespace

std::string square_save_path(const Job& job) {
    return job.files_dir + "/square-state.yaml";
}

std::string square_good_path(const Job& job, const std::string& copy_id) {
    return fmt::format("{}/square-state.{}.yaml", job.files_dir, copy_id);
}

std::optional<StateFile> parse_whole_square_state(std::string_view text,
                                                  const std::string& database,
                                                  const std::string& table) {
    if (!text.ends_with('\n') || text.find(kLastKey) == std::string_view::npos) {
        return std::nullopt;
    }
    auto state = parse_state_file(text);
    if (!state.ok() || state->db != database || state->orig_tbl != table) {
        return std::nullopt;
    }
    return std::move(state).value();
}

Result<std::string> with_todays_options(std::string_view text, const OscPlan& plan) {
    if (!plan.options.config_path.empty()) {
        return std::string(text);  // the limits are the operator's file's
    }
    struct Limit {
        const char* name;
        std::string value;
        bool is_list;
    };
    const Limit limits[] = {
        {"critical-load", fmt::format("Threads_running={}", plan.options.max_threads_running),
         true},
        {"max-lag", fmt::format("{}", plan.options.max_replication_lag), false}};
    std::vector<std::string> lines = split(text, '\n');
    for (const Limit& limit : limits) {
        (void)set_option(lines, limit.name, limit.value, limit.is_list);
    }
    std::string out;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        out += (i == 0 ? "" : "\n") + lines[i];
    }
    try {
        const YAML::Node root = YAML::Load(out);
        for (const Limit& limit : limits) {
            if (!has_option(root, limit.name, limit.value)) {
                return Error{Errc::kInvalidArgument,
                             fmt::format("--{} is not where Square's state file keeps its options",
                                         limit.name)};
            }
        }
    } catch (const YAML::Exception& error) {
        return Error{Errc::kInvalidArgument, std::string("Square's state file: ") + error.what()};
    }
    return out;
}

}  // namespace shift
