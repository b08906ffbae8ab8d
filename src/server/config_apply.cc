#include "server/config_apply.h"

#include <fmt/format.h>

#include "platform/process.h"
#include "server/connection.h"
#include "server/log_lines.h"
#include "server/server.h"
#include "server/slow_log.h"
#include "server/worker.h"

namespace strata {
namespace {

// Descriptors beside the clients': files, listeners, loops.
constexpr uint64_t kReservedDescriptors = 64;

}  // namespace

std::string apply_max_clients(Server& server) {
  uint64_t wanted = static_cast<uint64_t>(server.options().max_clients.load()) + kReservedDescriptors;
  uint64_t limit = raise_descriptor_limit(wanted);
  if (limit >= wanted) return {};
  return fmt::format(
      "The operating system is not able to handle the specified number of clients, try with {}",
      limit > kReservedDescriptors ? limit - kReservedDescriptors : 0);
}

// Each parser has the limit in a place of its own thread; connections that exist learn of it there.
std::string apply_bulk_limit(Server& server) {
  const int64_t limit = server.options().data.max_bulk_bytes;
  for (auto& worker : server.workers()) {
    Worker* owner = worker.get();
    owner->loop().post([owner, limit] {
      owner->for_each_connection([limit](Connection& c) { c.parser().limits().max_bulk_bytes = limit; });
    });
  }
  return {};
}

std::string apply_log_level(Server& server) {
  set_log_level(server.options().log_level.load());
  return {};
}

std::string apply_password(Server& server) {
  server.set_alert(kAlertPassword, !server.options().require_password.empty());
  return {};
}

// The log stays where its manifest is. (redis-server goes on in the old directory until its next rewrite, and
// a start in the new one does not find what was written until then.)
std::string apply_directory(Server& server) {
  const Result<std::string> before = current_directory();
  if (!change_directory(server.options().directory)) return "Can't chdir to the directory";
  const Result<std::string> now = current_directory();
  const bool has_moved = !before || !now || *before != *now;
  const bool has_log = server.log() || server.log_switch().is_wanted();
  if (!has_moved || !has_log) return {};
  if (before) static_cast<void>(change_directory(*before));
  return "the append only file is on: turn it off, change dir, and turn it on again";
}

std::string apply_append_only(Server& server) {
  if (server.options().append_only) return server.log_switch().turn_on();
  server.log_switch().turn_off();
  return {};
}

std::string apply_sync_policy(Server& server) {
  SyncPolicy policy = server.options().append_sync;
  if (OpLog* log = server.log()) {
    log->set_policy(policy);
    server.log_switch().note_state();
  }
  return {};
}

std::string apply_log_history(Server& server) {
  if (OpLog* log = server.log()) {
    log->set_names_times(server.options().log_names_times());
    log->set_retention(static_cast<uint64_t>(server.options().log_retention_s));
  }
  return {};
}

std::string apply_slow_log(Server& server) {
  server.slow_log().set_max_length(static_cast<size_t>(server.options().slowlog_max_length.load()));
  return {};
}

}  // namespace strata
