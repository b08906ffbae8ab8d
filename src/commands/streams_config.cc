// XSETID, XCFGSET and XIDMPRECORD: numbers of a stream, set directly. Redis uses the first and the last of
// them for its log and its replicas.

#include "commands/collections.h"
#include "commands/streams.h"

namespace strata {
namespace {

struct SetId {
  StreamId last_id;
  int64_t entries_added = -1;
  std::optional<StreamId> max_deleted_id;
};

bool parse_set_id(Context& context, SetId& wanted) {
  if (!parse_id(context, 2, wanted.last_id)) return false;
  for (size_t i = 3; i < context.argc(); i += 2) {
    const bool has_value = i + 1 < context.argc();
    if (has_value && context.is_word(i, "ENTRIESADDED")) {
      if (!context.parse_integer(i + 1, wanted.entries_added)) return false;
      if (wanted.entries_added >= 0) continue;
      context.reply().error("ERR entries_added must be positive");
      return false;
    }
    if (has_value && context.is_word(i, "MAXDELETEDID")) {
      StreamId id;
      if (!parse_id(context, i + 1, id)) return false;
      wanted.max_deleted_id = id;
      if (id <= wanted.last_id) continue;
      context.reply().error(
          "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
      return false;
    }
    context.syntax_error();
    return false;
  }
  return true;
}

// The ID of the last entry that is there.
StreamId top_id(const StreamValue& stream) {
  return StreamCursor(stream, kStreamIdMin, kStreamIdMax, StreamCursor::Order::kDown).id();
}

bool may_set_id(Context& context, const StreamValue& stream, const SetId& wanted) {
  Reply& reply = context.reply();
  if (wanted.last_id < stream.max_deleted_id()) {
    reply.error("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
    return false;
  }
  if (stream.length() == 0) return true;
  if (wanted.last_id < top_id(stream)) {
    reply.error("ERR The ID specified in XSETID is smaller than the target stream top item");
    return false;
  }
  if (wanted.entries_added != -1 && stream.length() > static_cast<uint64_t>(wanted.entries_added)) {
    reply.error("ERR The entries_added specified in XSETID is smaller than the target stream length");
    return false;
  }
  return true;
}

// One of XCFGSET's numbers.
bool parse_limit(Context& context, size_t i, uint64_t most, Bytes error, uint64_t& limit) {
  int64_t value;
  if (!context.parse_integer_in(i, 1, static_cast<int64_t>(most), value, error)) return false;
  limit = static_cast<uint64_t>(value);
  return true;
}

}  // namespace

void xsetid(Context& context) {
  SetId wanted;
  if (!parse_set_id(context, wanted)) return;
  const Key key = context.key(1);
  StreamValue* stream;
  if (!find_stream_for_write(context, key, stream)) return;
  if (!stream) return context.reply().error("ERR no such key");
  if (!may_set_id(context, *stream, wanted)) return;
  stream->set_last_id(wanted.last_id);
  if (wanted.entries_added != -1) stream->set_entries_added(static_cast<uint64_t>(wanted.entries_added));
  if (wanted.max_deleted_id && *wanted.max_deleted_id != kStreamIdMin)
    stream->set_max_deleted_id(*wanted.max_deleted_id);
  context.changed(key);
  context.reply().ok();
}

void xcfgset(Context& context) {
  uint64_t duration_s = 0;
  uint64_t entries_max = 0;
  if (context.argc() == 2) return context.syntax_error();
  for (size_t i = 2; i < context.argc(); i += 2) {
    const bool has_value = i + 1 < context.argc();
    if (has_value && context.is_word(i, "IDMP-DURATION")) {
      if (!parse_limit(context, i + 1, kIdempotenceSecondsMax, "ERR invalid duration", duration_s)) return;
    } else if (has_value && context.is_word(i, "IDMP-MAXSIZE")) {
      if (!parse_limit(context, i + 1, kIdempotenceEntriesMax, "ERR invalid maxsize", entries_max)) return;
    } else {
      return context.syntax_error();
    }
  }
  const Key key = context.key(1);
  StreamValue* stream;
  if (!find_stream_for_write(context, key, stream)) return;
  if (!stream) return context.reply().error("ERR no such key");
  StreamProducers& producers = stream->producers();
  if (duration_s == 0) duration_s = producers.duration_s();
  if (entries_max == 0) entries_max = producers.entries_max();
  // What is remembered is forgotten only when something changes.
  if (duration_s != producers.duration_s() || entries_max != producers.entries_max()) {
    if (!check_memory(context, producers.configure(context.data(key).heap, duration_s, entries_max))) return;
    context.changed(key);
  }
  context.reply().ok();
}

void xidmprecord(Context& context) {
  StreamId id;
  if (!parse_id(context, 4, id)) return;
  const Key key = context.key(1);
  const Bytes producer = context.arg(2);
  const Bytes idempotent_id = context.arg(3);
  StreamValue* stream;
  if (!find_stream_for_write(context, key, stream)) return;
  if (!stream) return context.reply().error("ERR no such key");
  if (producer.empty() || idempotent_id.empty()) {
    return context.reply().error("ERR IDMP requires a non-empty producer ID and idempotent ID");
  }
  if (!stream->contains(id)) return context.reply().error("ERR no such entry in the stream");
  StreamProducers& producers = stream->producers();
  if (std::optional<StreamId> known = producers.find(producer, idempotent_id, context.now_ms())) {
    if (*known == id) return context.reply().ok();
    return context.reply().error("ERR the idempotent ID belongs to another entry of the stream");
  }
  const bool is_recorded =
      producers.record(context.data(key).heap, producer, idempotent_id, id, context.now_ms());
  if (!check_memory(context, is_recorded)) return;
  context.changed(key);
  context.reply().ok();
}

}  // namespace strata
