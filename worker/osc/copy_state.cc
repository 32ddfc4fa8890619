#include "worker/osc/copy_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "common/text.h"

namespace shift {
namespace {

constexpr std::string_view kFormat = "shift-ptosc-state 1";
constexpr std::string_view kEnd = "end";
constexpr std::size_t kTriggersMax = 16;

Error bad(const std::string& why) {
    return Error{Errc::kInvalidArgument, "saved copy state: " + why};
}

std::optional<std::string> from_hex(std::string_view hex) {
    if (hex.size() % 2 != 0) {
        return std::nullopt;
    }
    std::string bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        unsigned value = 0;
        const auto [end, error] = std::from_chars(hex.data() + i, hex.data() + i + 2, value, 16);
        if (error != std::errc{} || end != hex.data() + i + 2) {
            return std::nullopt;
        }
        bytes.push_back(static_cast<char>(value));
    }
    return bytes;
}

std::string to_hex(std::string_view bytes) {
    std::string hex;
    for (const char c : bytes) {
        hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
    }
    return hex;
}

bool is_encoded(std::string_view value) {
    return value == "n" || (!value.empty() && (value[0] == 'b' || value[0] == 'u') &&
                            from_hex(value.substr(1)).has_value());
}

bool is_word(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    });
}

// Digits with an optional fraction; the fraction of the whole is dropped.
bool parse_number(std::string_view text, std::int64_t& into) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
    return error == std::errc{} && into >= 0 && (end == text.data() + text.size() || *end == '.');
}

Result<OscCopyState::Trigger> parse_trigger(std::string_view text) {
    const std::vector<std::string> parts = split(text, ' ');
    const auto name = parts.size() == 3 ? from_hex(parts[0]) : std::nullopt;
    if (!name || !is_word(parts[1]) || !is_word(parts[2])) {
        return bad("a trigger of a wrong shape");
    }
    return OscCopyState::Trigger{*name, parts[1], parts[2]};
}

Status check(OscCopyState& state) {
    std::sort(state.triggers.begin(), state.triggers.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    for (const std::string* word : {&state.copy_id, &state.step, &state.orig_ddl, &state.new_ddl}) {
        if (!is_word(*word)) {
            return bad("'" + std::string(utf8_prefix(*word, 100)) + "' is not a word");
        }
    }
    if (!std::all_of(state.row_enc.begin(), state.row_enc.end(), is_encoded) ||
        (!state.key.empty() && !is_encoded(state.key))) {
        return bad("a boundary value of a wrong shape");
    }
    if (state.triggers.size() > kTriggersMax) {
        return bad("too many triggers");
    }
    return Ok{};
}

Status take_line(OscCopyState& state, const std::string& key, const std::string& value) {
    const std::map<std::string, std::int64_t*> numbers = {
        {"rows", &state.rows},         {"chunks", &state.chunks},     {"runs", &state.runs},
        {"elapsed", &state.elapsed_s}, {"estimate", &state.estimate}, {"pid", &state.pid}};
    const std::map<std::string, std::string*> words = {{"copy_id", &state.copy_id},
                                                       {"step", &state.step},
                                                       {"orig_ddl", &state.orig_ddl},
                                                       {"new_ddl", &state.new_ddl}};
    if (const auto it = numbers.find(key); it != numbers.end()) {
        if (!parse_number(value, *it->second)) {
            return bad(key + " is not a number");
        }
    } else if (const auto word = words.find(key); word != words.end()) {
        *word->second = value;
    } else if (key == "table") {
        const auto text = value.empty() ? std::nullopt : from_hex(value.substr(1));
        if (!text) {
            return bad(key + " has a wrong shape");
        }
        state.shadow = *text;
    } else if (key == "key") {
        state.key = value;
    } else if (key == "trigger") {
        ASSIGN_OR_RETURN(auto trigger, parse_trigger(value));
        state.triggers.push_back(std::move(trigger));
    } else if (key == "row") {
        state.row_enc = split(value, ' ');
    }
    return Ok{};
}

}  // namespace

Result<OscCopyState> parse_copy_state(std::string_view text) {
    std::vector<std::string> lines = split(text, '\n');
    if (lines.size() < 3 || lines.front() != kFormat || !lines.back().empty() ||
        lines[lines.size() - 2] != kEnd) {
        return bad("not whole");
    }
    OscCopyState state;
    for (std::size_t i = 1; i + 2 < lines.size(); ++i) {
        const std::size_t space = lines[i].find(' ');
        const std::string value = space == std::string::npos ? "" : lines[i].substr(space + 1);
        RETURN_IF_ERROR(take_line(state, lines[i].substr(0, space), value));
    }
    RETURN_IF_ERROR(check(state));
    return state;
}

std::string format_copy_state(const OscCopyState& state) {
    std::string out = fmt::format(
        "{}\ncopy_id {}\nstep {}\nrows {}\nchunks {}\nruns {}\nelapsed {}\nestimate {}\npid {}\n",
        kFormat, state.copy_id, state.step, state.rows, state.chunks, state.runs, state.elapsed_s,
        state.estimate, state.pid);
    out += fmt::format("orig_ddl {}\nnew_ddl {}\ntable b{}\n", state.orig_ddl, state.new_ddl,
                       to_hex(state.shadow));
    for (const OscCopyState::Trigger& trigger : state.triggers) {
        out += fmt::format("trigger {} {} {}\n", to_hex(trigger.name), trigger.created,
                           trigger.body_sha1);
    }
    if (!state.key.empty()) {
        out += fmt::format("key {}\n", state.key);
    }
    if (!state.row_enc.empty()) {
        out += "row";
        for (const std::string& value : state.row_enc) {
            out += " " + value;
        }
        out += "\n";
    }
    return out + std::string(kEnd) + "\n";
}

void put_copy_state(StateFile& file, const OscCopyState& state) {
    file.copy_id = state.copy_id;
    file.step = state.step;
    file.mig_tbl = state.shadow;
    file.tbl_progress = state.rows;
    file.chunks = state.chunks;
    file.runs = state.runs;
    file.elapsed_s = state.elapsed_s;
    file.rows_estimate = state.estimate;
    file.orig_ddl_hash = state.orig_ddl;
    file.new_ddl_hash = state.new_ddl;
    file.row_key = state.key;
    file.row_enc = state.row_enc;
    file.row.clear();
    for (const std::string& value : state.row_enc) {
        file.row.push_back(decode_boundary_value(value));
    }
    if (!state.triggers.empty()) {
        file.triggers.clear();
        for (const OscCopyState::Trigger& trigger : state.triggers) {
            file.triggers.push_back(
                fmt::format("{} {} {}", trigger.name, trigger.created, trigger.body_sha1));
        }
    }
}

Result<OscCopyState> copy_state_of(const StateFile& file) {
    OscCopyState state;
    state.copy_id = file.copy_id;
    state.step = file.step;
    state.shadow = file.mig_tbl;
    state.rows = file.tbl_progress;
    state.chunks = file.chunks;
    state.runs = file.runs;
    state.elapsed_s = file.elapsed_s;
    state.estimate = file.rows_estimate;
    state.orig_ddl = file.orig_ddl_hash;
    state.new_ddl = file.new_ddl_hash;
    state.key = file.row_key;
    state.row_enc = file.row_enc;
    for (const std::string& text : file.triggers) {
        const std::vector<std::string> parts = split(text, ' ');
        if (parts.size() == 3) {
            state.triggers.push_back({parts[0], parts[1], parts[2]});
        }
    }
    RETURN_IF_ERROR(check(state));
    for (const OscCopyState::Trigger& trigger : state.triggers) {
        if (!is_word(trigger.created) || !is_word(trigger.body_sha1)) {
            return bad("a trigger of a wrong shape");
        }
    }
    return state;
}

std::string decode_boundary_value(std::string_view encoded) {
    if (encoded == "n" || encoded.empty()) {
        return "NULL";
    }
    return from_hex(encoded.substr(1)).value_or("?");
}

}  // namespace shift
