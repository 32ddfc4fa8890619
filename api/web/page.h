#pragma once

#include <string_view>

namespace shift::api {

// The whole web page: one HTML document with its style and script, no other resources.
std::string_view web_page();

}  // namespace shift::api
