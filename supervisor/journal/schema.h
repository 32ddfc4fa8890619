#pragma once

#include <vector>

namespace shift {

// Version of the journal's schema (PRAGMA user_version). docs/journal-format.md is its manual.
// 1 - the first. 2 - migration.reason_code, indexes for retention, v_migrations and v_attempts.
// A function, so that tests can link a program of the release to come (tests/next).
int journal_version();

// One change of the schema; every journal is brought up to date by the steps it lacks.
struct SchemaStep {
    int to;
    const char* sql;
};
// What a journal of version `from` needs, in order; 0 = a new file.
std::vector<SchemaStep> schema_steps(int from);

// The views, made anew by every step. They are for people and may change with any release.
extern const char* const kJournalViews;

}  // namespace shift
