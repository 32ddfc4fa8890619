#pragma once

#include <chrono>

namespace shift::ctl {

// What stdout is.
struct Terminal {
    bool is_tty = false;
    bool colours = false;
    int width = 0;   // columns; 0 = no limit (a pipe or a file)
    int height = 0;  // rows; 0 = no limit
};

// Looks at stdout. Colours need a terminal, no --no-color and no NO_COLOR (https://no-color.org).
Terminal detect_terminal(bool no_color);

// While one of these lives, Ctrl-C (and TERM) ends waits instead of the process.
class InterruptGuard {
  public:
    InterruptGuard();
    InterruptGuard(const InterruptGuard&) = delete;
    InterruptGuard& operator=(const InterruptGuard&) = delete;
    ~InterruptGuard();

    bool interrupted() const;
    // Blocks: up to `pause`; false when it was cut short by an interrupt.
    bool wait(std::chrono::milliseconds pause) const;
};

}  // namespace shift::ctl
