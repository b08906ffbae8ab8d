// What the commands on streams share, and their handlers that do not stand beside their table (streams.cc).
//
// A stream's Value never changes once its key is there, so handlers work on a StreamValue& and call
// changed().
//
// The log gets what makes a replay end in the same state, whatever the clock says then and however the stream
// is cut into nodes: generated IDs, exact lengths for approximate trims, and deliveries as XCLAIM … FORCE
// JUSTID, as Redis has them.

#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "commands/context.h"
#include "commands/stream_ids.h"
#include "data/stream.h"

namespace strata {

inline StreamValue& stream_of(const Entry* entry) { return StreamValue::of(entry->value()); }
// Null and false: WRONGTYPE was replied. Null and true: there is no such key.
bool find_stream(Context& context, const Key& key, StreamValue*& stream);
bool find_stream_for_write(Context& context, const Key& key, StreamValue*& stream);
// A stream without a key, as the options say; null when out of memory.
StreamValue* new_stream(Context& context, const Key& key);
// Puts a new, empty stream under the key. Null: OOM was replied.
StreamValue* create_stream(Context& context, const Key& key);

// ---- Arguments -------------------------------------------------------------------------------------

// The parsers reply the error and return false.
bool parse_id(Context& context, size_t i, StreamId& id);
bool parse_start(Context& context, size_t i, StreamId& id);
bool parse_end(Context& context, size_t i, StreamId& id);
// The IDs at args[first, end), which may be a million: parsed in slices, before anything changes.
class IdArguments {
 public:
  IdArguments() = default;
  IdArguments(size_t first, size_t end) : next_(first), end_(end) {}
  // Parses some more. False: an error was replied.
  bool parse_some(Context& context, uint64_t budget);
  bool are_parsed() const { return next_ == end_; }
  bool empty() const { return end_ == 0; }  // none were named
  size_t size() const { return ids_.size(); }
  StreamId operator[](size_t i) const { return ids_[i]; }

 private:
  size_t next_ = 0;
  size_t end_ = 0;
  std::vector<StreamId> ids_;
};
// To parse an ID costs about 50 ns.
inline constexpr uint64_t kIdsParsedInSlice = 8192;
// IDS numids id [id …] at args[i], where `i` ends at the last of them. Where they are many they are left for
// slices to parse. False: an error was replied.
bool parse_counted_ids(Context& context, size_t& i, IdArguments& ids);
void reply_invalid_id(Context& context);
// -NOGROUP, with the words of XPENDING, XCLAIM and XAUTOCLAIM; `suffix` follows.
void reply_no_group(Context& context, Bytes key, Bytes group, Bytes suffix = {});

// ---- Replies ---------------------------------------------------------------------------------------

inline void reply_id(Reply& reply, StreamId id) { reply.bulk(StreamIdText(id).view()); }
// [id, [field, value, …]]
void reply_entry(Context& context, StreamCursor& cursor);
// Only the array of fields and values.
void reply_fields(Context& context, StreamCursor& cursor);

// Whether [first, last] may hold more than `count` entries. Cheap: it counts nodes.
bool holds_more(const StreamValue& stream, StreamId first, StreamId last, uint64_t count);

// ---- Log -------------------------------------------------------------------------------------------

// Deliveries to one consumer, for the log: as few XCLAIMs as possible.
class DeliveryLog {
 public:
  DeliveryLog(Bytes key, Bytes group, Bytes consumer) : key_(key), group_(group), consumer_(consumer) {}
  void add(StreamId id, int64_t delivery_ms, uint64_t deliveries);
  bool empty() const { return ids_.empty() && commands_ == 0; }
  // States the effects of what was added since the last time.
  void state(Context& context);

 private:
  void flush();

  static constexpr size_t kIdsPerCommand = 1024;

  const std::string key_, group_, consumer_;
  std::vector<StreamId> ids_;
  int64_t delivery_ms_ = 0;
  uint64_t deliveries_ = 0;
  std::string resp_;
  size_t commands_ = 0;
};

// One command with IDs at its end, cut into several where they are many: XACK key group id …
void log_with_ids(Context& context, std::span<const Bytes> words, std::span<const StreamId> ids);

// The IDs with which a command of many has done something. What is done at once is logged as it came; work in
// slices states with each slice which IDs that were.
class IdLog {
 public:
  void add(StreamId id) { ids_.push_back(id); }
  // The end of a slice that is not the last.
  void end_slice(Context& context, std::initializer_list<Bytes> words);
  // The end. `as_it_came`: the command itself says the same as its effects, if there were no slices.
  void finish(Context& context, std::initializer_list<Bytes> words, bool as_it_came);

 private:
  std::vector<StreamId> ids_;
};
void log_group_position(Context& context, Bytes key, const StreamGroup& group);
void log_consumer(Context& context, Bytes key, Bytes group, Bytes consumer);

// ---- Handlers --------------------------------------------------------------------------------------

// streams_add.cc: adding and trimming.
void xadd(Context& context);
void xtrim(Context& context);
// streams_delete.cc: deleting entries by ID, with and without what refers to them.
void xdel(Context& context);
void xdelex(Context& context);
void xackdel(Context& context);
// streams_range.cc: ranges.
void xlen(Context& context);
void xrange(Context& context);
void xrevrange(Context& context);
// streams_read.cc: reading from several streams, with waiting.
void xread(Context& context);
void xreadgroup(Context& context);
// streams_groups.cc: consumer groups.
void xgroup_create(Context& context);
void xgroup_setid(Context& context);
void xgroup_destroy(Context& context);
void xgroup_createconsumer(Context& context);
void xgroup_delconsumer(Context& context);
void xgroup_help(Context& context);
void xack(Context& context);
// streams_pending.cc: what is not acknowledged yet.
void xpending(Context& context);
// streams_claim.cc: other owners for what is pending.
void xclaim(Context& context);
void xautoclaim(Context& context);
void xnack(Context& context);
// streams_config.cc: numbers of a stream, set directly.
void xsetid(Context& context);
void xcfgset(Context& context);
void xidmprecord(Context& context);
// streams_info.cc: what one sees of a stream.
void xinfo_stream(Context& context);
void xinfo_groups(Context& context);
void xinfo_consumers(Context& context);
void xinfo_help(Context& context);

}  // namespace strata
