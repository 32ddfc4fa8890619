#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/json.h"
#include "worker/lhm/change.h"
#include "worker/lhm/column_map.h"
#include "worker/lhm/copy_key.h"
#include "worker/lhm/deferred_indexes.h"
#include "worker/lhm/flavour.h"
#include "worker/lhm/names.h"
#include "worker/lhm/options.h"
#include "worker/lhm/table_shape.h"
#include "worker/lhm/triggers.h"
#include "worker/mysql/inspect.h"

namespace shift::lhm {

// Why the change cannot be done this way, with the way out; found before anything is copied.
struct Refusal {
    std::string reason;  // a stable word: "no_unique_key"
    std::string message;
};

// All that is known of one migration before its first row is copied. Made by the planner; what
// copies, verifies and swaps works from it alone.
struct Plan {
    std::string database;
    std::string table;
    Names names;
    std::string copy_id;  // 16 hex digits, new for each copy
    ServerIdentity server;
    ServerFlavour flavour;

    TableShape original;
    TableShape shadow;
    std::vector<ChangeStatement> statements;  // run on the empty shadow, in order
    ColumnMap map;
    CopyKey key;                  // of the original
    ShadowKey shadow_key;         // the same columns in the shadow
    std::vector<Index> stricter;  // unique keys of the shadow that may refuse rows
    Filter filter;
    bool is_partial = false;  // rows are left out, by the filter or by bounds of the key

    std::vector<DeferredIndex> deferred;  // the shadow gets them after the copy
    std::string index_note;               // why there are none although there might be

    std::string instant;       // the ALGORITHM by which nothing is copied; "" = rows are copied
    std::string instant_note;  // why they are

    int threads = 1;               // that copy
    bool copies_in_turns = false;  // one inserts while the other commits and looks for its range
    int verify_threads = 1;
    std::int64_t rows = 0;  // the server's estimates
    std::int64_t bytes = 0;
    std::int64_t row_bytes = 0;         // on average, without indexes; 0 = not known
    std::vector<std::string> notes;     // what a person should know before it starts
    std::vector<std::string> left_out;  // columns that the verification does not compare

    std::string note_kind = "conflict";  // of the control table's rows that are this plan's

    std::string mark() const { return "shift-lhm " + copy_id; }
    TriggerSpec triggers(ConflictPolicy policy) const;
    // Names of the two tables in a statement, and as prefixes of their columns.
    std::string original_name() const;
    std::string shadow_name() const;
    std::string original_prefix() const { return original_name() + "."; }
    std::string shadow_prefix() const { return shadow_name() + "."; }
};

// For people, a few aligned lines; `options` say how it will be run.
std::string describe(const Plan& plan, const Options& options);
Json to_json(const Plan& plan, const Options& options);

// "a", "b" and 3 more.
std::string listed(const std::vector<std::string>& words, std::size_t shown_max = 8);

}  // namespace shift::lhm
