// What CONFIG SET does beside changing a value. Each runs after all values of one CONFIG SET are in their
// places, with the configuration mutex held and all shards entered; an error undoes the whole CONFIG SET.

#pragma once

#include <string>

namespace strata {

class Server;

std::string apply_max_clients(Server& server);
std::string apply_bulk_limit(Server& server);
std::string apply_log_level(Server& server);
std::string apply_password(Server& server);
std::string apply_directory(Server& server);
std::string apply_append_only(Server& server);
std::string apply_sync_policy(Server& server);
std::string apply_log_history(Server& server);
std::string apply_slow_log(Server& server);

}  // namespace strata
