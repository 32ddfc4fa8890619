#pragma once

#include <string>
#include <vector>

#include "tests/integration/support/temp_dir.h"

namespace shift::testing {

// A real terminal of a given size: a tmux server of its own, ended with the object.
class Tmux {
  public:
    // Runs `command` (a shell's) in it.
    Tmux(int columns, int rows, const std::string& command);
    ~Tmux();
    Tmux(const Tmux&) = delete;
    Tmux& operator=(const Tmux&) = delete;

    void resize(int columns, int rows);
    void keys(const std::string& keys);  // as tmux names them: "C-c", "q", "Enter"
    // What is on the screen, a string a row, without trailing blanks.
    std::vector<std::string> screen() const;
    // The screen and what has scrolled off it; `joined`: rows that were wrapped are one.
    std::vector<std::string> everything(bool joined) const;
    // The escape sequences that would paint the screen again.
    std::string painted() const;
    // The command has ended (the pane is kept).
    bool ended() const;

  private:
    std::string run(const std::vector<std::string>& words) const;

    TempDir dir_;
};

}  // namespace shift::testing
