#pragma once

#include <uv.h>

#include <functional>
#include <set>
#include <utility>

namespace shift {

// Work that waits for a disk, done on libuv's threads so that the loop does not.
class UvBackground {
  public:
    explicit UvBackground(uv_loop_t& loop) : loop_(loop) {}
    // What runs goes on to its end; nobody is told of it any more.
    ~UvBackground() {
        for (Job* job : jobs_) {
            job->owner = nullptr;
        }
    }
    UvBackground(const UvBackground&) = delete;
    UvBackground& operator=(const UvBackground&) = delete;

    // `work` runs on another thread and may use only what it owns; `done` then from the loop.
    void run(std::function<void()> work, std::function<void()> done = nullptr) {
        auto* job = new Job{.owner = this, .work = std::move(work), .done = std::move(done)};
        job->request.data = job;
        jobs_.insert(job);
        const int rc = uv_queue_work(
            &loop_, &job->request,
            [](uv_work_t* request) { static_cast<Job*>(request->data)->work(); },
            [](uv_work_t* request, int) {
                auto* ended = static_cast<Job*>(request->data);
                if (ended->owner != nullptr) {
                    ended->owner->jobs_.erase(ended);
                    if (ended->done) {
                        ended->done();
                    }
                }
                delete ended;
            });
        if (rc != 0) {
            jobs_.erase(job);
            delete job;
        }
    }

  private:
    struct Job {
        uv_work_t request{};
        UvBackground* owner;
        std::function<void()> work;
        std::function<void()> done;
    };

    uv_loop_t& loop_;
    std::set<Job*> jobs_;
};

}  // namespace shift
