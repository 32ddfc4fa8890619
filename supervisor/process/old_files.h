#pragma once

#include <string>
#include <vector>

#include "common/clock.h"
#include "common/migration.h"

namespace shift {

// What retention does to the disk. All of it blocks: for background threads. What cannot be removed
// is left for the next pass.

// Closed attempts below STATE_DIR that nobody wrote to since `before`; never one with a held lock.
void remove_old_attempts(const std::string& state_dir, WallTime before);

// Migrations N whose LOG_DIR/id-N holds no file written since `before`.
std::vector<MigrationId> find_old_migration_files(const std::string& log_dir, WallTime before);

// LOG_DIR/id-N is LOG_DIR/gone-N from now on: one rename, so that a migration that comes back finds
// a folder of its own. Does not block for long.
void put_files_aside(const std::string& log_dir, MigrationId id);
// Removes what was put aside, now or before a crash.
void remove_files_put_aside(const std::string& log_dir);

}  // namespace shift
