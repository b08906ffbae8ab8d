// Commands that wait until a key can serve them: BLPOP, BZPOPMIN, XREAD BLOCK and their kin.
//
// A handler looks at its keys as the plain command would. If nothing is there and it is allowed to
// (Context::may_block(), false in MULTI, in scripts and in replay), it replies nothing and asks to be
// blocked; otherwise it replies what the plain command does when there is nothing:
//
//   if (!context.may_block()) return context.reply().null_array();
//   context.block({.command = std::make_unique<BlockedPop>(…), .timeout_ms = timeout_ms,
//                  .first_key = 1, .last_key = context.argc() - 2, .wish = {Type::kList}});
//
// From then on the client waits. Whenever one of the keys has been changed (Context::changed(), erase(),
// note_ready()), whoever changed it looks, after its own command or EXEC and still inside the shard, at the
// waiters of the key, oldest first:
//
//   can_serve(key, entry)     looks and changes nothing; true: serve() will reply
//   …the waiter is claimed; from now on neither its timeout nor CLIENT UNBLOCK can end it…
//   serve(context, key)       pops and replies, with changed() and effect() as a handler does, so that the
//   log
//                             gets the plain command behind the record of the push
//
// A command that time alone can serve (XREADGROUP CLAIM: an entry is pending for long enough) says when with
// wake_at_ms(), and in its BlockRequest; it is looked at again then.
//
// serve() sees a Context with the blocked command's arguments, database and client, and is inside the shards
// of the served key and, with `needs_all_keys`, of every key of the command; it touches no others, because
// latches and snapshots were asked for those alone. can_serve() may run while the wait is being ended
// elsewhere: it uses what it is given and what the BlockedCommand holds. Both run on any thread, one at a
// time for each shard; time_out() at the client's home, outside all shards.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "keyspace/waiters.h"

namespace strata {

class Context;
struct Entry;
class Reply;
struct Key;

inline constexpr int64_t kNeverMs = INT64_MAX;

class BlockedCommand {
 public:
  virtual ~BlockedCommand() = default;
  // The key is live and of the type that was asked for; with `on_deletion` it may also be missing (null) or
  // of another type.
  virtual bool can_serve(const Key& key, const Entry* entry) const;
  // can_serve() has said no: from when on serve() has something to reply although nobody changes the key.
  virtual int64_t wake_at_ms(const Key& key, const Entry* entry) const;
  virtual void serve(Context& context, const Key& key) = 0;
  // What Redis replies after the timeout, and after CLIENT UNBLOCK.
  virtual void time_out(Reply& reply);
};

inline constexpr uint64_t kUntilLogEnds = UINT64_MAX;

struct BlockRequest {
  std::unique_ptr<BlockedCommand> command;
  int64_t timeout_ms = 0;  // from now on; 0: for ever
  // The arguments that are the keys to wait for.
  size_t first_key = 1;
  size_t last_key = 1;
  WaitWish wish = {Type::kList};
  bool needs_all_keys = false;    // to serve it, the shards of all its keys must be held (BLMOVE)
  int64_t wake_at_ms = kNeverMs;  // the lowest of the keys' wake_at_ms()
  // The wait ends, as by the timeout, when the log is durable up to this sequence (WAITAOF), or is off
  // (CONFIG SET appendonly no). Such a command has no keys: last_key is 0.
  std::optional<uint64_t> until_durable = std::nullopt;
};

// A changed key that somebody waits for.
struct ReadyKey {
  uint16_t db;
  std::string name;
};

// args[i] as seconds, to milliseconds. False: Redis's error was replied.
bool parse_timeout(Context& context, size_t i, int64_t& timeout_ms);

}  // namespace strata
