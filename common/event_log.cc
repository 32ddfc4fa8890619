#include "common/event_log.h"

// The happy path: append() writes one line with one write() and, for durable kinds, an fdatasync();
// poll() reads from where it stopped. What can go wrong and is handled here:
//   - a full disk or a short write: the file is cut back to its last good line, so that a torn
//     line is never followed by another one; durable lines free the reserve and are tried again
//     until they are on the disk;
//   - a failed fdatasync: Linux drops the dirty pages, a second fdatasync would lie, so the line
//     is cut off and written anew;
//   - power loss: the file may be shorter than what the reader has seen, or end in NULs. The
//     reader goes by `seq` and reads from the start again whenever positions do not fit.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "common/clock.h"
#include "common/file.h"
#include "common/test_points.h"

namespace shift {
namespace {

constexpr std::uint64_t kReserveBytes = 1024 * 1024;
constexpr std::size_t kReadBytesMax = 4 * 1024 * 1024;
constexpr std::chrono::milliseconds kRetryPause{200};

Error io_error(const char* what, const std::string& path, int error) {
    return Error{Errc::kIo, fmt::format("{} {}: {}", what, path, std::strerror(error)), error};
}

// The seq of a well-formed line, or 0.
std::int64_t seq_of(const Json& line) {
    if (!line.is_object() || !line.contains("event") || !line["event"].is_string()) {
        return 0;
    }
    return get_int(line, "seq").value_or(0);
}

Result<UniqueFd> open_append(const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
    if (!fd) {
        return io_error("open", path, errno);
    }
    return fd;
}

Status make_reserve(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!fd) {
        return io_error("open", path, errno);
    }
    if (const int error = ::posix_fallocate(fd.get(), 0, kReserveBytes); error != 0) {
        return io_error("reserve space in", path, error);
    }
    return Ok{};
}

struct Tail {
    std::uint64_t good_bytes = 0;
    std::int64_t seq = 0;
};

// Where the last good line of an existing file ends, and its seq.
Result<Tail> find_tail(const std::string& path) {
    Tail tail;
    std::uint64_t offset = 0;
    for (;;) {
        ASSIGN_OR_RETURN(const std::string chunk, read_file_range(path, offset, kReadBytesMax));
        std::size_t begin = 0;
        for (std::size_t newline = chunk.find('\n'); newline != std::string::npos;
             newline = chunk.find('\n', begin)) {
            const auto line = parse_json(std::string_view(chunk).substr(begin, newline - begin));
            begin = newline + 1;
            if (line.ok() && seq_of(*line) > tail.seq) {
                tail = {offset + begin, seq_of(*line)};
            }
        }
        if (begin == 0) {
            return tail;
        }
        offset += begin;
    }
}

}  // namespace

bool is_durable_event(const std::string& kind) {
    return kind == event::kIntent || kind == event::kFact || kind == event::kNoReturn ||
           kind == event::kConnected;
}

namespace {
constexpr std::array<std::pair<Outcome, const char*>, 10> kOutcomeNames = {{
    {Outcome::kPrepared, "prepared"},
    {Outcome::kCopied, "copied"},
    {Outcome::kCompleted, "completed"},
    {Outcome::kStopped, "stopped"},
    {Outcome::kPaused, "paused"},
    {Outcome::kCancelled, "cancelled"},
    {Outcome::kFailed, "failed"},
    {Outcome::kError, "error"},
    {Outcome::kRetry, "retry"},
    {Outcome::kUndecided, "undecided"},
}};
}  // namespace

const char* outcome_name(Outcome outcome) {
    for (const auto& [value, name] : kOutcomeNames) {
        if (value == outcome) {
            return name;
        }
    }
    return "unknown";
}

std::optional<Outcome> parse_outcome(const std::string& name) {
    for (const auto& [value, candidate] : kOutcomeNames) {
        if (name == candidate) {
            return value;
        }
    }
    return std::nullopt;
}

EventWriter::EventWriter(UniqueFd fd, std::string path, std::string reserve_path,
                         std::uint64_t good_bytes, std::int64_t seq)
    : fd_(std::move(fd)),
      path_(std::move(path)),
      reserve_path_(std::move(reserve_path)),
      good_bytes_(good_bytes),
      seq_(seq) {}

Result<EventWriter> EventWriter::open(const std::string& path, const std::string& reserve_path) {
    ASSIGN_OR_RETURN(UniqueFd fd, open_append(path));
    RETURN_IF_ERROR(make_reserve(reserve_path));
    ASSIGN_OR_RETURN(const Tail tail, find_tail(path));
    return EventWriter(std::move(fd), path, reserve_path, tail.good_bytes, tail.seq);
}

Status EventWriter::append(const char* kind, Json fields) {
    const std::string name = kind;
    const bool durable = is_durable_event(name) || name == event::kOutcome;
    CHECK(fields.is_object() || fields.is_null(), "the fields of an event are an object");
    fields["seq"] = seq_ + 1;
    fields["at"] = iso_time(SystemClock().wall());
    fields["event"] = name;
    const std::string line = to_line(fields) + '\n';
    const std::string what = string_or(fields, "what", "");
    const std::string point = what.empty() ? name : name + ":" + what;
    if (durable) {
        crash_point("event", point);
    }
    for (bool reserve_freed = false;; std::this_thread::sleep_for(kRetryPause)) {
        Status status = write_line(line);
        if (status.ok() && durable && ::fdatasync(fd_.get()) != 0) {
            status = io_error("fdatasync", path_, errno);
        }
        if (status.ok()) {
            good_bytes_ += line.size();
            ++seq_;
            if (durable) {
                crash_point("event-written", point);
            }
            return Ok{};
        }
        // What is behind the last good line must not be seen as an event. When even this fails,
        // the next write_line() tries it again first.
        (void)::ftruncate(fd_.get(), static_cast<off_t>(good_bytes_));
        const int error = status.error().native;
        if (!durable || error == EBADF || error == EINVAL) {
            return status;
        }
        if (!reserve_freed) {
            reserve_freed = true;
            (void)remove_file(reserve_path_);
            if (write_line(line).ok() && ::fdatasync(fd_.get()) == 0) {
                good_bytes_ += line.size();
                ++seq_;
                return Ok{};
            }
            (void)::ftruncate(fd_.get(), static_cast<off_t>(good_bytes_));
        }
    }
}

Status EventWriter::write_line(const std::string& line) {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) {
        return io_error("stat", path_, errno);
    }
    const auto size = static_cast<std::uint64_t>(info.st_size);
    if (size < good_bytes_) {
        good_bytes_ = size;  // Somebody cut our file; extending it would only add NULs.
    } else if (size > good_bytes_ && ::ftruncate(fd_.get(), static_cast<off_t>(good_bytes_)) != 0) {
        return io_error("truncate", path_, errno);
    }
    ssize_t put = -1;
    do {
        put = ::write(fd_.get(), line.data(), line.size());
    } while (put < 0 && errno == EINTR);
    if (put < 0) {
        return io_error("write", path_, errno);
    }
    if (static_cast<std::size_t>(put) != line.size()) {
        return io_error("write", path_, ENOSPC);  // A short write has no errno; this is its cause.
    }
    return Ok{};
}

Result<std::vector<Json>> EventReader::poll() {
    std::vector<Json> events;
    for (;;) {
        const auto size = file_size(path_);
        if (!size) {
            offset_ = 0;
            return events;
        }
        if (*size < offset_) {
            rewind();
        }
        // One byte before our position must be a newline, else the file was cut and grew again.
        const std::uint64_t from = offset_ > 0 ? offset_ - 1 : 0;
        ASSIGN_OR_RETURN(const std::string chunk, read_file_range(path_, from, kReadBytesMax));
        std::size_t begin = offset_ > 0 ? 1 : 0;
        if (begin > chunk.size() || (begin == 1 && !skipping_ && chunk[0] != '\n')) {
            rewind();
            continue;
        }
        if (!take_lines(chunk, begin, from, events)) {
            events.clear();  // Nothing was taken: the first line already did not fit.
            rewind();
            continue;
        }
        const bool at_end = chunk.size() < kReadBytesMax;
        if (!events.empty() || at_end) {
            return events;
        }
    }
}

void EventReader::rewind() {
    offset_ = 0;
    skipping_ = false;
}

// Takes the complete lines of `chunk` (which lies at `from` in the file) from `begin` on. False
// when a gap says that lines were written before our position: the caller rewinds once.
bool EventReader::take_lines(const std::string& chunk, std::size_t begin, std::uint64_t from,
                             std::vector<Json>& events) {
    for (;;) {
        const std::size_t newline = chunk.find('\n', begin);
        if (newline == std::string::npos) {
            if (chunk.size() - begin >= kReadBytesMax - 1) {
                // No line of ours is that long; drop what is there, go on after its newline.
                count_damage(from + begin);
                skipping_ = true;
                offset_ = from + chunk.size();
            }
            return true;
        }
        const std::uint64_t position = from + begin;
        const std::string_view text = std::string_view(chunk).substr(begin, newline - begin);
        begin = newline + 1;
        if (std::exchange(skipping_, false)) {
            offset_ = from + begin;
            continue;
        }
        auto line = parse_json(text);
        const std::int64_t seq = line.ok() ? seq_of(*line) : 0;
        if (seq <= 0) {
            count_damage(position);
        } else if (seq > seq_) {
            if (seq != seq_ + 1 && gap_seen_at_ != seq) {
                gap_seen_at_ = seq;
                if (events.empty() && position > 0 && seq_ > 0) {
                    return false;
                }
            }
            if (seq != seq_ + 1 && !damage_since_good_) {
                ++damaged_;
            }
            damage_since_good_ = false;
            seq_ = seq;
            events.push_back(*std::move(line));
        }
        offset_ = from + begin;
    }
}

void EventReader::count_damage(std::uint64_t position) {
    damage_since_good_ = true;
    // Reading again from the start must not count the same line twice.
    if (position >= counted_until_) {
        ++damaged_;
        counted_until_ = position + 1;
    }
}

}  // namespace shift
