// DEBUG RELOAD and LOADAOF: the data as it comes back from its files.
//
// All shards are held by the caller, which works alone meanwhile. Files are verified before anything is
// thrown away; the errors are texts for a reply.

#pragma once

#include <expected>
#include <string>

namespace strata {

class Server;

struct ReloadOptions {
  bool saves = true;
  bool flushes = true;
};
std::expected<void, std::string> reload_dump(Server& server, const ReloadOptions& options);
std::expected<void, std::string> reload_log(Server& server);

}  // namespace strata
