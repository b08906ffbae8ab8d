#include "commands/strings.h"

#include "base/assert.h"
#include "commands/deadline_options.h"
#include "commands/groups.h"
#include "commands/strings_conditions.h"
#include "text/numbers.h"

namespace strata {
namespace {

// A string's value, readable while its key changes: GETSET and SET … GET reply it only once the change has
// worked, because there is one reply.
class OldString {
 public:
  OldString(Heap& heap, const Entry* entry) : heap_(heap), was_there_(entry != nullptr) {
    if (!entry) return;
    element_ = entry->string();
    if (element_.blob) {
      element_.blob->pin();
    } else if (!element_.is_integer) {
      STRATA_ASSERT(element_.bytes.size() <= kInlineStringMax);
      element_.bytes.copy(copy_, element_.bytes.size());
      element_.bytes = {copy_, element_.bytes.size()};
    }
  }
  ~OldString() {
    if (element_.blob) Blob::destroy(heap_, element_.blob);
  }
  OldString(const OldString&) = delete;
  OldString& operator=(const OldString&) = delete;

  void reply(Context& context) const {
    was_there_ ? context.reply_element(element_) : context.reply().null();
  }

 private:
  Heap& heap_;
  bool was_there_;
  Element element_;
  char copy_[kInlineStringMax];
};

using Expiry = DeadlineOption;
constexpr const Expiry& kInSeconds = kDeadlineOptions[0];
constexpr const Expiry& kInMilliseconds = kDeadlineOptions[1];

void get(Context& context) {
  Entry* entry;
  if (!context.find(context.key(1), Type::kString, entry)) return;
  entry ? context.reply_element(entry->string()) : context.reply().null();
}

void mget(Context& context) {
  context.reply().array(context.argc() - 1);
  for (size_t i = 1; i < context.argc(); ++i) {
    const Entry* entry = context.find(context.key(i));
    bool is_string = entry && entry->type() == Type::kString;
    is_string ? context.reply_element(entry->string()) : context.reply().null();
  }
}

void getdel(Context& context) {
  Key key = context.key(1);
  Entry* entry;
  if (!context.find(key, Type::kString, entry)) return;
  if (!entry) return context.reply().null();
  context.reply_element(entry->string());
  context.erase(key);
}

struct SetOptions {
  bool if_absent = false;      // NX
  bool if_present = false;     // XX
  bool get = false;            // GET
  bool keep_deadline = false;  // KEEPTTL
  ValueCondition condition;    // IFEQ, IFNE, IFDEQ, IFDNE
  const Expiry* expiry = nullptr;
  size_t time_index = 0;  // of the argument behind EX, PX, EXAT or PXAT
};

// One word of SET's options; the same expiry option may come again, and the last one counts.
bool parse_set_option(const Context& context, size_t& i, SetOptions& options) {
  if (!options.condition) {
    if (context.is_word(i, "NX") && !options.if_present) return options.if_absent = true;
    if (context.is_word(i, "XX") && !options.if_absent) return options.if_present = true;
    const ValueCondition::Kind kind = find_condition(context, i);
    if (kind != ValueCondition::Kind::kNone) {
      options.condition = {kind, ++i};
      return i < context.argc() && !options.if_absent && !options.if_present;
    }
  }
  if (context.is_word(i, "GET")) return options.get = true;
  if (context.is_word(i, "KEEPTTL") && !options.expiry) return options.keep_deadline = true;
  const Expiry* expiry = find_deadline_option(context, i);
  if (!expiry || i + 1 >= context.argc() || options.keep_deadline) return false;
  if (options.expiry && options.expiry != expiry) return false;
  options.expiry = expiry;
  options.time_index = ++i;
  return true;
}

// Stores and logs, a relative deadline as an absolute one. False: the error was replied.
bool store(Context& context, const Key& key, Bytes value, const Expiry* expiry, int64_t deadline_ms) {
  if (!context.check(context.database(key).set_string(key, value, deadline_ms))) return false;
  context.changed(key);
  if (expiry && expiry->is_relative) {
    char digits[kI64TextBytes];
    context.effect({"SET", key.name, value, "PXAT", Bytes(digits, print_i64(deadline_ms, digits))});
  }
  return true;
}

// Instead of the command with its condition, which has been met.
void log_as_plain(Context& context, const Key& key, Bytes value, int64_t deadline_ms) {
  context.clear_effects();
  if (deadline_ms == kNoDeadline) return context.effect({"SET", key.name, value});
  char digits[kI64TextBytes];
  context.effect({"SET", key.name, value, "PXAT", Bytes(digits, print_i64(deadline_ms, digits))});
}

void set_with_options(Context& context) {
  SetOptions options;
  for (size_t i = 3; i < context.argc(); ++i) {
    if (!parse_set_option(context, i, options)) return context.syntax_error();
  }
  int64_t deadline_ms = kNoDeadline;
  if (options.expiry && !parse_deadline(context, options.time_index, *options.expiry, deadline_ms)) return;

  if (!check_digest(context, options.condition)) return;

  Key key = context.key(1);
  Entry* entry;
  if (!options.get && !options.condition) {
    entry = context.find_for_write(key);
  } else if (!context.find(key, Type::kString, entry)) {
    return;
  }
  OldString old(context.shard(key).heap(), options.get ? entry : nullptr);
  if ((options.if_absent && entry) || (options.if_present && !entry) ||
      !options.condition.is_met(context, entry)) {
    return old.reply(context);
  }
  if (options.keep_deadline && entry) deadline_ms = entry->deadline_ms();
  if (!store(context, key, context.arg(2), options.expiry, deadline_ms)) return;
  if (options.condition) log_as_plain(context, key, context.arg(2), deadline_ms);
  options.get ? old.reply(context) : context.reply().ok();
}

void set(Context& context) {
  if (context.argc() > 3) return set_with_options(context);
  Key key = context.key(1);
  if (!context.check(context.database(key).set_string(key, context.arg(2), kNoDeadline))) return;
  context.changed(key);
  context.reply().ok();
}

void setnx(Context& context) {
  Key key = context.key(1);
  if (context.find_for_write(key)) return context.reply().integer(0);
  if (store(context, key, context.arg(2), nullptr, kNoDeadline)) context.reply().integer(1);
}

void set_for(Context& context, const Expiry& expiry) {
  int64_t deadline_ms;
  if (!parse_deadline(context, 2, expiry, deadline_ms)) return;
  if (store(context, context.key(1), context.arg(3), &expiry, deadline_ms)) context.reply().ok();
}

void setex(Context& context) { set_for(context, kInSeconds); }
void psetex(Context& context) { set_for(context, kInMilliseconds); }

void getset(Context& context) {
  Key key = context.key(1);
  Entry* entry;
  if (!context.find(key, Type::kString, entry)) return;
  OldString old(context.shard(key).heap(), entry);
  if (store(context, key, context.arg(2), nullptr, kNoDeadline)) old.reply(context);
}

struct GetexOptions {
  bool persist = false;
  const Expiry* expiry = nullptr;
  size_t time_index = 0;
};

bool parse_getex_options(Context& context, GetexOptions& options) {
  for (size_t i = 2; i < context.argc(); ++i) {
    const Expiry* expiry = find_deadline_option(context, i);
    bool fits = !options.expiry || options.expiry == expiry;
    if (context.is_word(i, "PERSIST") && !options.expiry) {
      options.persist = true;
    } else if (expiry && fits && !options.persist && i + 1 < context.argc()) {
      options.expiry = expiry;
      options.time_index = ++i;
    } else {
      context.syntax_error();
      return false;
    }
  }
  return true;
}

void getex(Context& context) {
  GetexOptions options;
  if (!parse_getex_options(context, options)) return;
  Key key = context.key(1);
  Entry* entry;
  if (!context.find(key, Type::kString, entry)) return;
  if (!entry) return context.reply().null();
  int64_t deadline_ms = kNoDeadline;
  if (options.expiry && !parse_deadline(context, options.time_index, *options.expiry, deadline_ms)) return;

  // A time that has passed deletes the key, but not while the log is replayed: nothing expires then.
  if (options.expiry && deadline_ms <= context.now_ms() && context.keyspace().expiry_enabled()) {
    context.reply_element(entry->string());
    context.erase(key);
    return context.effect({"DEL", key.name});
  }
  Database& database = context.database(key);
  if (options.expiry) {
    auto updated = database.set_deadline(key, entry, deadline_ms);
    if (!context.check(updated)) return;
    entry = *updated;
    char digits[kI64TextBytes];
    context.effect({"PEXPIREAT", key.name, Bytes(digits, print_i64(deadline_ms, digits))});
    context.changed(key);
  } else if (options.persist && database.clear_deadline(key, entry)) {
    entry = database.find(key);
    context.effect({"PERSIST", key.name});
    context.changed(key);
  }
  context.reply_element(entry->string());
}

// MSET and MSETNX, whose arguments are key, value, key, value… False: the error was replied.
bool pairs_match(Context& context) {
  if (context.argc() % 2 == 1) return true;
  context.reply().error("ERR wrong number of arguments for '", context.command().name, "' command");
  return false;
}

bool store_pairs(Context& context) {
  for (size_t i = 1; i < context.argc(); i += 2) {
    Key key = context.key(i);
    if (!context.check(context.database(key).set_string(key, context.arg(i + 1), kNoDeadline))) {
      // What has been stored so far stays; so the log gets the command that far.
      if (i > 1) context.effect(context.args().first(i));
      return false;
    }
    context.changed(key);
  }
  return true;
}

void mset(Context& context) {
  if (pairs_match(context) && store_pairs(context)) context.reply().ok();
}

void msetnx(Context& context) {
  if (!pairs_match(context)) return;
  for (size_t i = 1; i < context.argc(); i += 2) {
    if (context.find_for_write(context.key(i))) return context.reply().integer(0);
  }
  if (store_pairs(context)) context.reply().integer(1);
}

constexpr KeySpec kSetKey[] = {{.flags = kKeyRW | kKeyAccess | kKeyUpdate | kKeyVariableFlags}};
constexpr KeySpec kFirstKeyOverwriteInsert[] = {{.flags = kKeyOW | kKeyInsert}};
constexpr KeySpec kTwoKeysRead[] = {{.flags = kKeyRO | kKeyAccess, .last = 1}};
constexpr KeySpec kDelexKey[] = {{.flags = kKeyRW | kKeyDelete | kKeyVariableFlags}};
constexpr KeySpec kCountedPairs[] = {
    {.flags = kKeyOW | kKeyUpdate, .step = 2, .count_index = 0, .first_key = 1}};
constexpr KeySpec kPairsOverwrite[] = {{.flags = kKeyOW | kKeyUpdate, .last = -1, .step = 2}};
constexpr KeySpec kPairsInsert[] = {{.flags = kKeyOW | kKeyInsert, .last = -1, .step = 2}};

constexpr const char* kRangeComplexity =
    "O(N) where N is the length of the returned string. The complexity is ultimately determined by the "
    "returned length, but because creating a substring from an existing string is very cheap, it can be "
    "considered O(1) for small strings.";

// clang-format off: a row is read as a whole
constexpr Command kStringCommands[] = {
    {.name = "append", .syntax = "key value", .flags = kWrite | kDenyOom | kFast, .keys = kFirstKeyInsert,
     .acl = kAclString, .since = "2.0.0",
     .complexity = "O(1). The amortized time complexity is O(1) assuming the appended value is small and the already "
                   "present value is of any size, since the dynamic string library used by Redis will double the "
                   "free space available on every reallocation.",
     .summary = "Append a value to a key", .run = append},
    {.name = "decr", .syntax = "key", .flags = kWrite | kDenyOom | kFast, .keys = kFirstKeyAccessUpdate,
     .acl = kAclString, .summary = "Decrement the integer value of a key by one", .run = decr},
    {.name = "decrby", .syntax = "key decrement", .flags = kWrite | kDenyOom | kFast,
     .keys = kFirstKeyAccessUpdate, .acl = kAclString,
     .summary = "Decrement the integer value of a key by the given number", .run = decrby},
    {.name = "delex",
     .syntax = "key [IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | IFDNE ifdne-digest]",
     .flags = kWrite | kFast, .keys = kDelexKey, .acl = kAclString, .since = "8.4.0",
     .complexity = "O(1) for IFEQ/IFNE, O(N) for IFDEQ/IFDNE where N is the length of the string value.",
     .summary = "Conditionally removes the specified key based on value or hash digest comparison.", .run = delex},
    {.name = "delifeq", .syntax = "key value", .flags = kWrite | kFast, .keys = kFirstKeyDelete, .acl = kAclString,
     .since = "9.0.0", .summary = "Delete key if value matches string.", .run = delifeq},
    {.name = "digest", .syntax = "key", .flags = kReadOnly | kFast, .keys = kFirstKeyRead, .acl = kAclString,
     .since = "8.4.0", .complexity = "O(N) where N is the length of the string value.",
     .summary = "Returns the XXH3 hash of a string value.", .run = digest},
    {.name = "get", .syntax = "key", .flags = kReadOnly | kFast, .keys = kFirstKeyRead, .acl = kAclString,
     .summary = "Get the value of a key", .run = get},
    {.name = "getdel", .syntax = "key", .flags = kWrite | kFast, .keys = kFirstKeyAccessDelete, .acl = kAclString,
     .since = "6.2.0", .summary = "Get the value of a key and delete the key", .run = getdel},
    {.name = "getex",
     .syntax = "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]",
     .flags = kWrite | kFast, .keys = kFirstKeyAccessUpdate, .acl = kAclString, .since = "6.2.0",
     .summary = "Get the value of a key and optionally set its expiration", .run = getex},
    {.name = "getrange", .syntax = "key start end", .flags = kReadOnly, .keys = kFirstKeyRead, .acl = kAclString,
     .since = "2.4.0", .complexity = kRangeComplexity,
     .summary = "Get a substring of the string stored at a key", .run = getrange},
    {.name = "getset", .syntax = "key value", .flags = kWrite | kDenyOom | kFast, .keys = kFirstKeyAccessUpdate,
     .acl = kAclString, .summary = "Set the string value of a key and return its old value", .run = getset,
     .deprecated_since = "6.2.0", .replaced_by = "`SET` with the `!GET` argument"},
    {.name = "incr", .syntax = "key", .flags = kWrite | kDenyOom | kFast, .keys = kFirstKeyAccessUpdate,
     .acl = kAclString, .summary = "Increment the integer value of a key by one", .run = incr},
    {.name = "incrby", .syntax = "key increment", .flags = kWrite | kDenyOom | kFast,
     .keys = kFirstKeyAccessUpdate, .acl = kAclString,
     .summary = "Increment the integer value of a key by the given amount", .run = incrby},
    {.name = "incrbyfloat", .syntax = "key increment", .flags = kWrite | kDenyOom | kFast,
     .keys = kFirstKeyAccessUpdate, .acl = kAclString, .since = "2.6.0",
     .summary = "Increment the float value of a key by the given amount", .run = incrbyfloat},
    {.name = "increx",
     .syntax = "key [BYFLOAT increment | BYINT increment] [LBOUND lowerbound] [UBOUND upperbound] [SATURATE] "
               "[EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST] [ENX]",
     .flags = kWrite | kDenyOom | kFast, .keys = kFirstKeyAccessUpdate, .acl = kAclString, .since = "8.8.0",
     .summary = "Increments the numeric value of a key by a number and sets its expiration time. Uses 0 as initial "
                "value if the key doesn't exist.",
     .run = increx},
    {.name = "lcs", .syntax = "key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]", .flags = kReadOnly,
     .keys = kTwoKeysRead, .acl = kAclString, .since = "7.0.0",
     .complexity = "O(N*M) where N and M are the lengths of s1 and s2, respectively",
     .summary = "Find longest common substring", .run = lcs},
    {.name = "mget", .syntax = "key [key ...]", .flags = kReadOnly | kFast, .keys = kAllKeysRead, .acl = kAclString,
     .complexity = "O(N) where N is the number of keys to retrieve.",
     .summary = "Get the values of all the given keys", .run = mget, .tips = "request_policy:multi_shard"},
    {.name = "mset", .syntax = "key value [key value ...]", .flags = kWrite | kDenyOom, .keys = kPairsOverwrite,
     .acl = kAclString, .since = "1.0.1", .complexity = "O(N) where N is the number of keys to set.",
     .summary = "Set multiple keys to multiple values", .run = mset,
     .tips = "request_policy:multi_shard|response_policy:all_succeeded"},
    {.name = "msetex",
     .syntax = "numkeys key value [key value ...] [NX | XX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | "
               "PXAT unix-time-milliseconds | KEEPTTL]",
     .flags = kWrite | kDenyOom, .keys = kCountedPairs, .acl = kAclString, .since = "8.4.0",
     .complexity = "O(N) where N is the number of keys to set.",
     .summary = "Atomically sets multiple string keys with a shared expiration in a single operation.",
     .run = msetex, .tips = "request_policy:multi_shard|response_policy:all_succeeded"},
    {.name = "msetnx", .syntax = "key value [key value ...]", .flags = kWrite | kDenyOom, .keys = kPairsInsert,
     .acl = kAclString, .since = "1.0.1", .complexity = "O(N) where N is the number of keys to set.",
     .summary = "Set multiple keys to multiple values, only if none of the keys exist", .run = msetnx,
     .tips = "request_policy:multi_shard|response_policy:agg_min"},
    {.name = "psetex", .syntax = "key milliseconds value", .flags = kWrite | kDenyOom, .keys = kFirstKeyOverwrite,
     .acl = kAclString, .since = "2.6.0", .summary = "Set the value and expiration in milliseconds of a key",
     .run = psetex},
    {.name = "set",
     .syntax = "key value [NX | XX | IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | IFDNE ifdne-digest] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | "
               "PXAT unix-time-milliseconds | KEEPTTL]",
     .flags = kWrite | kDenyOom, .keys = kSetKey, .acl = kAclString,
     .summary = "Set the string value of a key", .run = set,
     .history = "2.6.12=Added the `EX`, `PX`, `NX` and `XX` options.|6.0.0=Added the `KEEPTTL` option.|"
                "6.2.0=Added the `GET`, `EXAT` and `PXAT` option.|"
                "7.0.0=Allowed the `NX` and `GET` options to be used together."},
    {.name = "setex", .syntax = "key seconds value", .flags = kWrite | kDenyOom, .keys = kFirstKeyOverwrite,
     .acl = kAclString, .since = "2.0.0", .summary = "Set the value and expiration of a key", .run = setex},
    {.name = "setnx", .syntax = "key value", .flags = kWrite | kDenyOom | kFast, .keys = kFirstKeyOverwriteInsert,
     .acl = kAclString, .summary = "Set the value of a key, only if the key does not exist", .run = setnx},
    {.name = "setrange", .syntax = "key offset value", .flags = kWrite | kDenyOom, .keys = kFirstKeyUpdate,
     .acl = kAclString, .since = "2.2.0",
     .complexity = "O(1), not counting the time taken to copy the new string in place. Usually, this string is very "
                   "small so the amortized complexity is O(1). Otherwise, complexity is O(M) with M being the length "
                   "of the value argument.",
     .summary = "Overwrite part of a string at key starting at the specified offset", .run = setrange},
    {.name = "strlen", .syntax = "key", .flags = kReadOnly | kFast, .keys = kFirstKeyMeta, .acl = kAclString,
     .since = "2.2.0", .summary = "Get the length of the value stored in a key", .run = string_length},
    {.name = "substr", .syntax = "key start end", .flags = kReadOnly, .keys = kFirstKeyRead, .acl = kAclString,
     .complexity = kRangeComplexity, .summary = "Get a substring of the string stored at a key", .run = getrange,
     .deprecated_since = "2.0.0", .replaced_by = "`GETRANGE`"},
};
// clang-format on
static_assert(well_formed(kStringCommands));

}  // namespace

const CommandGroup kStringGroup = {"string", kStringCommands};

}  // namespace strata
