#include "worker/lhm/checkpoint.h"

#include <fmt/format.h>

#include <array>

#include "common/ddl.h"
#include "common/text.h"
#include "worker/lhm/instant.h"
#include "worker/mysql/sha1.h"

namespace shift::lhm {
namespace {

// The original's words where it has them ("copy", "copied", "rename").
constexpr std::array<std::pair<Stage, const char*>, 8> kStages = {{{Stage::kCreate, "create"},
                                                                   {Stage::kCopy, "copy"},
                                                                   {Stage::kIndexes, "indexes"},
                                                                   {Stage::kVerify, "verify"},
                                                                   {Stage::kReady, "copied"},
                                                                   {Stage::kSwap, "rename"},
                                                                   {Stage::kWindow, "window"},
                                                                   {Stage::kDone, "done"}}};

// A key, each value behind a mark so that an empty one (an empty text) is not lost: "=3132 =7".
// nullopt is "-": an open end.
std::string encode(const std::optional<KeyValue>& key) {
    if (!key) {
        return "-";
    }
    std::string text;
    for (const std::string& value : *key) {
        text += (text.empty() ? "=" : "\t=") + value;
    }
    return text;
}

std::optional<KeyValue> decode(const std::string& text) {
    if (text.empty() || text == "-") {
        return std::nullopt;
    }
    KeyValue key;
    for (const std::string& value : split(text, '\t')) {
        key.push_back(value.empty() ? "" : value.substr(1));
    }
    return key;
}

// "after|up to" of every range that is done behind the low-water mark.
std::vector<std::string> encode_ranges(const std::vector<Range>& ranges) {
    std::vector<std::string> texts;
    for (const Range& range : ranges) {
        texts.push_back(encode(range.after) + "|" + encode(range.up_to));
    }
    return texts;
}

Result<std::vector<Range>> decode_ranges(const std::vector<std::string>& texts) {
    std::vector<Range> ranges;
    for (const std::string& text : texts) {
        const std::vector<std::string> ends = split(text, '|');
        if (ends.size() != 2) {
            return Error{Errc::kInvalidArgument, "state file: ranges: not two ends"};
        }
        ranges.push_back(Range{0, decode(ends[0]), decode(ends[1]), 0});
    }
    return ranges;
}

}  // namespace

const char* stage_name(Stage stage) {
    for (const auto& [one, name] : kStages) {
        if (one == stage) {
            return name;
        }
    }
    return "?";
}

std::optional<Stage> parse_stage(const std::string& text) {
    for (const auto& [one, name] : kStages) {
        if (text == name) {
            return one;
        }
    }
    return std::nullopt;
}

StateFile to_state_file(const Checkpoint& checkpoint) {
    StateFile file;
    file.engine = "lhm";
    file.step = stage_name(checkpoint.stage);
    file.db = checkpoint.database;
    file.orig_tbl = checkpoint.table;
    file.mig_tbl = names_for(checkpoint.table).shadow;
    file.old_tbl = checkpoint.archive;
    file.copy_id = checkpoint.copy_id;
    file.alter_hash = checkpoint.change_sha1;
    file.server = checkpoint.server.id;
    file.server_started = checkpoint.server.started_s;
    file.orig_ddl_hash = checkpoint.original_sha1;
    file.new_ddl_hash = checkpoint.shadow_sha1;
    file.orig_life = checkpoint.lives.original;
    file.new_life = checkpoint.lives.shadow;
    for (const TriggerFact& fact : checkpoint.triggers) {
        file.triggers.push_back(fmt::format("{} {} {}", fact.name, fact.created, fact.body_sha1));
    }
    file.row_key = checkpoint.key_signature;
    file.tbl_progress = checkpoint.rows;
    file.chunks = checkpoint.chunks;
    file.runs = checkpoint.runs;
    file.elapsed_s = checkpoint.elapsed_s;
    file.rows_estimate = checkpoint.rows_estimate;
    file.verified = checkpoint.verified;
    file.window_ends = checkpoint.window_ends;
    file.instant = checkpoint.instant;
    file.ledger = {encode(checkpoint.end), encode(checkpoint.ledger.low),
                   encode(checkpoint.ledger.frontier),
                   checkpoint.ledger.is_complete    ? "complete"
                   : checkpoint.ledger.is_given_out ? "given-out"
                                                    : "open"};
    file.ranges = encode_ranges(checkpoint.ledger.done);
    return file;
}

Result<Checkpoint> checkpoint_of(const StateFile& file) {
    Checkpoint checkpoint;
    const auto stage = parse_stage(file.step);
    if (file.engine != "lhm" || !stage || file.copy_id.empty()) {
        return Error{Errc::kInvalidArgument, "state file: not one of the lhm engine"};
    }
    checkpoint.database = file.db;
    checkpoint.table = file.orig_tbl;
    checkpoint.stage = *stage;
    checkpoint.copy_id = file.copy_id;
    checkpoint.archive = file.old_tbl;
    checkpoint.change_sha1 = file.alter_hash;
    checkpoint.server.id = file.server;
    checkpoint.server.started_s = file.server_started;
    checkpoint.original_sha1 = file.orig_ddl_hash;
    checkpoint.shadow_sha1 = file.new_ddl_hash;
    checkpoint.lives = {file.orig_life, file.new_life};
    for (const std::string& text : file.triggers) {
        // The name may hold blanks; the other two do not.
        const std::size_t sha1 = text.rfind(' ');
        const std::size_t created =
            sha1 == std::string::npos || sha1 == 0 ? sha1 : text.rfind(' ', sha1 - 1);
        if (sha1 == std::string::npos || created == std::string::npos) {
            return Error{Errc::kInvalidArgument, "state file: triggers: not NAME CREATED SHA1"};
        }
        checkpoint.triggers.push_back({text.substr(0, created),
                                       text.substr(created + 1, sha1 - created - 1),
                                       text.substr(sha1 + 1)});
    }
    checkpoint.key_signature = file.row_key;
    checkpoint.rows = file.tbl_progress;
    checkpoint.chunks = file.chunks;
    checkpoint.runs = file.runs;
    checkpoint.elapsed_s = file.elapsed_s;
    checkpoint.rows_estimate = file.rows_estimate;
    checkpoint.verified = file.verified;
    checkpoint.window_ends = file.window_ends;
    checkpoint.instant = file.instant;
    if (!file.instant.empty() && !is_instant_algorithm(file.instant)) {
        return Error{Errc::kInvalidArgument, "state file: instant: no algorithm"};
    }
    if (file.ledger.size() == 4) {
        checkpoint.end = decode(file.ledger[0]);
        checkpoint.ledger.low = decode(file.ledger[1]);
        checkpoint.ledger.frontier = decode(file.ledger[2]);
        checkpoint.ledger.is_complete = file.ledger[3] == "complete";
        checkpoint.ledger.is_given_out = file.ledger[3] != "open";
    }
    ASSIGN_OR_RETURN(checkpoint.ledger.done, decode_ranges(file.ranges));
    return checkpoint;
}

std::string change_sha1(const std::vector<ChangeStatement>& statements, const Names& names) {
    std::string text = names.shadow;
    for (const ChangeStatement& statement : statements) {
        text += "\n" + canonical_ddl(statement.sql);
    }
    return sha1_hex(text);
}

}  // namespace shift::lhm
