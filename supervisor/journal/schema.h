#pragma once

#include <vector>

namespace shift {

// Version of the journal's schema (PRAGMA user_version). docs/journal-format.md is its manual.
// 1 - the first. 2 - migration.reason_code, indexes for retention.
// A function, so that tests can link a program of the release to come (tests/next).
int journal_version();

// One change of the schema; every journal is brought up to date by the steps it lacks.
struct SchemaStep {
    int to;
    const char* sql;
};
// What a journal of version `from` needs, in order; 0 = a new file.
std::vector<SchemaStep> schema_steps(int from);

// One CREATE VIEW each. They hold no data, are for people and may change with any release: an open
// that finds others in the file makes them anew, without a step of the version.
const std::vector<const char*>& journal_views();

}  // namespace shift
