#pragma once

#include <netinet/in.h>

#include <string_view>

namespace shift::testing {

// Port 0: any free one.
sockaddr_in loopback(int port);

// The port a socket is bound to. Throws.
int port_of(int socket);

// Blocks; false: the peer is gone.
bool send_all(int socket, std::string_view bytes);

}  // namespace shift::testing
