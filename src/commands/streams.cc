// Streams: the table. The handlers stand in streams_*.cc.

#include "commands/streams.h"

#include "commands/groups.h"

namespace strata {
namespace {

constexpr const char* kTrimNote = "UPDATE instead of INSERT because of the optional trimming feature";
constexpr KeySpec kAddedKey[] = {{.flags = kKeyRW | kKeyUpdate, .notes = kTrimNote}};
constexpr KeySpec kReadKeys[] = {
    {.flags = kKeyRO | kKeyAccess, .keyword = "STREAMS", .start_from = 1, .last = -1, .limit = 2}};
constexpr KeySpec kGroupReadKeys[] = {
    {.flags = kKeyRO | kKeyAccess, .keyword = "STREAMS", .start_from = 4, .last = -1, .limit = 2}};
constexpr KeySpec kUpdateDeleteKey[] = {{.flags = kKeyRW | kKeyUpdate | kKeyDelete}};
constexpr KeySpec kSecondRead[] = {{.flags = kKeyRO | kKeyAccess, .index = 2}};
constexpr KeySpec kSecondInsert[] = {{.flags = kKeyRW | kKeyInsert, .index = 2}};
constexpr KeySpec kSecondUpdate[] = {{.flags = kKeyRW | kKeyUpdate, .index = 2}};
constexpr KeySpec kSecondDelete[] = {{.flags = kKeyRW | kKeyDelete, .index = 2}};

constexpr const char* kReadComplexity =
    "For each stream mentioned: O(N) with N being the number of elements being returned, it means that "
    "XREAD-ing with "
    "a fixed COUNT is O(1). Note that when the BLOCK option is used, XADD will pay O(M) time in order to "
    "serve the M "
    "clients blocked on the stream getting new data.";
constexpr const char* kGroupReadComplexity =
    "For each stream mentioned: O(M) with M being the number of elements returned. If M is constant (e.g. "
    "always "
    "asking for the first 10 elements with COUNT), you can consider it O(1). On the other side when "
    "XREADGROUP blocks, "
    "XADD will pay the O(N) time in order to serve the N clients blocked on the stream getting new data.";
constexpr const char* kEachId = "O(1) for each message ID processed.";
constexpr const char* kNondeterministic = "nondeterministic_output";

// clang-format off
constexpr Command kGroupCommands[] = {
    {.name = "create", .syntax = "key group <id | $> [MKSTREAM] [ENTRIESREAD entries_read]",
     .flags = kWrite | kDenyOom, .keys = kSecondInsert, .acl = kAclStream, .since = "5.0.0",
     .summary = "Create a consumer group.", .run = xgroup_create,
     .history = "7.0.0=Added the `entries_read` named argument."},
    {.name = "setid", .syntax = "key group <id | $> [ENTRIESREAD entries_read]", .flags = kWrite,
     .keys = kSecondUpdate, .acl = kAclStream, .since = "5.0.0",
     .summary = "Set a consumer group to an arbitrary last delivered ID value.", .run = xgroup_setid,
     .history = "7.0.0=Added the optional `entries_read` argument."},
    {.name = "destroy", .syntax = "key group", .flags = kWrite, .keys = kSecondDelete, .acl = kAclStream,
     .since = "5.0.0", .complexity = "O(N) where N is the number of entries in the group's pending entries list (PEL).",
     .summary = "Destroy a consumer group.", .run = xgroup_destroy},
    {.name = "createconsumer", .syntax = "key group consumer", .flags = kWrite | kDenyOom, .keys = kSecondInsert,
     .acl = kAclStream, .since = "6.2.0", .summary = "Create a consumer in a consumer group.",
     .run = xgroup_createconsumer},
    {.name = "delconsumer", .syntax = "key group consumer", .flags = kWrite, .keys = kSecondDelete,
     .acl = kAclStream, .since = "5.0.0", .summary = "Delete a consumer from a consumer group.",
     .run = xgroup_delconsumer},
    {.name = "help", .flags = kLoading | kStale, .acl = kAclStream, .since = "5.0.0",
     .summary = "Show helpful text about the different subcommands", .run = xgroup_help},
};
static_assert(well_formed(kGroupCommands));

constexpr Command kInfoCommands[] = {
    {.name = "stream", .syntax = "key [FULL [COUNT count]]", .flags = kReadOnly, .keys = kSecondRead,
     .acl = kAclStream, .since = "5.0.0", .summary = "Get information about a stream", .run = xinfo_stream,
     .history = "6.0.0=Added the `FULL` modifier.|7.0.0=Added the `max-deleted-entry-id`, `entries-added`, "
                "`recorded-first-entry-id`, `entries-read` and `lag` fields|7.2.0=Added the `active-time` field, and "
                "changed the meaning of `seen-time`."},
    {.name = "groups", .syntax = "key", .flags = kReadOnly, .keys = kSecondRead, .acl = kAclStream, .since = "5.0.0",
     .summary = "List the consumer groups of a stream", .run = xinfo_groups,
     .history = "7.0.0=Added the `entries-read` and `lag` fields"},
    {.name = "consumers", .syntax = "key group", .flags = kReadOnly, .keys = kSecondRead, .acl = kAclStream,
     .since = "5.0.0", .summary = "List the consumers in a consumer group", .run = xinfo_consumers,
     .history = "7.2.0=Added the `inactive` field, and changed the meaning of `idle`.", .tips = kNondeterministic},
    {.name = "help", .flags = kLoading | kStale, .acl = kAclStream, .since = "5.0.0",
     .summary = "Show helpful text about the different subcommands", .run = xinfo_help},
};
static_assert(well_formed(kInfoCommands));

constexpr Command kStreamCommands[] = {
    {.name = "xack", .syntax = "key group id [id ...]", .flags = kWrite | kFast, .keys = kFirstKeyUpdate,
     .acl = kAclStream, .since = "5.0.0", .complexity = kEachId,
     .summary = "Marks a pending message as correctly processed, effectively removing it from the pending entries list "
                "of the consumer group. Return value of the command is the number of messages successfully "
                "acknowledged, that is, the IDs we were actually able to resolve in the PEL.",
     .run = xack},
    {.name = "xackdel", .syntax = "key group [KEEPREF | DELREF | ACKED] IDS numids id [id ...]",
     .flags = kWrite | kFast, .keys = kUpdateDeleteKey, .acl = kAclStream, .since = "8.2.0",
     .complexity = "O(1) for each entry ID processed.",
     .summary = "Acknowledges and conditionally deletes one or multiple entries for a stream consumer group.",
     .run = xackdel},
    {.name = "xadd",
     .syntax = "key [NOMKSTREAM] [KEEPREF | DELREF | ACKED] [IDMPAUTO producer-id | IDMP producer-id idempotent-id] "
               "[<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> field value [field value ...]",
     .flags = kWrite | kDenyOom | kFast, .keys = kAddedKey, .acl = kAclStream, .since = "5.0.0",
     .complexity = "O(1) when adding a new entry, O(N) when trimming where N being the number of entries evicted.",
     .summary = "Appends a new entry to a stream", .run = xadd,
     .history = "6.2.0=Added the `NOMKSTREAM` option, `MINID` trimming strategy and the `LIMIT` option.|"
                "7.0.0=Added support for the `<ms>-*` explicit ID form.|8.2.0=Added the `KEEPREF`, `DELREF` and "
                "`ACKED` options.|8.6.0=Added the `IDMP` and `IDMPAUTO` options.",
     .tips = kNondeterministic},
    {.name = "xautoclaim", .syntax = "key group consumer min-idle-time start [COUNT count] [JUSTID]",
     .flags = kWrite | kFast, .keys = kFirstKeyDelete, .acl = kAclStream, .since = "6.2.0",
     .complexity = "O(1) if COUNT is small.",
     .summary = "Changes (or acquires) ownership of messages in a consumer group, as if the messages were delivered to "
                "the specified consumer.",
     .run = xautoclaim,
     .history = "7.0.0=Added an element to the reply array, containing deleted entries the command cleared from the PEL",
     .tips = kNondeterministic},
    {.name = "xcfgset", .syntax = "key [IDMP-DURATION idmp-duration] [IDMP-MAXSIZE idmp-maxsize]",
     .flags = kWrite | kFast, .keys = kFirstKeyUpdate, .acl = kAclStream, .since = "8.6.0",
     .summary = "Sets the IDMP configuration parameters for a stream.", .run = xcfgset},
    {.name = "xclaim",
     .syntax = "key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] "
               "[RETRYCOUNT count] [FORCE] [JUSTID] [LASTID lastid]",
     .flags = kWrite | kFast, .keys = kFirstKeyUpdate, .acl = kAclStream, .since = "5.0.0",
     .complexity = "O(log N) with N being the number of messages in the PEL of the consumer group.",
     .summary = "Changes (or acquires) ownership of a message in a consumer group, as if the message was delivered to "
                "the specified consumer.",
     .run = xclaim, .tips = kNondeterministic},
    {.name = "xdel", .syntax = "key id [id ...]", .flags = kWrite | kFast, .keys = kFirstKeyDelete, .acl = kAclStream,
     .since = "5.0.0",
     .complexity = "O(1) for each single item to delete in the stream, regardless of the stream size.",
     .summary = "Removes the specified entries from the stream. Returns the number of items actually deleted, that may "
                "be different from the number of IDs passed in case certain IDs do not exist.",
     .run = xdel},
    {.name = "xdelex", .syntax = "key [KEEPREF | DELREF | ACKED] IDS numids id [id ...]", .flags = kWrite | kFast,
     .keys = kFirstKeyDelete, .acl = kAclStream, .since = "8.2.0",
     .complexity = "O(1) for each single item to delete in the stream, regardless of the stream size.",
     .summary = "Deletes one or multiple entries from the stream.", .run = xdelex},
    {.name = "xgroup", .acl = 0, .since = "5.0.0", .complexity = "Depends on subcommand.",
     .summary = "A container for consumer groups commands", .subcommands = kGroupCommands},
    {.name = "xidmprecord", .syntax = "key pid iid stream-id", .flags = kWrite | kDenyOom | kFast,
     .keys = kFirstKeyUpdate, .acl = kAclStream, .since = "8.8.0",
     .summary = "An internal command for setting IDMP metadata on an existing stream message.", .run = xidmprecord},
    {.name = "xinfo", .acl = 0, .since = "5.0.0", .complexity = "Depends on subcommand.",
     .summary = "A container for stream introspection commands", .subcommands = kInfoCommands},
    {.name = "xlen", .syntax = "key", .flags = kReadOnly | kFast, .keys = kFirstKeyMeta, .acl = kAclStream,
     .since = "5.0.0", .summary = "Return the number of entries in a stream", .run = xlen},
    {.name = "xnack",
     .syntax = "key group <SILENT | FAIL | FATAL> IDS numids id [id ...] [RETRYCOUNT count] [FORCE]",
     .flags = kWrite | kFast, .keys = kFirstKeyUpdate, .acl = kAclStream, .since = "8.8.0", .complexity = kEachId,
     .summary = "Releases pending messages back to the group's PEL without acknowledging them, making them available "
                "for re-delivery.",
     .run = xnack},
    {.name = "xpending", .syntax = "key group [[IDLE min-idle-time] start end count [consumer]]", .flags = kReadOnly,
     .keys = kFirstKeyRead, .acl = kAclStream, .since = "5.0.0",
     .complexity = "O(N) with N being the number of elements returned, so asking for a small fixed number of entries "
                   "per call is O(1). O(M), where M is the total number of entries scanned when used with the IDLE "
                   "filter. When the command returns just the summary and the list of consumers is small, it runs in "
                   "O(1) time; otherwise, an additional O(N) time for iterating every consumer.",
     .summary = "Return information and entries from a stream consumer group pending entries list, that are messages "
                "fetched but never acknowledged.",
     .run = xpending, .history = "6.2.0=Added the `IDLE` option and exclusive range intervals.",
     .tips = kNondeterministic},
    {.name = "xrange", .syntax = "key start end [COUNT count]", .flags = kReadOnly, .keys = kFirstKeyRead,
     .acl = kAclStream, .since = "5.0.0",
     .complexity = "O(N) with N being the number of elements being returned. If N is constant (e.g. always asking for "
                   "the first 10 elements with COUNT), you can consider it O(1).",
     .summary = "Return a range of elements in a stream, with IDs matching the specified IDs interval", .run = xrange,
     .history = "6.2.0=Added exclusive ranges."},
    {.name = "xread",
     .syntax = "[COUNT count] [MAXCOUNT maxcount] [MAXSIZE maxsize] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]",
     .flags = kReadOnly | kBlocking, .keys = kReadKeys, .acl = kAclStream, .since = "5.0.0",
     .complexity = kReadComplexity,
     .summary = "Return never seen elements in multiple streams, with IDs greater than the ones reported by the caller "
                "for each stream. Can block.",
     .run = xread, .history = "8.10.0=Added the `MAXCOUNT` and `MAXSIZE` options."},
    {.name = "xreadgroup",
     .syntax = "GROUP group consumer [COUNT count] [MAXCOUNT maxcount] [MAXSIZE maxsize] [BLOCK milliseconds] "
               "[CLAIM min-idle-time] [NOACK] STREAMS key [key ...] id [id ...]",
     .flags = kWrite | kBlocking, .keys = kGroupReadKeys, .acl = kAclStream, .since = "5.0.0",
     .complexity = kGroupReadComplexity,
     .summary = "Return new entries from a stream using a consumer group, or access the history of the pending entries "
                "for a given consumer. Can block.",
     .run = xreadgroup, 
     .history = "8.4.0=Added the `CLAIM` option.|8.10.0=Added the `MAXCOUNT` and `MAXSIZE` options."},
    {.name = "xrevrange", .syntax = "key end start [COUNT count]", .flags = kReadOnly, .keys = kFirstKeyRead,
     .acl = kAclStream, .since = "5.0.0",
     .complexity = "O(N) with N being the number of elements returned. If N is constant (e.g. always asking for the "
                   "first 10 elements with COUNT), you can consider it O(1).",
     .summary = "Return a range of elements in a stream, with IDs matching the specified IDs interval, in reverse order "
                "(from greater to smaller IDs) compared to XRANGE",
     .run = xrevrange, .history = "6.2.0=Added exclusive ranges."},
    {.name = "xsetid", .syntax = "key last-id [ENTRIESADDED entries_added] [MAXDELETEDID max_deleted_entry_id]",
     .flags = kWrite | kDenyOom | kFast, .keys = kFirstKeyUpdate, .acl = kAclStream, .since = "5.0.0",
     .summary = "An internal command for replicating stream values", .run = xsetid,
     .history = "7.0.0=Added the `entries_added` and `max_deleted_entry_id` arguments."},
    {.name = "xtrim", .syntax = "key <MAXLEN | MINID> [= | ~] threshold [LIMIT count] [KEEPREF | DELREF | ACKED]",
     .flags = kWrite, .keys = kFirstKeyDelete, .acl = kAclStream, .since = "5.0.0",
     .complexity = "O(N), with N being the number of evicted entries. Constant times are very small however, since "
                   "entries are organized in macro nodes containing multiple entries that can be released with a "
                   "single deallocation.",
     .summary = "Trims the stream to (approximately if '~' is passed) a certain size", .run = xtrim,
     .history = "6.2.0=Added the `MINID` trimming strategy and the `LIMIT` option.|8.2.0=Added the `KEEPREF`, `DELREF` "
                "and `ACKED` options.",
     .tips = kNondeterministic},
};
// clang-format on
static_assert(well_formed(kStreamCommands));

}  // namespace

const CommandGroup kStreamGroup = {"stream", kStreamCommands};

}  // namespace strata
