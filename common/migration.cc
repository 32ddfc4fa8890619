#include "common/migration.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "common/engines.h"
#include "common/text.h"

namespace shift {
namespace {

template <typename E, std::size_t N>
using Names = std::array<std::pair<E, const char*>, N>;

template <typename E, std::size_t N>
const char* name_of(const Names<E, N>& names, E value) {
    for (const auto& [candidate, name] : names) {
        if (candidate == value) {
            return name;
        }
    }
    return "unknown";
}

template <typename E, std::size_t N>
std::optional<E> value_of(const Names<E, N>& names, std::string_view name) {
    for (const auto& [value, candidate] : names) {
        if (name == candidate) {
            return value;
        }
    }
    return std::nullopt;
}

constexpr Names<Step, 5> kStepNames = {{{Step::kPrepare, "prepare"},
                                        {Step::kRun, "run"},
                                        {Step::kRename, "rename"},
                                        {Step::kPause, "pause"},
                                        {Step::kCancel, "cancel"}}};
constexpr Names<Mode, 2> kModeNames = {{{Mode::kTable, "table"}, {Mode::kView, "view"}}};
constexpr Names<Action, 3> kActionNames = {
    {{Action::kCreate, "create"}, {Action::kDrop, "drop"}, {Action::kAlter, "alter"}}};
constexpr Names<Runtype, 4> kRuntypeNames = {{{Runtype::kUndecided, "undecided"},
                                              {Runtype::kLong, "long"},
                                              {Runtype::kShort, "short"},
                                              {Runtype::kNoCheckAlter, "nocheckalter"}}};

// Reads the fields of one migration; remembers the first complaint. The fields of a pause or a
// cancel that only a copy would need are taken for absent when they are wrong: these two steps
// must never be skipped, and the API lists them with holes when the target is down.
class FieldReader {
  public:
    explicit FieldReader(const Json& object) : object_(object) {}

    void set_lenient() { lenient_ = true; }

    // Integer in the range of T; `fallback` for a missing, null or empty one.
    template <typename T>
    T integer(const char* key, T fallback, bool required = false) {
        const Json* value = find(key);
        if (value == nullptr ||
            (value->is_string() && value->get_ref<const std::string&>().empty())) {
            if (required) {
                complain(key, "missing");
            }
            return fallback;
        }
        const auto number = get_int(object_, key);
        if (!number) {
            complain_unless_lenient(key, "not an integer", required);
            return fallback;
        }
        if (*number < std::numeric_limits<T>::min() || *number > std::numeric_limits<T>::max()) {
            complain_unless_lenient(key, "out of range", required);
            return fallback;
        }
        return static_cast<T>(*number);
    }

    std::string text(const char* key) {
        const Json* value = find(key);
        if (value == nullptr) {
            return {};
        }
        // Not get_string(): a number in place of a name would pass for a name.
        if (!value->is_string()) {
            complain_unless_lenient(key, "not a text", false);
            return {};
        }
        std::string text = value->get<std::string>();
        if (text.find('\0') != std::string::npos) {
            complain_unless_lenient(key, "holds a NUL character", false);
            return {};
        }
        return text;
    }

    bool boolean(const char* key) {
        const Json* value = find(key);
        if (value == nullptr) {
            return false;
        }
        const auto flag = get_bool(object_, key);
        if (!flag) {
            complain_unless_lenient(key, "not a boolean", false);
        }
        return flag.value_or(false);
    }

    // An enumeration the API sends as a number 0..last.
    template <typename E>
    std::optional<E> enumeration(const char* key, E last) {
        const int number = integer<int>(key, -1);
        if (number == -1 && !present(key)) {
            return std::nullopt;
        }
        if (number < 0 || number > static_cast<int>(last)) {
            complain_unless_lenient(key, fmt::format("unknown value {}", number), false);
            return std::nullopt;
        }
        return static_cast<E>(number);
    }

    void complain(const char* key, const std::string& what) {
        if (complaint_.empty()) {
            complaint_ = fmt::format("{}: {}", key, what);
        }
    }
    void complain_unless_lenient(const char* key, const std::string& what, bool required) {
        if (required || !lenient_) {
            complain(key, what);
        }
    }
    const std::string& complaint() const { return complaint_; }

  private:
    const Json* find(const char* key) const {
        const auto it = object_.find(key);
        return it == object_.end() || it->is_null() ? nullptr : &*it;
    }
    bool present(const char* key) const {
        const Json* value = find(key);
        return value != nullptr &&
               !(value->is_string() && value->get_ref<const std::string&>().empty());
    }

    const Json& object_;
    std::string complaint_;
    bool lenient_ = false;
};

// Numbers of the API's runtype; 3 and 5 (maybe...) exist only in initial_runtype.
std::optional<Runtype> runtype_of_number(int number) {
    switch (number) {
        case 0:
            return Runtype::kUndecided;
        case 1:
            return Runtype::kLong;
        case 2:
            return Runtype::kShort;
        case 4:
            return Runtype::kNoCheckAlter;
        default:
            return std::nullopt;
    }
}

// A positive whole number in `object[key]`; the default stays for missing, null and "".
Status read_positive(const Json& object, const char* key, int& value) {
    const auto text = get_string(object, key);
    if (object.contains(key) && (object[key].is_object() || object[key].is_array())) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("custom option {}: not a positive number", key)};
    }
    if (!text || trim(*text).empty()) {
        return Ok{};
    }
    const std::string_view digits = trim(*text);
    int number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc{} || end != digits.data() + digits.size() || number <= 0) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("custom option {}: '{}' is not a positive number", key,
                                 utf8_prefix(*text, 100))};
    }
    value = number;
    return Ok{};
}

Status read_flag(const Json& object, const char* key, bool& value) {
    if (!object.contains(key) || object[key].is_null() || object[key] == "") {
        return Ok{};
    }
    const auto flag = get_bool(object, key);
    if (!flag) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("custom option {}: not true or false", key)};
    }
    value = *flag;
    return Ok{};
}

Status read_text(const Json& object, const char* key, std::string& value) {
    if (object.contains(key) && (object[key].is_object() || object[key].is_array())) {
        return Error{Errc::kInvalidArgument, fmt::format("custom option {}: not a text", key)};
    }
    value = string_or(object, key, "");
    if (value.find('\0') != std::string::npos) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("custom option {}: holds a NUL character", key)};
    }
    return Ok{};
}

}  // namespace

const char* api_status_name(int status) {
    switch (status) {
        case 0:
            return "preparing";
        case 1:
            return "awaiting approval";
        case 2:
            return "awaiting start";
        case 3:
            return "running";
        case 4:
            return "awaiting rename";
        case 5:
            return "renaming";
        case 6:
            return "awaiting drop";
        case 7:
            return "dropping";
        case 8:
            return "completed";
        case 9:
            return "canceled";
        case 10:
            return "failed";
        case 11:
            return "pausing";
        case 12:
            return "paused";
        case 13:
            return "error";
        case 14:
            return "enqueued";
        default:
            break;
    }
    // The names of unknown numbers live here: few, and a `const char*` cannot own its text.
    thread_local std::string unknown;
    unknown = fmt::format("status {}", status);
    return unknown.c_str();
}

NextMove next_move(int status) {
    switch (static_cast<ApiStatus>(status)) {
        case ApiStatus::kCompleted:
        case ApiStatus::kCanceled:
        case ApiStatus::kFailed:
            return NextMove::kNobody;
        case ApiStatus::kPreparing:
        case ApiStatus::kRunning:
        case ApiStatus::kRenaming:
        case ApiStatus::kPausing:
        case ApiStatus::kEnqueued:
            return NextMove::kRunner;
        case ApiStatus::kAwaitingApproval:
        case ApiStatus::kAwaitingStart:
        case ApiStatus::kAwaitingRename:
        case ApiStatus::kAwaitingDrop:
        case ApiStatus::kDropping:
        case ApiStatus::kPaused:
        case ApiStatus::kError:
            break;
    }
    return NextMove::kPeople;
}

bool is_final_status(int status) {
    return next_move(status) == NextMove::kNobody;
}

const char* step_name(Step step) {
    return name_of(kStepNames, step);
}
std::optional<Step> parse_step(const std::string& name) {
    return value_of(kStepNames, name);
}

std::optional<Step> step_of_status(int status) {
    switch (status) {
        case static_cast<int>(ApiStatus::kPreparing):
            return Step::kPrepare;
        case static_cast<int>(ApiStatus::kRunning):
            return Step::kRun;
        case static_cast<int>(ApiStatus::kRenaming):
            return Step::kRename;
        case static_cast<int>(ApiStatus::kPausing):
            return Step::kPause;
        case static_cast<int>(ApiStatus::kCanceled):
            return Step::kCancel;
        default:
            return std::nullopt;
    }
}

int status_of_step(Step step) {
    switch (step) {
        case Step::kPrepare:
            return static_cast<int>(ApiStatus::kPreparing);
        case Step::kRun:
            return static_cast<int>(ApiStatus::kRunning);
        case Step::kRename:
            return static_cast<int>(ApiStatus::kRenaming);
        case Step::kPause:
            return static_cast<int>(ApiStatus::kPausing);
        case Step::kCancel:
            return static_cast<int>(ApiStatus::kCanceled);
    }
    return -1;
}

const char* mode_name(Mode mode) {
    return name_of(kModeNames, mode);
}
const char* action_name(Action action) {
    return name_of(kActionNames, action);
}
const char* runtype_name(Runtype runtype) {
    return name_of(kRuntypeNames, runtype);
}
std::optional<Mode> parse_mode(const std::string& name) {
    return value_of(kModeNames, name);
}
std::optional<Action> parse_action(const std::string& name) {
    return value_of(kActionNames, name);
}
std::optional<Runtype> parse_runtype(const std::string& name) {
    return value_of(kRuntypeNames, name);
}

Result<CustomOptions> parse_custom_options(const std::string& text) {
    CustomOptions options;
    const std::string_view trimmed = trim(text);
    if (trimmed.empty() || trimmed == "null") {
        return options;
    }
    auto parsed = parse_json(trimmed);
    if (!parsed.ok()) {
        return std::move(parsed).error().within("custom options");
    }
    if (!parsed->is_object()) {
        return Error{Errc::kInvalidArgument, "custom options: not a JSON object"};
    }
    RETURN_IF_ERROR(read_positive(*parsed, "max_threads_running", options.max_threads_running));
    RETURN_IF_ERROR(read_positive(*parsed, "max_replication_lag", options.max_replication_lag));
    RETURN_IF_ERROR(read_text(*parsed, "config_path", options.config_path));
    RETURN_IF_ERROR(read_text(*parsed, "recursion_method", options.recursion_method));
    RETURN_IF_ERROR(read_text(*parsed, "engine", options.engine));
    RETURN_IF_ERROR(read_flag(*parsed, "allow_loss", options.allow_loss));
    if (!options.engine.empty()) {
        if (Status known = check_engine(options.engine); !known.ok()) {
            return std::move(known).error().within("custom option engine");
        }
    }
    return options;
}

Json to_json(const CustomOptions& options) {
    return Json{{"max_threads_running", options.max_threads_running},
                {"max_replication_lag", options.max_replication_lag},
                {"config_path", options.config_path},
                {"recursion_method", options.recursion_method},
                {"engine", options.engine},
                {"allow_loss", options.allow_loss}};
}

Result<Migration> parse_migration(const Json& value) {
    if (!value.is_object()) {
        return Error{Errc::kInvalidArgument, "migration: not a JSON object"};
    }
    FieldReader reader(value);
    Migration migration;
    migration.id = reader.integer<std::int64_t>("id", 0, true);
    if (reader.complaint().empty() && migration.id <= 0) {
        reader.complain("id", "not positive");
    }
    migration.status = reader.integer<int>("status", 0, true);
    if (migration.status == static_cast<int>(ApiStatus::kCanceled) ||
        migration.status == static_cast<int>(ApiStatus::kPausing)) {
        reader.set_lenient();
    }
    migration.lock_version = reader.integer<std::int64_t>("lock_version", 0);
    migration.staged = reader.boolean("staged");
    migration.cluster_name = reader.text("cluster_name");
    migration.database = reader.text("database");
    migration.ddl_statement = reader.text("ddl_statement");
    migration.final_insert = reader.text("final_insert");
    migration.table = reader.text("table");
    migration.mode = reader.enumeration("mode", Mode::kView);
    migration.action = reader.enumeration("action", Action::kAlter);
    const int runtype = reader.integer<int>("runtype", 0);
    if (const auto known = runtype_of_number(runtype)) {
        migration.runtype = *known;
    } else {
        reader.complain_unless_lenient("runtype", fmt::format("unknown value {}", runtype), false);
    }
    migration.run_host = reader.text("run_host");
    migration.host = reader.text("host");
    migration.port = reader.integer<int>("port", 0);
    // A text by the API's definition; an object means the same.
    const auto options = value.find("custom_options");
    migration.custom_options = options != value.end() && options->is_object()
                                   ? to_line(*options)
                                   : reader.text("custom_options");
    if (!reader.complaint().empty()) {
        const std::string name =
            migration.id > 0 ? fmt::format("migration {}", migration.id) : "migration";
        return Error{Errc::kInvalidArgument, name + ": " + reader.complaint()};
    }
    return migration;
}

std::string missing_for_step(const Migration& migration, Step step) {
    if (step == Step::kPause || step == Step::kCancel) {
        return {};
    }
    if (migration.host.empty()) {
        return "host";
    }
    if (migration.port < 1 || migration.port > 65535) {
        return "port";
    }
    if (migration.database.empty()) {
        return "database";
    }
    if (migration.table.empty()) {
        return "table";
    }
    if (!migration.mode) {
        return "mode";
    }
    if (!migration.action) {
        return "action";
    }
    if (trim(migration.ddl_statement).empty()) {
        return "ddl_statement";
    }
    if (step == Step::kRun && migration.runtype == Runtype::kUndecided) {
        return "runtype";
    }
    return {};
}

bool is_copy(const Migration& migration, Step step) {
    return step == Step::kRun && migration.runtype != Runtype::kShort &&
           migration.action == Action::kAlter;
}

bool is_direct(const Migration& migration, Step step) {
    return step == Step::kRun && !is_copy(migration, step);
}

}  // namespace shift
