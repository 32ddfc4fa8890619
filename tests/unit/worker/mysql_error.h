#pragma once

#include "worker/mysql/errors.h"

namespace shift {

// As a connection gives back the server's error `native`.
inline Error mysql_error(unsigned native) {
    return Error{errc_of_mysql(native), "x", static_cast<int>(native)};
}

}  // namespace shift
