#include "common/line_framer.h"

#include <algorithm>
#include <utility>

namespace shift {

std::vector<std::string> LineFramer::push(std::string_view bytes) {
    std::vector<std::string> lines;
    while (!bytes.empty()) {
        const std::size_t newline = bytes.find('\n');
        const std::string_view piece = bytes.substr(0, newline);
        if (!dropping_) {
            const std::size_t room = max_ - rest_.size();
            rest_ += piece.substr(0, std::min(room, piece.size()));
            if (piece.size() > room) {
                dropping_ = true;
                ++cut_;
            }
        }
        if (newline == std::string_view::npos) {
            break;
        }
        lines.push_back(std::exchange(rest_, std::string()));
        dropping_ = false;
        bytes.remove_prefix(newline + 1);
    }
    return lines;
}

std::string LineFramer::take_rest() {
    dropping_ = false;
    return std::exchange(rest_, std::string());
}

}  // namespace shift
