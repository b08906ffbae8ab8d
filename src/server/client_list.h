// Clients of all workers, as CLIENT LIST, INFO and KILL see them.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace strata {

class Context;
class Server;
struct Session;

// One line of CLIENT LIST, without its end. The clients mutex of the session's worker is held. `running`: the
// name of the command that the session is executing just now, empty for others than the caller.
std::string describe_client(const Session& session, int64_t now_ms, const std::string& running);

// Whether the client is on this machine.
bool is_local(const Session& session);

}  // namespace strata
