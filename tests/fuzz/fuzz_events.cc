// events.jsonl after a crash, a full disk or a power failure.

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "common/check.h"
#include "common/event_log.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const int fd = ::memfd_create("events", 0);
    CHECK(::ftruncate(fd, 0) == 0, "memfd");
    CHECK(::pwrite(fd, data, size, 0) == static_cast<ssize_t>(size), "memfd");
    shift::EventReader reader("/proc/self/fd/" + std::to_string(fd), 0);
    std::int64_t last = 0;
    for (int polls = 0;; ++polls) {
        CHECK(polls < 1000, "reading comes to an end");
        const auto events = reader.poll();
        CHECK(events.ok(), "a damaged file is no error");
        if (events->empty()) {
            break;
        }
        for (const shift::Json& event : *events) {
            const std::int64_t seq = shift::int_or(event, "seq", 0);
            CHECK(seq == last + 1 || seq > last, "numbers rise");
            last = seq;
        }
    }
    CHECK(reader.last_seq() == last, "the reader knows where it is");
    return 0;
}
