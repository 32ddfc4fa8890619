#include "tests/integration/support/tmux.h"

#include <stdexcept>

#include "common/text.h"
#include "tests/integration/support/child_process.h"

namespace shift::testing {
namespace {

constexpr const char* kTarget = "t";

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines = split(text, '\n');
    while (!lines.empty() && lines.back().empty()) {
        lines.pop_back();
    }
    return lines;
}

}  // namespace

Tmux::Tmux(int columns, int rows, const std::string& command) {
    // remain-on-exit keeps the last screen; a status line would take a row.
    spit(dir_ / "conf",
         "set -g remain-on-exit on\nset -g status off\nset -g history-limit 5000\n"
         "set -g default-terminal screen-256color\n");
    run({"-f", dir_ / "conf", "new-session", "-d", "-s", kTarget, "-x", std::to_string(columns),
         "-y", std::to_string(rows), command});
}

Tmux::~Tmux() {
    (void)run_tool({"tmux", "-S", dir_ / "sock", "kill-server"});
}

std::string Tmux::run(const std::vector<std::string>& words) const {
    std::vector<std::string> argv = {"tmux", "-S", dir_ / "sock"};
    argv.insert(argv.end(), words.begin(), words.end());
    const ToolResult result = run_tool(argv, {{"TERM", "xterm-256color"}, {"LC_ALL", "C.UTF-8"}});
    if (result.status.code != 0) {
        throw std::runtime_error("tmux " + words[0] + ": " + result.err);
    }
    return result.out;
}

void Tmux::resize(int columns, int rows) {
    run({"resize-window", "-t", kTarget, "-x", std::to_string(columns), "-y",
         std::to_string(rows)});
}

void Tmux::keys(const std::string& keys) {
    run({"send-keys", "-t", kTarget, keys});
}

std::vector<std::string> Tmux::screen() const {
    return lines_of(run({"capture-pane", "-p", "-t", kTarget}));
}

std::vector<std::string> Tmux::everything(bool joined) const {
    std::vector<std::string> words = {"capture-pane", "-p", "-S", "-", "-t", kTarget};
    if (joined) {
        words.emplace_back("-J");
    }
    return lines_of(run(words));
}

std::string Tmux::painted() const {
    return run({"capture-pane", "-p", "-e", "-t", kTarget});
}

bool Tmux::ended() const {
    return run({"display-message", "-p", "-t", kTarget, "#{pane_dead}"}).starts_with("1");
}

}  // namespace shift::testing
