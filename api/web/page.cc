#include "api/web/page.h"

namespace shift::api {

std::string_view web_page() {
    return "<!DOCTYPE html><title>shift</title>";
}

}  // namespace shift::api
