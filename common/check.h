#pragma once

#include <cstdio>
#include <cstdlib>

// CHECK(condition, "what it means"): a programmer's error, never an outside one. Aborts in release
// builds too: systemd restarts the daemon and the journal recovers, a path that is tested.
#define CHECK(condition, what)                                                                  \
    do {                                                                                        \
        if (!(condition)) {                                                                     \
            std::fprintf(stderr, "%s:%d: CHECK failed: %s: %s\n", __FILE__, __LINE__, #condition, \
                         what);                                                                 \
            std::abort();                                                                       \
        }                                                                                       \
    } while (false)
