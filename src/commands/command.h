// A command is one row of a table. The row is the only place where it is described: dispatch, permission and
// memory checks, key extraction, propagation, COMMAND DOCS, docs/commands.md and metrics read it.
//
//   constexpr Command kListCommands[] = {
//       {.name = "lpush", .syntax = "key element [element ...]", .flags = kWrite | kDenyOom | kFast,
//        .keys = kFirstKey, .acl = kAclList, .since = "1.0.0", .complexity = "O(N) …",
//        .summary = "Prepends one or more elements to a list.", .run = lpush},
//   };
//   static_assert(well_formed(kListCommands));
//
// Arity follows from the syntax (commands/syntax.h), at compile time.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "commands/syntax.h"

namespace strata {

class Context;

// Flags of COMMAND INFO, by their names there.
enum CommandFlag : uint32_t {
  kWrite = 1 << 0,
  kReadOnly = 1 << 1,
  kDenyOom = 1 << 2,
  kAdmin = 1 << 3,
  kPubSub = 1 << 4,
  kNoScript = 1 << 5,
  kBlocking = 1 << 6,
  kLoading = 1 << 7,  // allowed while loading
  kStale = 1 << 8,
  kSkipMonitor = 1 << 9,
  kSkipSlowlog = 1 << 10,
  kAsking = 1 << 11,
  kFast = 1 << 12,
  kNoAuth = 1 << 13,
  kMayReplicate = 1 << 14,
  kNoMandatoryKeys = 1 << 15,
  kProtected = 1 << 16,
  kNoAsyncLoading = 1 << 17,
  kNoMulti = 1 << 18,
  kAllowBusy = 1 << 19,
  kMovableKeys = 1 << 20,
  // Ours. Which shards a command needs when its keys do not say it:
  kAllShards = 1 << 24,    // runs while every shard is held
  kRunsInMulti = 1 << 26,  // not queued in a transaction
  kConnection =
      1 << 25,  // needs no shard: it concerns the connection or the server; `run` sees to shards itself
  kOtherDatabases = 1 << 27,  // its keys may be meant in another database than the selected one
};

enum AclCategory : uint32_t {
  kAclKeyspace = 1 << 0,
  kAclRead = 1 << 1,
  kAclWrite = 1 << 2,
  kAclSet = 1 << 3,
  kAclSortedSet = 1 << 4,
  kAclList = 1 << 5,
  kAclHash = 1 << 6,
  kAclString = 1 << 7,
  kAclBitmap = 1 << 8,
  kAclHyperLogLog = 1 << 9,
  kAclGeo = 1 << 10,
  kAclStream = 1 << 11,
  kAclPubSub = 1 << 12,
  kAclAdmin = 1 << 13,
  kAclFast = 1 << 14,
  kAclSlow = 1 << 15,
  kAclBlocking = 1 << 16,
  kAclDangerous = 1 << 17,
  kAclConnection = 1 << 18,
  kAclTransaction = 1 << 19,
  kAclScripting = 1 << 20,
};

// Key specifications, as COMMAND INFO shows them: where the search for keys begins, then how they are found.
enum KeyFlag : uint16_t {
  kKeyRO = 1 << 0,
  kKeyRW = 1 << 1,
  kKeyOW = 1 << 2,
  kKeyRM = 1 << 3,
  kKeyAccess = 1 << 4,
  kKeyUpdate = 1 << 5,
  kKeyInsert = 1 << 6,
  kKeyDelete = 1 << 7,
  kKeyNotKey = 1 << 8,
  kKeyIncomplete = 1 << 9,
  kKeyVariableFlags = 1 << 10,
};

struct KeySpec {
  uint16_t flags = 0;
  // begin_search: at an argument index, or after a keyword looked for from `start_from` on.
  int16_t index = 1;
  const char* keyword = nullptr;
  int16_t start_from = 0;
  // find_keys: a range (`last` counts from the first key, negative from the end; step; limit), or, when
  // `count_index` >= 0, a count at that offset and the first key at `first_key`.
  int16_t last = 0;
  int16_t step = 1;
  int16_t limit = 0;
  int16_t count_index = -1;
  int16_t first_key = 0;
  // COMMAND INFO says "unknown": Command::find_keys knows.
  bool is_unknown = false;
  const char* notes = nullptr;
};

using Handler = void (*)(Context&);
struct KeyPosition;
// What find_keys() (commands/keys.h) does for a command whose key specifications do not say it all.
using KeyFinder = bool (*)(std::span<const Bytes> args, std::vector<KeyPosition>& positions);
// Whether these arguments name keys by patterns: any key of the database may be looked up.
using PatternFinder = bool (*)(std::span<const Bytes> args);

struct Command {
  const char* name;    // lower case; a subcommand's is its own word: "getname" under "client"
  Syntax syntax = "";  // arguments after the name, in the notation of redis.io
  uint32_t flags = 0;
  std::span<const KeySpec> keys = {};
  uint32_t acl = 0;             // beyond what the flags imply (write, read, admin, dangerous, fast, slow…)
  const char* group = nullptr;  // of COMMAND DOCS; null: the group of the table it stands in
  const char* since = "1.0.0";
  const char* complexity = "O(1)";
  const char* summary = "";
  Handler run = nullptr;  // null for containers without a form of their own
  std::span<const Command> subcommands = {};
  const char* history = nullptr;  // "7.0.0=Added the `NX` option.|6.2.0=…", for COMMAND DOCS
  const char* tips = nullptr;     // "nondeterministic_output|request_policy:all_shards"
  const char* deprecated_since = nullptr;
  const char* replaced_by = nullptr;
  KeyFinder find_keys = nullptr;
  // Keys that the specifications leave out: their shards are held, too, but COMMAND GETKEYS does not know
  // them.
  KeyFinder find_more_keys = nullptr;
  PatternFinder has_patterns = nullptr;

  // Counting the name (and the subcommand's); negative: at least that many. As in COMMAND INFO.
  constexpr int arity(int words_in_name = 1) const {
    return syntax.is_open_ended ? -(syntax.required + words_in_name) : syntax.required + words_in_name;
  }
};

// Often used key specifications. Those who need others define them beside their table.
inline constexpr KeySpec kFirstKeyRead[] = {{.flags = kKeyRO | kKeyAccess}};
inline constexpr KeySpec kFirstKeyMeta[] = {{.flags = kKeyRO}};
inline constexpr KeySpec kFirstKeyUpdate[] = {{.flags = kKeyRW | kKeyUpdate}};
inline constexpr KeySpec kFirstKeyAccessUpdate[] = {{.flags = kKeyRW | kKeyAccess | kKeyUpdate}};
inline constexpr KeySpec kFirstKeyAccessDelete[] = {{.flags = kKeyRW | kKeyAccess | kKeyDelete}};
inline constexpr KeySpec kFirstKeyInsert[] = {{.flags = kKeyRW | kKeyInsert}};
inline constexpr KeySpec kFirstKeyDelete[] = {{.flags = kKeyRW | kKeyDelete}};
inline constexpr KeySpec kFirstKeyOverwrite[] = {{.flags = kKeyOW | kKeyUpdate}};
inline constexpr KeySpec kAllKeysRead[] = {{.flags = kKeyRO | kKeyAccess, .last = -1}};
inline constexpr KeySpec kAllKeysMeta[] = {{.flags = kKeyRO, .last = -1}};
inline constexpr KeySpec kAllKeysRemove[] = {{.flags = kKeyRM | kKeyDelete, .last = -1}};

template <size_t N>
consteval bool well_formed(const Command (&commands)[N]) {
  for (const Command& command : commands) {
    if (!command.name || !command.syntax.valid) return false;
    if (!command.run && command.subcommands.empty()) return false;
    if ((command.flags & kWrite) && (command.flags & kReadOnly)) return false;
    if ((command.flags & kDenyOom) && !(command.flags & kWrite)) return false;
  }
  return true;
}

// A group of commands: one file, one table.
struct CommandGroup {
  const char* name;  // of COMMAND DOCS: "string", "generic", "list"…
  std::span<const Command> commands;
};

}  // namespace strata
