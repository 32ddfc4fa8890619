#pragma once

#include <string>

#include "common/clock.h"
#include "worker/reporter.h"

namespace shift {

// Holds a copy back for as long as there is a reason: the tool sleeps before its next chunk while
// its --pause-file exists. Owns that file: one left by an earlier run goes at the start, ours at
// the end. Main thread only.
class CopyHold {
  public:
    CopyHold(std::string pause_file, Reporter& reporter, const Clock& clock);
    ~CopyHold();
    CopyHold(const CopyHold&) = delete;
    CopyHold& operator=(const CopyHold&) = delete;

    // To be called again and again; `why` "" lets the copy go on. Beginning and end are remarked,
    // at most once a minute: a lag around its limit would fill the log.
    void follow(const std::string& why);

  private:
    void hold(const std::string& why);
    void let_go();

    std::string pause_file_;
    Reporter& reporter_;
    const Clock& clock_;
    bool is_held_ = false;
    bool is_told_ = false;
    bool was_told_ = false;
    bool has_failed_ = false;
    SteadyTime told_{};
};

}  // namespace shift
