#pragma once

#include <gtest/gtest.h>
#include <uv.h>

#include <memory>
#include <thread>

namespace shift {

// A fixture with a libuv loop that runs on a thread of its own, for a server S to be asked from the
// outside. Nothing may be left open at the end.
template <typename S>
class LoopThread : public ::testing::Test {
  protected:
    LoopThread() {
        uv_loop_init(&loop_);
        uv_async_init(&loop_, &stop_, [](uv_async_t* async) { uv_stop(async->loop); });
    }
    ~LoopThread() override {
        if (thread_.joinable()) {
            uv_async_send(&stop_);
            thread_.join();
        }
        server_.reset();
        uv_close(reinterpret_cast<uv_handle_t*>(&stop_), nullptr);
        uv_run(&loop_, UV_RUN_DEFAULT);
        EXPECT_EQ(uv_loop_close(&loop_), 0);
    }
    // From here on the loop is the thread's.
    void run(std::unique_ptr<S> server) {
        server_ = std::move(server);
        thread_ = std::thread([this] { uv_run(&loop_, UV_RUN_DEFAULT); });
    }

    uv_loop_t loop_;
    std::unique_ptr<S> server_;

  private:
    uv_async_t stop_;
    std::thread thread_;
};

}  // namespace shift
