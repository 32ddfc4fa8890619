#include "worker/osc/osc_tool.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>
#include <thread>

#include "common/clock.h"
#include "common/file.h"
#include "common/text.h"
#include "worker/osc/osc_command.h"
#include "worker/osc/osc_process.h"
#include "worker/mysql/sha1.h"

namespace shift {
namespace {

constexpr std::chrono::seconds kDeadline{20};
constexpr std::size_t kOutputBytesMax = std::size_t{1024} * 1024;
constexpr std::string_view kVersionHead = "pt-online-schema-change ";

// The names of "  --[no]swap-tables   ..." and "  --plugin=s  ...".
std::set<std::string> option_names(std::string_view help) {
    std::set<std::string> names;
    for (const std::string& line : split(help, '\n')) {
        std::string_view text = line;
        if (!text.starts_with("  --")) {
            continue;
        }
        text.remove_prefix(4);
        if (text.starts_with("[no]")) {
            text.remove_prefix(4);
        }
        names.emplace(text.substr(0, text.find_first_not_of("abcdefghijklmnopqrstuvwxyz-")));
    }
    return names;
}

// Size and time of change: another file under the same path is asked anew.
std::string file_mark(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
        return "";
    }
    return fmt::format("{} {}.{:09}", info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
}

std::optional<OscTool> read_cache(const std::string& cache, const std::string& path,
                                  const std::string& mark) {
    const auto text = read_file(cache, kOutputBytesMax);
    const auto json = text.ok() ? parse_json(*text) : Result<Json>(text.error());
    if (!json.ok() || !json->is_object() || string_or(*json, "path", "") != path ||
        string_or(*json, "mark", "") != mark) {
        return std::nullopt;
    }
    OscTool tool = parse_osc_tool(string_or(*json, "version", ""), string_or(*json, "help", ""));
    tool.path = path;
    return tool;
}

// stdout and stderr of one short run, together.
Result<std::string> output_of(const std::string& path, const char* option,
                              const std::string& scratch_dir, int engine_lock_fd) {
    OscSpawn spawn;
    spawn.argv = {path, "--config", "/dev/null", option};
    const char* search = ::getenv("PATH");
    spawn.environment = osc_environment(scratch_dir, search == nullptr ? "/usr/bin:/bin" : search);
    spawn.stdout_path = scratch_dir + "/tool.out";
    spawn.stderr_path = scratch_dir + "/tool.err";
    spawn.engine_lock_fd = engine_lock_fd;
    ASSIGN_OR_RETURN(const auto process, OscProcess::start(spawn));
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    while (!process->poll_exit()) {
        if (std::chrono::steady_clock::now() > deadline) {
            process->signal(SIGKILL);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    std::string text;
    process->read_output(
        [&text](std::string_view, std::string_view line) {
            if (text.size() < kOutputBytesMax) {
                text.append(line).append("\n");
            }
        },
        true);
    (void)::unlink(spawn.stdout_path.c_str());
    (void)::unlink(spawn.stderr_path.c_str());
    return text;
}

}  // namespace

const char* flavour_name(OscFlavour flavour) {
    switch (flavour) {
        case OscFlavour::kStock:
            return "stock";
        case OscFlavour::kBasic:
            return "basic";
        case OscFlavour::kSquare:
            return "square";
        case OscFlavour::kUnusable:
            return "unusable";
    }
    return "?";
}

const char* flavour_meaning(OscFlavour flavour) {
    switch (flavour) {
        case OscFlavour::kStock:
            return "stock tool with our plugin: an interrupted copy goes on from its last chunk";
        case OscFlavour::kBasic:
            return "stock tool without plugins: an interrupted copy starts over";
        case OscFlavour::kSquare:
            return "Square's patched tool: an interrupted copy goes on from its own state file, on "
                   "the host that wrote it";
        case OscFlavour::kUnusable:
            return "cannot be used: long migrations will be refused at prepare";
    }
    return "?";
}

OscFlavour OscTool::flavour(const std::string& wanted) const {
    if (!has_keep_options) {
        return OscFlavour::kUnusable;
    }
    if (wanted == "square" || (wanted == "auto" && has_square_patch)) {
        return has_square_patch ? OscFlavour::kSquare : OscFlavour::kUnusable;
    }
    return has_plugin ? OscFlavour::kStock : OscFlavour::kBasic;
}

OscTool parse_osc_tool(std::string_view version_output, std::string_view help_output) {
    OscTool tool;
    for (const std::string& line : split(version_output, '\n')) {
        if (line.starts_with(kVersionHead)) {
            tool.version = trim(line.substr(kVersionHead.size()));
        } else if (tool.trouble.empty()) {
            tool.trouble = trim(line);
        }
    }
    const std::set<std::string> options = option_names(help_output);
    const auto has = [&options](std::initializer_list<const char*> names) {
        return std::all_of(names.begin(), names.end(),
                           [&options](const char* name) { return options.count(name) != 0; });
    };
    tool.has_keep_options =
        has({"swap-tables", "drop-new-table", "drop-triggers", "new-table-name"});
    tool.has_plugin = has({"plugin"});
    tool.has_pause_file = has({"pause-file"});
    tool.has_native_resume = has({"history", "resume"});
    tool.has_square_patch = has({"save-state", "load-state", "exit-at"});
    if (tool.has_keep_options) {
        tool.trouble.clear();
    } else if (tool.trouble.empty()) {
        tool.trouble =
            "it lacks --no-swap-tables, --no-drop-new-table, --no-drop-triggers or "
            "--new-table-name";
    }
    return tool;
}

Json to_json(const OscTool& tool) {
    return {{"path", tool.path},
            {"version", tool.version},
            {"plugin", tool.has_plugin},
            {"pause_file", tool.has_pause_file},
            {"native_resume", tool.has_native_resume},
            {"square_patch", tool.has_square_patch},
            {"trouble", tool.trouble}};
}

Result<OscTool> detect_osc_tool(const std::string& path, const std::string& scratch_dir,
                                const std::string& cache_dir, int engine_lock_fd) {
    const std::string mark = file_mark(path);
    const std::string cache =
        cache_dir.empty() ? "" : fmt::format("{}/pt-osc-{}.json", cache_dir, sha1_hex(path));
    if (!cache.empty()) {
        if (auto known = read_cache(cache, path, mark)) {
            return *std::move(known);
        }
    }
    ASSIGN_OR_RETURN(const std::string version,
                     output_of(path, "--version", scratch_dir, engine_lock_fd));
    ASSIGN_OR_RETURN(const std::string help,
                     output_of(path, "--help", scratch_dir, engine_lock_fd));
    OscTool tool = parse_osc_tool(version, help);
    tool.path = path;
    // What failed may work the next time (a killed run), so only good answers are kept.
    if (!cache.empty() && tool.has_keep_options && make_directories(cache_dir, 0700).ok()) {
        const Json entry = {{"path", path}, {"mark", mark}, {"version", version}, {"help", help}};
        (void)write_file_atomic(
            cache, entry.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n", 0600)
            .ok();
    }
    return tool;
}

}  // namespace shift
