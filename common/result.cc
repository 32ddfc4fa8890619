#include "common/result.h"

namespace shift {

const char* errc_name(Errc code) {
    switch (code) {
        case Errc::kInvalidArgument: return "invalid argument";
        case Errc::kNotFound: return "not found";
        case Errc::kConflict: return "conflict";
        case Errc::kUnavailable: return "unavailable";
        case Errc::kDeadline: return "effect unknown";
        case Errc::kIo: return "input/output";
        case Errc::kInternal: return "internal";
    }
    return "unknown";
}

}  // namespace shift
