#include "commands/generic.h"

#include <iterator>

#include "commands/dump.h"
#include "commands/groups.h"

namespace strata {
namespace {

void del(Context& context) {
  int64_t deleted = 0;
  for (size_t i = 1; i < context.argc(); ++i) {
    Key key = context.key(i);
    if (!context.find_for_write(key)) continue;
    context.erase(key);  // frees a large value in slices, so this is UNLINK as well
    ++deleted;
  }
  context.reply().integer(deleted);
}

void count_existing(Context& context) {
  int64_t count = 0;
  for (size_t i = 1; i < context.argc(); ++i) count += context.find(context.key(i)) != nullptr;
  context.reply().integer(count);
}

void touch(Context& context) { count_existing(context); }

void exists(Context& context) {
  context.set_touches_access(false);
  count_existing(context);
}

void type(Context& context) {
  context.set_touches_access(false);
  const Entry* entry = context.find(context.key(1));
  context.reply().simple(entry ? type_name(entry->type()) : "none");
}

// OBJECT: the key of all its subcommands. Null: there is no such key, which was replied.
const Entry* find_object(Context& context) {
  context.set_touches_access(false);
  const Entry* entry = context.find(context.key(2));
  if (!entry) context.reply().null();
  return entry;
}

void object_encoding(Context& context) {
  if (const Entry* entry = find_object(context)) context.reply().bulk(encoding_name(*entry));
}

void object_freq(Context& context) {
  if (!find_object(context)) return;
  context.reply().error(
      "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when "
      "switching between policies at runtime LRU and LFU data will take some time to adjust.");
}

void object_idletime(Context& context) {
  const Entry* entry = find_object(context);
  if (!entry) return;
  context.reply().integer((access_clock(context.now_ms()) - entry->access_clock) & kAccessClockMask);
}

void object_refcount(Context& context) {
  // Redis shares small integers between keys and shows a count that never changes. Nothing is shared here.
  constexpr int64_t kSharedIntegers = 10'000;
  constexpr int64_t kSharedCount = INT32_MAX;
  const Entry* entry = find_object(context);
  if (!entry) return;
  bool is_integer = entry->type() == Type::kString && entry->encoding() == Encoding::kInt;
  auto integer = is_integer ? static_cast<int64_t>(entry->word()) : -1;
  context.reply().integer(integer >= 0 && integer < kSharedIntegers ? kSharedCount : 1);
}

void object_help(Context& context) {
  static constexpr Bytes kLines[] = {
      "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "ENCODING <key>",
      "    Return the kind of internal representation used in order to store the value",
      "    associated with a <key>.",
      "FREQ <key>",
      "    Return the access frequency index of the <key>. The returned integer is",
      "    proportional to the logarithm of the recent access frequency of the key.",
      "IDLETIME <key>",
      "    Return the idle time of the <key>, that is the approximated number of",
      "    seconds elapsed since the last access to the key.",
      "REFCOUNT <key>",
      "    Return the number of references of the value associated with the specified",
      "    <key>.",
      "HELP",
      "    Prints this help.",
  };
  context.reply().array(std::size(kLines));
  for (Bytes line : kLines) context.reply().simple(line);
}

constexpr KeySpec kObjectKey[] = {{.flags = kKeyRO, .index = 2}};
constexpr KeySpec kCopyKeys[] = {{.flags = kKeyRO | kKeyAccess}, {.flags = kKeyOW | kKeyUpdate, .index = 2}};
constexpr KeySpec kRenameKeys[] = {{.flags = kKeyRW | kKeyAccess | kKeyDelete},
                                   {.flags = kKeyOW | kKeyUpdate, .index = 2}};
constexpr KeySpec kRenamenxKeys[] = {{.flags = kKeyRW | kKeyAccess | kKeyDelete},
                                     {.flags = kKeyOW | kKeyInsert, .index = 2}};

constexpr const char* kRestoreComplexity =
    "O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the "
    "number of "
    "Redis objects composing the value and M their average size. For small string values the time complexity "
    "is thus "
    "O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values the complexity is "
    "O(N*M*log(N)) "
    "because inserting values into sorted sets is O(log(N)).";
constexpr const char* kRestoreHistory =
    "3.0.0=Added the `REPLACE` modifier.|5.0.0=Added the `ABSTTL` modifier.|5.0.0=Added the `IDLETIME` and "
    "`FREQ` "
    "options.";
constexpr const char* kSortPatternNotes =
    "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content "
    "of the key we sort";
constexpr KeySpec kSortKeys[] = {
    {.flags = kKeyRO | kKeyAccess},
    {.flags = kKeyRO | kKeyAccess, .is_unknown = true, .notes = kSortPatternNotes},
    {.flags = kKeyOW | kKeyUpdate,
     .is_unknown = true,
     .notes =
         "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere "
         "in the argument array"},
};
constexpr KeySpec kSortRoKeys[] = {kSortKeys[0], kSortKeys[1]};
constexpr const char* kSortComplexity =
    "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of "
    "returned elements. When the elements are not sorted, complexity is O(N).";

constexpr const char* kConditionsHistory = "7.0.0=Added options: `NX`, `XX`, `GT` and `LT`.";
constexpr const char* kSumTips = "request_policy:multi_shard|response_policy:agg_sum";

// clang-format off: a row is read as a whole
constexpr Command kObjectCommands[] = {
    {.name = "encoding", .syntax = "key", .flags = kReadOnly, .keys = kObjectKey, .acl = kAclKeyspace,
     .since = "2.2.3", .summary = "Inspect the internal encoding of a Redis object", .run = object_encoding,
     .tips = "nondeterministic_output"},
    {.name = "freq", .syntax = "key", .flags = kReadOnly, .keys = kObjectKey, .acl = kAclKeyspace, .since = "4.0.0",
     .summary = "Get the logarithmic access frequency counter of a Redis object", .run = object_freq,
     .tips = "nondeterministic_output"},
    {.name = "help", .flags = kLoading | kStale, .acl = kAclKeyspace, .since = "6.2.0",
     .summary = "Show helpful text about the different subcommands", .run = object_help},
    {.name = "idletime", .syntax = "key", .flags = kReadOnly, .keys = kObjectKey, .acl = kAclKeyspace,
     .since = "2.2.3", .summary = "Get the time since a Redis object was last accessed", .run = object_idletime,
     .tips = "nondeterministic_output"},
    {.name = "refcount", .syntax = "key", .flags = kReadOnly, .keys = kObjectKey, .acl = kAclKeyspace,
     .since = "2.2.3", .summary = "Get the number of references to the value of the key", .run = object_refcount,
     .tips = "nondeterministic_output"},
};
// clang-format on
static_assert(well_formed(kObjectCommands));

// clang-format off: a row is read as a whole
constexpr Command kGenericCommands[] = {
    {.name = "copy", .syntax = "source destination [DB destination-db] [REPLACE]",
     .flags = kWrite | kDenyOom | kOtherDatabases,
     .keys = kCopyKeys, .acl = kAclKeyspace, .since = "6.2.0",
     .complexity = "O(N) worst case for collections, where N is the number of nested items. O(1) for string values.",
     .summary = "Copy a key", .run = copy_key},
    {.name = "del", .syntax = "key [key ...]", .flags = kWrite, .keys = kAllKeysRemove, .acl = kAclKeyspace,
     .complexity = "O(N) where N is the number of keys that will be removed. When a key to remove holds a value other "
                   "than a string, the individual complexity for this key is O(M) where M is the number of elements "
                   "in the list, set, sorted set or hash. Removing a single key that holds a string value is O(1).",
     .summary = "Delete a key", .run = del, .tips = kSumTips},
    {.name = "dump", .syntax = "key", .flags = kReadOnly, .keys = kFirstKeyRead, .acl = kAclKeyspace, .since = "2.6.0",
     .complexity = "O(1) to access the key and additional O(N*M) to serialize it, where N is the number of Redis objects "
                   "composing the value and M their average size. For small string values the time complexity is thus "
                   "O(1)+O(1*M) where M is small, so simply O(1).",
     .summary = "Return a serialized version of the value stored at the specified key.", .run = dump_key,
     .tips = "nondeterministic_output"},
    {.name = "exists", .syntax = "key [key ...]", .flags = kReadOnly | kFast, .keys = kAllKeysMeta,
     .acl = kAclKeyspace, .complexity = "O(N) where N is the number of keys to check.",
     .summary = "Determine if a key exists", .run = exists,
     .history = "3.0.3=Accepts multiple `key` arguments.", .tips = kSumTips},
    {.name = "expire", .syntax = "key seconds [NX | XX | GT | LT]", .flags = kWrite | kFast, .keys = kFirstKeyUpdate,
     .acl = kAclKeyspace, .summary = "Set a key's time to live in seconds", .run = expire,
     .history = kConditionsHistory},
    {.name = "expireat", .syntax = "key unix-time-seconds [NX | XX | GT | LT]", .flags = kWrite | kFast,
     .keys = kFirstKeyUpdate, .acl = kAclKeyspace, .since = "1.2.0",
     .summary = "Set the expiration for a key as a UNIX timestamp", .run = expireat, .history = kConditionsHistory},
    {.name = "expiretime", .syntax = "key", .flags = kReadOnly | kFast, .keys = kFirstKeyRead, .acl = kAclKeyspace,
     .since = "7.0.0", .summary = "Get the expiration Unix timestamp for a key", .run = expiretime},
    {.name = "keys", .syntax = "pattern", .flags = kReadOnly | kAllShards, .acl = kAclKeyspace | kAclDangerous,
     .complexity = "O(N) with N being the number of keys in the database, under the assumption that the key names in "
                   "the database and the given pattern have limited length.",
     .summary = "Find all keys matching the given pattern", .run = keys,
     .tips = "request_policy:all_shards|nondeterministic_output_order"},
    {.name = "move", .syntax = "key db", .flags = kWrite | kFast | kOtherDatabases, .keys = kFirstKeyAccessUpdate,
     .acl = kAclKeyspace, .summary = "Move a key to another database", .run = move_key},
    {.name = "object", .since = "2.2.3", .complexity = "Depends on subcommand.",
     .summary = "A container for object introspection commands", .subcommands = kObjectCommands},
    {.name = "persist", .syntax = "key", .flags = kWrite | kFast, .keys = kFirstKeyUpdate, .acl = kAclKeyspace,
     .since = "2.2.0", .summary = "Remove the expiration from a key", .run = persist},
    {.name = "pexpire", .syntax = "key milliseconds [NX | XX | GT | LT]", .flags = kWrite | kFast,
     .keys = kFirstKeyUpdate, .acl = kAclKeyspace, .since = "2.6.0",
     .summary = "Set a key's time to live in milliseconds", .run = pexpire, .history = kConditionsHistory},
    {.name = "pexpireat", .syntax = "key unix-time-milliseconds [NX | XX | GT | LT]", .flags = kWrite | kFast,
     .keys = kFirstKeyUpdate, .acl = kAclKeyspace, .since = "2.6.0",
     .summary = "Set the expiration for a key as a UNIX timestamp specified in milliseconds", .run = pexpireat,
     .history = kConditionsHistory},
    {.name = "pexpiretime", .syntax = "key", .flags = kReadOnly | kFast, .keys = kFirstKeyRead, .acl = kAclKeyspace,
     .since = "7.0.0", .summary = "Get the expiration Unix timestamp for a key in milliseconds", .run = pexpiretime},
    {.name = "pttl", .syntax = "key", .flags = kReadOnly | kFast, .keys = kFirstKeyRead, .acl = kAclKeyspace,
     .since = "2.6.0", .summary = "Get the time to live for a key in milliseconds", .run = pttl,
     .history = "2.8.0=Added the -2 reply.", .tips = "nondeterministic_output"},
    {.name = "randomkey", .flags = kReadOnly | kAllShards, .acl = kAclKeyspace,
     .summary = "Return a random key from the keyspace", .run = randomkey,
     .tips = "request_policy:all_shards|nondeterministic_output"},
    {.name = "rename", .syntax = "key newkey", .flags = kWrite, .keys = kRenameKeys, .acl = kAclKeyspace,
     .summary = "Rename a key", .run = rename_key},
    {.name = "renamenx", .syntax = "key newkey", .flags = kWrite | kFast, .keys = kRenamenxKeys, .acl = kAclKeyspace,
     .summary = "Rename a key, only if the new key does not exist", .run = renamenx,
     .history = "3.2.0=The command no longer returns an error when source and destination names are the same."},
    {.name = "restore", .syntax = "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
     .flags = kWrite | kDenyOom, .keys = kFirstKeyOverwrite, .acl = kAclKeyspace | kAclDangerous, .since = "2.6.0",
     .complexity = kRestoreComplexity, .summary = "Create a key using the provided serialized value, previously obtained using DUMP.",
     .run = restore_key, .history = kRestoreHistory},
    {.name = "restore-asking", .syntax = "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
     .flags = kWrite | kDenyOom | kAsking, .keys = kFirstKeyOverwrite, .acl = kAclKeyspace | kAclDangerous, .group = "server", .since = "3.0.0",
     .complexity = kRestoreComplexity, .summary = "An internal command for migrating keys in a cluster",
     .run = restore_key, .history = kRestoreHistory},
    {.name = "scan", .syntax = "cursor [MATCH pattern] [COUNT count] [TYPE type]", .flags = kReadOnly | kAllShards,
     .acl = kAclKeyspace, .since = "2.8.0",
     .complexity = "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor "
                   "to return back to 0. N is the number of elements inside the collection.",
     .summary = "Incrementally iterate the keys space", .run = scan, .history = "6.0.0=Added the `TYPE` subcommand.",
     .tips = "nondeterministic_output|request_policy:special"},
    {.name = "sort",
     .syntax = "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA] "
               "[STORE destination]",
     .flags = kWrite | kDenyOom, .keys = kSortKeys, .acl = kAclSet | kAclSortedSet | kAclList | kAclDangerous,
     .complexity = kSortComplexity, .summary = "Sort the elements in a list, set or sorted set", .run = sort,
     .find_keys = find_sort_keys, .has_patterns = sort_has_patterns},
    {.name = "sort_ro",
     .syntax = "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]",
     .flags = kReadOnly, .keys = kSortRoKeys, .acl = kAclSet | kAclSortedSet | kAclList | kAclDangerous,
     .since = "7.0.0", .complexity = kSortComplexity,
     .summary = "Sort the elements in a list, set or sorted set. Read-only variant of SORT.", .run = sort_ro,
     .find_keys = find_sort_ro_keys, .has_patterns = sort_ro_has_patterns},
    {.name = "touch", .syntax = "key [key ...]", .flags = kReadOnly | kFast, .keys = kAllKeysMeta,
     .acl = kAclKeyspace, .since = "3.2.1", .complexity = "O(N) where N is the number of keys that will be touched.",
     .summary = "Alters the last access time of a key(s). Returns the number of existing keys specified.",
     .run = touch, .tips = kSumTips},
    {.name = "ttl", .syntax = "key", .flags = kReadOnly | kFast, .keys = kFirstKeyRead, .acl = kAclKeyspace,
     .summary = "Get the time to live for a key in seconds", .run = ttl, .history = "2.8.0=Added the -2 reply.",
     .tips = "nondeterministic_output"},
    {.name = "type", .syntax = "key", .flags = kReadOnly | kFast, .keys = kFirstKeyMeta, .acl = kAclKeyspace,
     .summary = "Determine the type stored at key", .run = type},
    {.name = "unlink", .syntax = "key [key ...]", .flags = kWrite | kFast, .keys = kAllKeysRemove,
     .acl = kAclKeyspace, .since = "4.0.0",
     .complexity = "O(1) for each key removed regardless of its size. Then the command does O(N) work in a different "
                   "thread in order to reclaim memory, where N is the number of allocations the deleted objects where "
                   "composed of.",
     .summary = "Delete a key asynchronously in another thread. Otherwise it is just as DEL, but non blocking.",
     .run = del, .tips = kSumTips},
};
// clang-format on
static_assert(well_formed(kGenericCommands));

}  // namespace

const char* type_name(Type type) {
  static constexpr const char* kNames[] = {"string", "list", "set", "zset", "hash", "stream"};
  static_assert(std::size(kNames) == static_cast<size_t>(Type::kStream) + 1);
  return kNames[static_cast<size_t>(type)];
}

const CommandGroup kGenericGroup = {"generic", kGenericCommands};

}  // namespace strata
