#pragma once

#include <uv.h>

#include <functional>
#include <string>
#include <utility>

namespace shift {

// Writes `text` to `stream` and keeps the bytes until libuv is done with them, even when the
// stream's owner is gone by then. `done` runs from the loop; with status UV_ECANCELED the stream
// was closed meanwhile and its owner must not be touched.
// Errors: a negative libuv code; `done` is not called then.
inline int uv_send(uv_stream_t* stream, std::string text, std::function<void(int status)> done) {
    struct Sending {
        uv_write_t write{};
        std::string text;
        std::function<void(int)> done;
    };
    auto* sending = new Sending{.text = std::move(text), .done = std::move(done)};
    sending->write.data = sending;
    uv_buf_t bytes = uv_buf_init(sending->text.data(), static_cast<unsigned>(sending->text.size()));
    const int rc = uv_write(&sending->write, stream, &bytes, 1, [](uv_write_t* write, int status) {
        auto* sent = static_cast<Sending*>(write->data);
        if (sent->done) {
            sent->done(status);
        }
        delete sent;
    });
    if (rc != 0) {
        delete sending;
    }
    return rc;
}

}  // namespace shift
