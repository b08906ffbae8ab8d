// What the commands on streams share.

#include <utility>

#include "commands/collections.h"
#include "commands/streams.h"
#include "data/stream_node.h"
#include "text/numbers.h"

namespace strata {
namespace {

void append_bulk(std::string& resp, Bytes bytes) {
  char digits[kI64TextBytes];
  resp.push_back('$');
  resp.append(digits, print_u64(bytes.size(), digits));
  resp.append("\r\n").append(bytes).append("\r\n");
}

void append_number(std::string& resp, uint64_t number) {
  char digits[kI64TextBytes];
  append_bulk(resp, Bytes(digits, print_u64(number, digits)));
}

bool parse_bound(Context& context, size_t i, StreamEnd end, Bytes what, StreamId& id) {
  const StreamBound bound = parse_stream_bound(context.arg(i), end);
  id = bound.id;
  if (bound.error == StreamBound::Error::kNone) return true;
  if (bound.error == StreamBound::Error::kNoId) return reply_invalid_id(context), false;
  context.reply().error("ERR invalid ", what, " ID for the interval");
  return false;
}

}  // namespace

bool find_stream(Context& context, const Key& key, StreamValue*& stream) {
  Entry* entry;
  stream = nullptr;
  if (!context.find(key, Type::kStream, entry)) return false;
  if (entry) stream = &stream_of(entry);
  return true;
}

bool find_stream_for_write(Context& context, const Key& key, StreamValue*& stream) {
  Entry* entry;
  stream = nullptr;
  if (!context.find_for_write(key, Type::kStream, entry)) return false;
  if (entry) stream = &stream_of(entry);
  return true;
}

StreamValue* new_stream(Context& context, const Key& key) {
  Heap& heap = context.data(key).heap;
  StreamValue* stream = StreamValue::create(heap);
  const StreamLimits& limits = context.options().stream;
  const bool is_usual = limits.idempotence_seconds == kIdempotenceSecondsDefault &&
                        limits.idempotence_entries == kIdempotenceEntriesDefault;
  if (!stream || is_usual) return stream;
  if (stream->producers().configure(heap, limits.idempotence_seconds, limits.idempotence_entries))
    return stream;
  StreamValue::destroy(heap, stream);
  return nullptr;
}

StreamValue* create_stream(Context& context, const Key& key) {
  StreamValue* stream = new_stream(context, key);
  if (!check_memory(context, stream != nullptr)) return nullptr;
  return store(context, key, nullptr, stream->value()) ? stream : nullptr;
}

void reply_invalid_id(Context& context) {
  context.reply().error("ERR Invalid stream ID specified as stream command argument");
}

void reply_no_group(Context& context, Bytes key, Bytes group, Bytes suffix) {
  context.reply().error("NOGROUP No such key '", key, "' or consumer group '", group, "'", suffix);
}

bool parse_id(Context& context, size_t i, StreamId& id) {
  std::optional<StreamId> parsed = parse_stream_id(context.arg(i), 0);
  if (!parsed) return reply_invalid_id(context), false;
  id = *parsed;
  return true;
}

bool parse_start(Context& context, size_t i, StreamId& id) {
  return parse_bound(context, i, StreamEnd::kStart, "start", id);
}

bool parse_end(Context& context, size_t i, StreamId& id) {
  return parse_bound(context, i, StreamEnd::kEnd, "end", id);
}

bool IdArguments::parse_some(Context& context, uint64_t budget) {
  if (ids_.empty()) ids_.reserve(end_ - next_);  // to grow in the end would move 16 MB in one slice
  for (; next_ < end_ && budget > 0; --budget) {
    StreamId id;
    if (!parse_id(context, next_++, id)) return false;
    ids_.push_back(id);
  }
  return true;
}

bool parse_counted_ids(Context& context, size_t& i, IdArguments& ids) {
  int64_t count;
  if (!context.parse_integer_in(i + 1, 1, INT64_MAX, count, "ERR Number of IDs must be a positive integer"))
    return false;
  if (static_cast<uint64_t>(count) > context.argc() - i - 2) {
    context.reply().error("ERR The `numids` parameter must match the number of arguments");
    return false;
  }
  const size_t end = i + 2 + static_cast<size_t>(count);
  ids = IdArguments(i + 2, end);
  i = end - 1;
  const bool is_for_slices = static_cast<uint64_t>(count) > kIdsParsedInSlice && context.may_slice();
  return is_for_slices || ids.parse_some(context, UINT64_MAX);
}

void reply_fields(Context& context, StreamCursor& cursor) {
  Reply& reply = context.reply();
  reply.array(2 * size_t{cursor.field_count()});
  cursor.visit([&](const Element& field, const Element& value) {
    reply_many(context, reply, field);
    reply_many(context, reply, value);
  });
}

void reply_entry(Context& context, StreamCursor& cursor) {
  context.reply().array(2);
  reply_id(context.reply(), cursor.id());
  reply_fields(context, cursor);
}

bool holds_more(const StreamValue& stream, StreamId first, StreamId last, uint64_t count) {
  if (stream.length() <= count) return false;
  IdTree::Position node = stream.nodes().at_or_before(first);
  if (node.done()) node = stream.nodes().first();
  for (uint64_t seen = 0; !node.done() && node.id() <= last; node = IdTree::next(node)) {
    seen += stream_node::alive_count(static_cast<const Blob*>(node.value())->view());
    if (seen > count) return true;
  }
  return false;
}

void DeliveryLog::add(StreamId id, int64_t delivery_ms, uint64_t deliveries) {
  const bool is_like_others = delivery_ms == delivery_ms_ && deliveries == deliveries_;
  if (!ids_.empty() && (!is_like_others || ids_.size() == kIdsPerCommand)) flush();
  ids_.push_back(id);
  delivery_ms_ = delivery_ms;
  deliveries_ = deliveries;
}

void DeliveryLog::flush() {
  char digits[kI64TextBytes];
  constexpr size_t kOtherWords = 5 + 6;
  resp_.push_back('*');
  resp_.append(digits, print_u64(ids_.size() + kOtherWords, digits)).append("\r\n");
  for (Bytes word : {Bytes("XCLAIM"), Bytes(key_), Bytes(group_), Bytes(consumer_), Bytes("0")})
    append_bulk(resp_, word);
  for (StreamId id : ids_) append_bulk(resp_, StreamIdText(id).view());
  append_bulk(resp_, "TIME");
  append_number(resp_, static_cast<uint64_t>(delivery_ms_));
  append_bulk(resp_, "RETRYCOUNT");
  append_number(resp_, deliveries_);
  for (Bytes word : {Bytes("FORCE"), Bytes("JUSTID")}) append_bulk(resp_, word);
  ids_.clear();
  ++commands_;
}

void DeliveryLog::state(Context& context) {
  if (!ids_.empty()) flush();
  if (commands_ > 0) context.effects(std::exchange(resp_, {}), std::exchange(commands_, 0));
}

void log_with_ids(Context& context, std::span<const Bytes> words, std::span<const StreamId> ids) {
  constexpr size_t kIdsPerCommand = 1024;
  while (!ids.empty()) {
    const std::span<const StreamId> some = ids.first(std::min(ids.size(), kIdsPerCommand));
    std::vector<StreamIdText> texts;
    texts.reserve(some.size());
    for (StreamId id : some) texts.emplace_back(id);
    std::vector<Bytes> command(words.begin(), words.end());
    for (const StreamIdText& text : texts) command.push_back(text.view());
    context.effect(command);
    ids = ids.subspan(some.size());
  }
}

void IdLog::end_slice(Context& context, std::initializer_list<Bytes> words) {
  if (ids_.empty()) return;
  log_with_ids(context, words, ids_);
  context.log_slice();
  ids_.clear();
}

void IdLog::finish(Context& context, std::initializer_list<Bytes> words, bool as_it_came) {
  if (!as_it_came || context.has_logged_slices()) log_with_ids(context, words, ids_);
}

void log_group_position(Context& context, Bytes key, const StreamGroup& group) {
  char digits[kI64TextBytes];
  context.effect({"XGROUP", "SETID", key, group.name(), StreamIdText(group.last_id).view(), "ENTRIESREAD",
                  Bytes(digits, print_i64(group.entries_read, digits))});
}

void log_consumer(Context& context, Bytes key, Bytes group, Bytes consumer) {
  context.effect({"XGROUP", "CREATECONSUMER", key, group, consumer});
}

}  // namespace strata
