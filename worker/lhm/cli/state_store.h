#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "common/state_file.h"
#include "worker/lhm/change.h"
#include "worker/lhm/checkpoint.h"
#include "worker/lhm/plan_file.h"

namespace shift::lhm {

// Where shift-lhm keeps what a resume needs: one state file per table and server, in
// $XDG_STATE_HOME/shift-lhm or ~/.local/state/shift-lhm. The same format as a worker's.
class StateStore {
  public:
    // `file` "" = the usual place. Creates the folder (0700).
    static Result<StateStore> open(const std::string& file, const std::string& server,
                                   const QualifiedTable& table);

    const std::string& path() const { return path_; }
    // nullopt: there is none.
    Result<std::optional<StateFile>> load() const;
    Status save(const Checkpoint& checkpoint, const PlanFile& plan) const;
    Status remove() const;

  private:
    explicit StateStore(std::string path) : path_(std::move(path)) {}
    std::string path_;
};

// Every state file of the usual place.
std::vector<std::pair<std::string, StateFile>> all_states();

}  // namespace shift::lhm
