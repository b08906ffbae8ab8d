// CLIENT DURABILITY, WAIT and WAITAOF: when a client learns that its writes are safe.
//
//   level    a reply leaves after                          a read's reply waits for
//   none     the command was executed                      nothing
//   memory   write(2) of the command's effect              nothing
//   disk     the sync of the effect                        the sync of what the shards it entered hold
//
// Without CLIENT DURABILITY a connection is at `disk` under appendfsync always, else at `memory`. Replies of
// one connection leave in their order, so one at a weaker level waits for those before it; other clients
// never do.

#pragma once

#include "commands/command.h"
#include "server/session.h"

namespace strata {

extern const CommandGroup kDurabilityGroup;

void client_durability(Context& context);
// Of the connection; what was to hold for the next command only is forgotten. At home.
void set_durability(Session& session, Durability level);

}  // namespace strata
