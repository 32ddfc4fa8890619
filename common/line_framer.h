#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace shift {

// Bytes in, lines out. A line longer than `line_bytes_max` is given as its first line_bytes_max
// bytes once, the rest up to the newline is dropped (and counted): a peer cannot make us grow.
class LineFramer {
  public:
    explicit LineFramer(std::size_t line_bytes_max) : max_(line_bytes_max) {}

    // Complete lines (without newline) that `bytes` ended.
    std::vector<std::string> push(std::string_view bytes);
    // What is left without a newline; empties the framer.
    std::string take_rest();
    std::size_t cut_lines() const { return cut_; }

  private:
    std::size_t max_;
    std::string rest_;
    bool dropping_ = false;
    std::size_t cut_ = 0;
};

}  // namespace shift
