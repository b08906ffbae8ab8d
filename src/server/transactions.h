// Transactions of a session, as the rest of the server needs them.

#pragma once

#include "commands/command.h"

namespace strata {

struct Session;

extern const CommandGroup kTransactionGroup;

// Forgets the watched keys. Their registrations go when their shards are free.
void unwatch_all(Session& session);
// Ends MULTI without executing: DISCARD, RESET, and a client that leaves.
void discard_transaction(Session& session);

}  // namespace strata
