#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/unique_fd.h"

namespace shift {

// Tells the service manager how the daemon is: the sd_notify protocol, spoken to the datagram
// socket that NOTIFY_SOCKET names. Without that variable everything here does nothing.
//
// The watchdog is fed by turned() alone, which the loop calls: a loop that hangs feeds it no more,
// and the service manager restarts us after WATCHDOG_USEC.
//
// Never blocks: what the manager cannot take now (its queue is full) is sent at a later turn.
// Source: sd_notify(3) and sd_watchdog_enabled(3), systemd 252.
class ServiceNotifier {
  public:
    using Millis = std::chrono::milliseconds;

    // Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment: workers outlive
    // us and must not speak in our name. Single-threaded programs only.
    static ServiceNotifier take_from_environment();

    // `address`: a path, or "@name" in the abstract namespace; "" = nobody listens.
    // `watchdog`: how long the manager waits for a sign of life; nullopt = it does not.
    ServiceNotifier(std::string address, std::optional<Millis> watchdog);

    // Start-up is done, or a reload is.
    void ready();
    void reloading(SteadyTime now);
    void stopping();
    // One line for `systemctl status`; told only when it has changed.
    void status(std::string_view text);

    // The loop has come round: feeds the watchdog when half its time is over, and sends what is
    // still owed.
    void turned(SteadyTime now);

  private:
    void tell(std::string_view message);
    void send_owed();
    bool send(std::string_view message) const;

    std::string address_;
    UniqueFd socket_;
    std::optional<Millis> watchdog_;
    std::optional<SteadyTime> fed_;
    std::string status_;
    bool status_owed_ = false;
    std::string owed_;  // lines of one message
};

}  // namespace shift
