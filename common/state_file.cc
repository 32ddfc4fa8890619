#include "common/state_file.h"

// Read as a stream of YAML events and never as a tree: of the original's file 850 of 909 lines are
// a dump of pt-osc's option parser that nobody needs, its tags name perl classes, and aliases
// could make a small file grow without end. Only scalars and lists of scalars directly under the
// top mapping are looked at; everything deeper is skipped as it comes.

#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <optional>
#include <sstream>

#include "common/text.h"

namespace shift {
namespace {

constexpr std::size_t kStateFileBytesMax = 4UL * 1024 * 1024;
constexpr std::size_t kEventsMax = 1'000'000;
constexpr int kDepthMax = 100;
constexpr std::string_view kBinaryTag = "tag:yaml.org,2002:binary";

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string to_base64(std::string_view bytes) {
    std::string text;
    std::uint32_t bits = 0;
    int count = 0;
    for (const char c : bytes) {
        bits = bits << 8U | static_cast<unsigned char>(c);
        for (count += 8; count >= 6; count -= 6) {
            text += kBase64[bits >> (count - 6) & 0x3FU];
        }
    }
    if (count > 0) {
        text += kBase64[bits << (6 - count) & 0x3FU];
    }
    while (text.size() % 4 != 0) {
        text += '=';
    }
    return text;
}

std::optional<std::string> from_base64(std::string_view text) {
    std::string bytes;
    std::uint32_t bits = 0;
    int count = 0;
    for (const char c : text) {
        if (c == '=' || c == '\n' || c == ' ' || c == '\r') {
            continue;
        }
        const std::size_t value = kBase64.find(c);
        if (value == std::string_view::npos) {
            return std::nullopt;
        }
        bits = bits << 6U | static_cast<std::uint32_t>(value);
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes += static_cast<char>(bits >> count & 0xFFU);
        }
    }
    return bytes;
}

// One value under the top mapping. Neither scalar nor list: skipped (a mapping, nested lists).
struct Value {
    enum class Shape { kNull, kScalar, kList, kOther };
    Shape shape = Shape::kNull;
    std::string scalar;
    std::vector<std::string> list;
};

class TopLevel final : public YAML::EventHandler {
  public:
    std::map<std::string, Value> values;
    bool is_mapping = false;

    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
        count(mark);
        on_scalar(mark, std::nullopt);
    }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
        count(mark);
        if (depth_ == 1 && !key_) {
            throw YAML::ParserException(mark, "an alias as key");
        }
        on_other();
        if (depth_ == 1) {
            key_.reset();  // An alias is one event; collections end in leave().
        }
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  const std::string& text) override {
        count(mark);
        if (tag == kBinaryTag && depth_ <= 2) {
            auto bytes = from_base64(text);
            if (!bytes) {
                throw YAML::ParserException(mark, "not base64");
            }
            on_scalar(mark, *std::move(bytes));
            return;
        }
        on_scalar(mark, text);
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                         YAML::EmitterStyle::value) override {
        count(mark);
        if (depth_ == 1 && key_) {
            values[*key_].shape = Value::Shape::kList;
        } else {
            on_other();
        }
        enter(mark);
    }
    void OnSequenceEnd() override { leave(); }
    void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                    YAML::EmitterStyle::value) override {
        count(mark);
        if (depth_ == 0) {
            is_mapping = true;
        } else {
            if (depth_ == 1 && !key_) {
                throw YAML::ParserException(mark, "a mapping as key");
            }
            on_other();
        }
        enter(mark);
    }
    void OnMapEnd() override { leave(); }

  private:
    void count(const YAML::Mark& mark) {
        if (++events_ > kEventsMax) {
            throw YAML::ParserException(mark, "too many values");
        }
    }
    void enter(const YAML::Mark& mark) {
        if (++depth_ > kDepthMax) {
            throw YAML::ParserException(mark, "nested too deeply");
        }
    }
    void leave() {
        if (--depth_ == 1) {
            key_.reset();
        }
    }
    // A value that is neither a scalar nor the list itself, at any depth.
    void on_other() {
        if (depth_ <= 2 && key_) {
            values[*key_].shape = Value::Shape::kOther;
        }
    }
    void on_scalar(const YAML::Mark& mark, std::optional<std::string> text) {
        if (depth_ == 1 && !key_) {
            key_ = text.value_or("");
            if (!values.emplace(*key_, Value{}).second) {
                throw YAML::ParserException(mark, "the key '" + *key_ + "' is there twice");
            }
        } else if (depth_ == 1) {
            Value& value = values[*key_];
            value.shape = text ? Value::Shape::kScalar : Value::Shape::kNull;
            value.scalar = text.value_or("");
            key_.reset();
        } else if (depth_ == 2 && key_ && values[*key_].shape == Value::Shape::kList) {
            values[*key_].list.push_back(text.value_or(""));
        }
    }

    int depth_ = 0;
    std::size_t events_ = 0;
    std::optional<std::string> key_;
};

Error bad(const std::string& why) {
    return Error{Errc::kInvalidArgument, "state file: " + why};
}

using Values = std::map<std::string, Value>;

Status read_scalar(const Values& values, const char* key, std::string& into) {
    const auto it = values.find(key);
    if (it == values.end() || it->second.shape == Value::Shape::kNull) {
        return Ok{};
    }
    if (it->second.shape != Value::Shape::kScalar) {
        return bad(fmt::format("{}: not a single value", key));
    }
    into = it->second.scalar;
    return Ok{};
}

Status read_number(const Values& values, const char* key, std::int64_t& into) {
    std::string text;
    RETURN_IF_ERROR(read_scalar(values, key, text));
    if (text.empty()) {
        return Ok{};
    }
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
    if (error != std::errc{} || end != text.data() + text.size()) {
        return bad(fmt::format("{}: '{}' is not a whole number", key, utf8_prefix(text, 100)));
    }
    return Ok{};
}

Status read_list(const Values& values, const char* key, std::vector<std::string>& into) {
    const auto it = values.find(key);
    if (it == values.end() || it->second.shape == Value::Shape::kNull) {
        return Ok{};
    }
    if (it->second.shape != Value::Shape::kList) {
        return bad(fmt::format("{}: not a list of values", key));
    }
    into = it->second.list;
    return Ok{};
}

bool is_plain(std::string_view text) {
    static const std::vector<std::string> kReserved = {"null", "true", "false", "yes", "no",
                                                       "on",   "off",  "y",     "n"};
    if (text.empty() || (text[0] >= '0' && text[0] <= '9')) {
        return false;
    }
    for (const char c : text) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(c >= '0' && c <= '9')) {
            return false;
        }
    }
    for (const std::string& word : kReserved) {
        if (iequals_ascii(text, word)) {
            return false;
        }
    }
    return true;
}

std::string yaml_text(const std::string& text) {
    if (is_plain(text)) {
        return text;
    }
    // Bytes that are no UTF-8 (a boundary in a binary key) must come back exactly as they were;
    // NUL too, which not every reader takes from "\0".
    if (clean_utf8(text) != text || text.find('\0') != std::string::npos) {
        return "!!binary \"" + to_base64(text) + '"';
    }
    std::string out = "\"";
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += text[i];
        } else if (c == '\n') {
            out += "\\n";
        } else if (c < 0x20 || c == 0x7F) {
            out += fmt::format("\\x{:02x}", c);
        } else if (c == 0xC2 && static_cast<unsigned char>(text[i + 1]) < 0xA0) {
            // C1 controls, among them NEL, which YAML 1.1 takes for a line break.
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[++i]));
        } else if (text.compare(i, 3, "\xE2\x80\xA8") == 0 ||
                   text.compare(i, 3, "\xE2\x80\xA9") == 0) {
            out += text[i + 2] == '\xA8' ? "\\u2028" : "\\u2029";
            i += 2;
        } else if (text.compare(i, 3, "\xEF\xBB\xBF") == 0) {
            out += "\\ufeff";
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out + '"';
}

std::string yaml_list(const std::vector<std::string>& list) {
    if (list.empty()) {
        return " []\n";
    }
    std::string out = "\n";
    for (const std::string& item : list) {
        out += "  - " + yaml_text(item) + '\n';
    }
    return out;
}

}  // namespace

std::string random_copy_id() {
    std::uint64_t bits = 0;
    if (::getrandom(&bits, sizeof bits, 0) != static_cast<ssize_t>(sizeof bits)) {
        bits =
            static_cast<std::uint64_t>(::getpid()) << 32U ^
            static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
    }
    return fmt::format("{:016x}", bits);
}

std::string format_state_file(const StateFile& state) {
    std::string out = "---\n";
    const auto scalar = [&out](const char* key, const std::string& value) {
        out += fmt::format("{}: {}\n", key, value.empty() ? "~" : yaml_text(value));
    };
    scalar("step", state.step);
    out += state.row.empty() ? "row: ~\n" : "row:" + yaml_list(state.row);
    scalar("mig_tbl", state.mig_tbl);
    scalar("old_tbl", state.old_tbl);
    out += fmt::format("tbl_progress: {}\n", state.tbl_progress);
    scalar("orig_tbl", state.orig_tbl);
    scalar("db", state.db);
    scalar("engine", state.engine);
    out += fmt::format("migration: {}\nclaim: {}\n", state.migration, state.claim);
    scalar("saved_at", state.saved_at);
    out += "triggers:" + yaml_list(state.triggers);
    scalar("orig_ddl_hash", state.orig_ddl_hash);
    scalar("new_ddl_hash", state.new_ddl_hash);
    scalar("orig_life", state.orig_life);
    scalar("new_life", state.new_life);
    scalar("alter_hash", state.alter_hash);
    scalar("server", state.server);
    out += fmt::format("server_started: {}\n", state.server_started);
    scalar("copy_id", state.copy_id);
    out += state.row_enc.empty() ? "row_enc: ~\n" : "row_enc:" + yaml_list(state.row_enc);
    scalar("row_key", state.row_key);
    out += fmt::format("chunks: {}\nruns: {}\nelapsed_s: {}\nrows_estimate: {}\n", state.chunks,
                       state.runs, state.elapsed_s, state.rows_estimate);
    if (!state.ledger.empty()) {
        out += "ledger:" + yaml_list(state.ledger) + "ranges:" + yaml_list(state.ranges);
    }
    for (const auto& [key, value] :
         {std::pair("verified", &state.verified), std::pair("window_ends", &state.window_ends),
          std::pair("instant", &state.instant), std::pair("change", &state.change)}) {
        if (!value->empty()) {
            scalar(key, *value);
        }
    }
    return out;
}

Result<StateFile> parse_state_file(std::string_view text) {
    if (text.size() > kStateFileBytesMax) {
        return bad(fmt::format("larger than {} bytes", kStateFileBytesMax));
    }
    TopLevel top;
    try {
        std::istringstream stream{std::string(text)};
        YAML::Parser parser(stream);
        parser.HandleNextDocument(top);
    } catch (const YAML::Exception& e) {
        return bad(fmt::format("line {}: {}", e.mark.line + 1, e.msg));
    }
    if (!top.is_mapping) {
        return bad("not a mapping");
    }
    const Values& values = top.values;
    StateFile state;
    RETURN_IF_ERROR(read_scalar(values, "step", state.step));
    RETURN_IF_ERROR(read_list(values, "row", state.row));
    RETURN_IF_ERROR(read_scalar(values, "mig_tbl", state.mig_tbl));
    RETURN_IF_ERROR(read_scalar(values, "old_tbl", state.old_tbl));
    RETURN_IF_ERROR(read_number(values, "tbl_progress", state.tbl_progress));
    RETURN_IF_ERROR(read_scalar(values, "orig_tbl", state.orig_tbl));
    RETURN_IF_ERROR(read_scalar(values, "db", state.db));
    RETURN_IF_ERROR(read_scalar(values, "engine", state.engine));
    RETURN_IF_ERROR(read_number(values, "migration", state.migration));
    RETURN_IF_ERROR(read_number(values, "claim", state.claim));
    RETURN_IF_ERROR(read_scalar(values, "saved_at", state.saved_at));
    RETURN_IF_ERROR(read_list(values, "triggers", state.triggers));
    RETURN_IF_ERROR(read_scalar(values, "orig_ddl_hash", state.orig_ddl_hash));
    RETURN_IF_ERROR(read_scalar(values, "new_ddl_hash", state.new_ddl_hash));
    RETURN_IF_ERROR(read_scalar(values, "orig_life", state.orig_life));
    RETURN_IF_ERROR(read_scalar(values, "new_life", state.new_life));
    RETURN_IF_ERROR(read_scalar(values, "alter_hash", state.alter_hash));
    RETURN_IF_ERROR(read_scalar(values, "server", state.server));
    RETURN_IF_ERROR(read_number(values, "server_started", state.server_started));
    RETURN_IF_ERROR(read_scalar(values, "copy_id", state.copy_id));
    RETURN_IF_ERROR(read_list(values, "row_enc", state.row_enc));
    RETURN_IF_ERROR(read_scalar(values, "row_key", state.row_key));
    RETURN_IF_ERROR(read_number(values, "chunks", state.chunks));
    RETURN_IF_ERROR(read_number(values, "runs", state.runs));
    RETURN_IF_ERROR(read_number(values, "elapsed_s", state.elapsed_s));
    RETURN_IF_ERROR(read_number(values, "rows_estimate", state.rows_estimate));
    RETURN_IF_ERROR(read_list(values, "ledger", state.ledger));
    RETURN_IF_ERROR(read_list(values, "ranges", state.ranges));
    RETURN_IF_ERROR(read_scalar(values, "verified", state.verified));
    RETURN_IF_ERROR(read_scalar(values, "window_ends", state.window_ends));
    RETURN_IF_ERROR(read_scalar(values, "instant", state.instant));
    RETURN_IF_ERROR(read_scalar(values, "change", state.change));
    for (const auto& [key, value] : {std::pair("db", &state.db), std::pair("step", &state.step),
                                     std::pair("orig_tbl", &state.orig_tbl)}) {
        if (value->empty()) {
            return bad(fmt::format("{} is missing", key));
        }
    }
    return state;
}

}  // namespace shift
