#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "supervisor/metrics/metrics.h"

namespace shift {

// Builds a scrape in Prometheus' text format. Families one after the other, each with its samples:
//   out.family("shift_migrations", "gauge", "Migrations by state.");
//   out.sample({{"state", "running"}}, 3);
// Source: prometheus.io/docs/instrumenting/exposition_formats, version 0.0.4.
class Exposition {
  public:
    using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

    void family(std::string_view name, std::string_view type, std::string_view help);
    // Of the last family; `suffix` is added to its name.
    void sample(Labels labels, double value, std::string_view suffix = "");
    void histogram(const Histogram& histogram);
    const std::string& text() const { return text_; }

  private:
    std::string name_;
    std::string text_;
};

inline constexpr const char* kExpositionType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace shift
