#include "worker/lhm/cli/state_store.h"

#include <fmt/format.h>

#include <cctype>
#include <cstdlib>
#include <filesystem>

#include "common/clock.h"
#include "common/file.h"
#include "common/text.h"
#include "worker/mysql/sha1.h"

namespace shift::lhm {
namespace {

constexpr std::size_t kStateBytesMax = std::size_t{4} * 1024 * 1024;
constexpr std::size_t kNameBytesMax = 60;
constexpr std::size_t kHashDigits = 10;

Result<std::string> usual_folder() {
    if (const char* given = std::getenv("XDG_STATE_HOME"); given != nullptr && *given == '/') {
        return std::string(given) + "/shift-lhm";
    }
    if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
        return std::string(home) + "/.local/state/shift-lhm";
    }
    return Error{Errc::kInvalidArgument,
                 "neither HOME nor XDG_STATE_HOME is set: say --state-file"};
}

// Readable, and apart from every other by the hash.
std::string file_name(const std::string& server, const QualifiedTable& table) {
    std::string name = table.database + "." + table.table;
    for (char& c : name) {
        if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '_') {
            c = '-';
        }
    }
    std::string key = server;
    for (const std::string* part : {&table.database, &table.table}) {
        key += '\0' + *part;
    }
    return fmt::format("{}-{}.yaml", name.substr(0, kNameBytesMax),
                       sha1_hex(key).substr(0, kHashDigits));
}

}  // namespace

Result<StateStore> StateStore::open(const std::string& file, const std::string& server,
                                    const QualifiedTable& table) {
    if (!file.empty()) {
        return StateStore(file);
    }
    ASSIGN_OR_RETURN(const std::string folder, usual_folder());
    RETURN_IF_ERROR(make_directories(folder, 0700));
    return StateStore(folder + "/" + file_name(server, table));
}

Result<std::optional<StateFile>> StateStore::load() const {
    const auto text = read_file(path_, kStateBytesMax);
    if (!text.ok()) {
        if (text.error().code == Errc::kNotFound) {
            return std::optional<StateFile>();
        }
        return text.error();
    }
    auto file = parse_state_file(*text);
    if (!file.ok()) {
        return std::move(file).error().within(path_);
    }
    return std::optional(*std::move(file));
}

Status StateStore::save(const Checkpoint& checkpoint, const PlanFile& plan) const {
    StateFile file = to_state_file(checkpoint);
    file.saved_at = iso_time(std::chrono::system_clock::now());
    file.change = format_plan_file(plan);
    return write_file_atomic(path_, format_state_file(file), 0600);
}

Status StateStore::remove() const {
    return remove_file(path_);
}

std::vector<std::pair<std::string, StateFile>> all_states() {
    std::vector<std::pair<std::string, StateFile>> found;
    const auto folder = usual_folder();
    if (!folder.ok()) {
        return found;
    }
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(*folder, error)) {
        const std::string path = entry.path().native();
        if (!path.ends_with(".yaml")) {
            continue;
        }
        const auto text = read_file(path, kStateBytesMax);
        if (text.ok()) {
            if (auto file = parse_state_file(*text); file.ok()) {
                found.emplace_back(path, *std::move(file));
            }
        }
    }
    return found;
}

}  // namespace shift::lhm
