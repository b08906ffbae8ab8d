// XINFO: what one sees of a stream, its groups and their consumers.
//
// Fields that came after Redis 7.2 are shown where they say something: those about idempotent producers when
// there have been some, nacked-count when it is not 0.

#include <algorithm>
#include <memory>

#include "commands/collections.h"
#include "commands/help.h"
#include "commands/streams.h"

namespace strata {
namespace {

constexpr uint64_t kInfoInSlice = 1024;
constexpr uint64_t kInfoCountDefault = 10;

void field(Reply& reply, Bytes name, uint64_t value) {
  reply.bulk(name);
  reply.integer(static_cast<int64_t>(value));
}

void field_id(Reply& reply, Bytes name, StreamId id) {
  reply.bulk(name);
  reply_id(reply, id);
}

bool uses_producers(const StreamValue& stream) {
  const StreamProducers& producers = stream.producers();
  return producers.added_count() > 0 || producers.producer_count() > 0 ||
         producers.duration_s() != kIdempotenceSecondsDefault ||
         producers.entries_max() != kIdempotenceEntriesDefault;
}

// What both forms of XINFO STREAM begin with.
constexpr size_t kFactCount = 7;
constexpr size_t kProducerFactCount = 6;

void reply_facts(Reply& reply, const StreamValue& stream) {
  field(reply, "length", stream.length());
  field(reply, "radix-tree-keys", stream.node_count());
  field(reply, "radix-tree-nodes", stream.radix_node_count());
  field_id(reply, "last-generated-id", stream.last_id());
  field_id(reply, "max-deleted-entry-id", stream.max_deleted_id());
  field(reply, "entries-added", stream.entries_added());
  field_id(reply, "recorded-first-entry-id", stream.first_id());
  if (!uses_producers(stream)) return;
  const StreamProducers& producers = stream.producers();
  field(reply, "idmp-duration", producers.duration_s());
  field(reply, "idmp-maxsize", producers.entries_max());
  field(reply, "pids-tracked", producers.producer_count());
  field(reply, "iids-tracked", producers.tracked_count());
  field(reply, "iids-added", producers.added_count());
  field(reply, "iids-duplicates", producers.duplicate_count());
}

size_t fact_count(const StreamValue& stream) {
  return kFactCount + (uses_producers(stream) ? kProducerFactCount : 0);
}

void reply_progress(Reply& reply, const StreamValue& stream, const StreamGroup& group) {
  reply.bulk("entries-read");
  group.entries_read == kEntriesReadUnknown ? reply.null() : reply.integer(group.entries_read);
  reply.bulk("lag");
  const std::optional<int64_t> lag = stream.lag(group);
  lag ? reply.integer(*lag) : reply.null();
}

// XINFO STREAM key FULL: entries, then groups with what is pending there and at their consumers. One walk
// that may stop at any of these.
class FullInfo final : public SlicedWork {
 public:
  explicit FullInfo(uint64_t count_max) : count_max_(count_max) {}
  bool step(Context& context) override {
    const Key key = context.key(2);
    return run(context, stream_of(context.database(key).find(key)), kInfoInSlice);
  }

  bool run(Context& context, const StreamValue& stream, uint64_t budget) {
    if (!std::exchange(has_begun_, true)) begin(context.reply(), stream);
    if (!show_entries(context, stream, budget)) return false;
    const auto groups = stream.groups().items();
    for (; group_at_ < groups.size(); ++group_at_) {
      if (!show_group(context.reply(), stream, *groups[group_at_], budget)) return false;
    }
    return true;
  }

 private:
  // One after the other in each group.
  enum class Part : uint8_t { kHead, kPending, kConsumerHead, kConsumerPending };

  void begin(Reply& reply, const StreamValue& stream) {
    reply.map(fact_count(stream) + 2);
    reply_facts(reply, stream);
    reply.bulk("entries");
    left_ = std::min(count_max_, stream.length());
    reply.array(left_);
  }

  bool show_entries(Context& context, const StreamValue& stream, uint64_t& budget) {
    if (are_entries_shown_) return true;
    StreamCursor cursor(stream, next_, kStreamIdMax);
    for (; left_ > 0; --left_, cursor.next()) {
      if (budget-- == 0) return next_ = cursor.id(), false;
      reply_entry(context, cursor);
    }
    are_entries_shown_ = true;
    context.reply().bulk("groups");
    context.reply().array(stream.groups().size());
    return true;
  }

  bool show_group(Reply& reply, const StreamValue& stream, const StreamGroup& group, uint64_t& budget) {
    if (part_ == Part::kHead) begin_group(reply, stream, group);
    if (part_ == Part::kPending) {
      if (!show_pending(reply, group, nullptr, budget)) return false;
      reply.bulk("consumers");
      reply.array(group.consumers().size());
      consumer_at_ = 0;
      part_ = Part::kConsumerHead;
    }
    const auto consumers = group.consumers().items();
    for (; consumer_at_ < consumers.size(); ++consumer_at_) {
      const StreamConsumer& consumer = *consumers[consumer_at_];
      if (part_ == Part::kConsumerHead) begin_consumer(reply, consumer);
      if (!show_pending(reply, group, &consumer, budget)) return false;
      part_ = Part::kConsumerHead;
    }
    part_ = Part::kHead;
    return true;
  }

  void begin_group(Reply& reply, const StreamValue& stream, const StreamGroup& group) {
    const bool has_unowned = group.unowned_count() > 0;
    reply.map(has_unowned ? 8 : 7);
    reply.bulk("name");
    reply.bulk(group.name());
    field_id(reply, "last-delivered-id", group.last_id);
    reply_progress(reply, stream, group);
    field(reply, "pel-count", group.pending_count());
    if (has_unowned) field(reply, "nacked-count", group.unowned_count());
    begin_pending(reply, group.pending_count());
    part_ = Part::kPending;
  }

  void begin_consumer(Reply& reply, const StreamConsumer& consumer) {
    reply.map(5);
    reply.bulk("name");
    reply.bulk(consumer.name());
    field(reply, "seen-time", static_cast<uint64_t>(consumer.seen_ms));
    field(reply, "active-time", static_cast<uint64_t>(consumer.active_ms));
    field(reply, "pel-count", consumer.pending.size());
    begin_pending(reply, consumer.pending.size());
    part_ = Part::kConsumerPending;
  }

  void begin_pending(Reply& reply, uint64_t count) {
    reply.bulk("pending");
    left_ = std::min(count_max_, count);
    next_ = kStreamIdMin;
    reply.array(left_);
  }

  // Of the group, or of one of its consumers.
  bool show_pending(Reply& reply, const StreamGroup& group, const StreamConsumer* consumer,
                    uint64_t& budget) {
    StreamPendingCursor pending =
        consumer ? StreamGroup::pending_from(*consumer, next_) : group.pending_from(next_);
    for (; left_ > 0; --left_, pending.next()) {
      if (budget-- == 0) return next_ = pending->id, false;
      reply.array(consumer ? 3 : 4);
      reply_id(reply, pending->id);
      if (!consumer) reply.bulk(pending->consumer ? pending->consumer->name() : Bytes());
      reply.integer(pending->delivery_ms);
      reply.integer(static_cast<int64_t>(pending->deliveries));
    }
    return true;
  }

  const uint64_t count_max_;
  bool has_begun_ = false;
  bool are_entries_shown_ = false;
  uint64_t left_ = 0;  // of the array that is being written
  StreamId next_;      // in it
  size_t group_at_ = 0;
  Part part_ = Part::kHead;
  size_t consumer_at_ = 0;
};

// How much FULL shows, for the choice to work in slices.
uint64_t full_size(const StreamValue& stream, uint64_t count_max) {
  uint64_t size = std::min(count_max, stream.length());
  for (const StreamGroup* group : stream.groups()) {
    size += 2 * std::min(count_max, group->pending_count()) + group->consumers().size();
  }
  return size;
}

void reply_full(Context& context, const StreamValue& stream) {
  uint64_t count = kInfoCountDefault;
  if (context.argc() == 6) {
    int64_t value;
    if (!context.parse_integer(5, value)) return;
    if (value >= 0) count = value == 0 ? UINT64_MAX : static_cast<uint64_t>(value);
  }
  if (context.may_slice() && full_size(stream, count) > kInfoInSlice)
    return context.slice(std::make_unique<FullInfo>(count), {{.arg = 2, .is_exclusive = false}});
  FullInfo(count).run(context, stream, UINT64_MAX);
}

void reply_edge(Context& context, Bytes name, const StreamValue& stream, StreamCursor::Order order) {
  context.reply().bulk(name);
  StreamCursor edge(stream, kStreamIdMin, kStreamIdMax, order);
  edge.done() ? context.reply().null() : reply_entry(context, edge);
}

// Null: an error was replied.
StreamValue* find_for_info(Context& context) {
  StreamValue* stream;
  if (!find_stream(context, context.key(2), stream)) return nullptr;
  if (!stream) context.reply().error("ERR no such key");
  return stream;
}

}  // namespace

void xinfo_stream(Context& context) {
  const StreamValue* stream = find_for_info(context);
  if (!stream) return;
  const bool is_full = context.argc() == 4 || context.argc() == 6;
  if (is_full && context.is_word(3, "FULL") && (context.argc() == 4 || context.is_word(4, "COUNT")))
    return reply_full(context, *stream);
  Reply& reply = context.reply();
  if (context.argc() != 3) {
    return reply.error("ERR unknown subcommand or wrong number of arguments for '", context.arg(1),
                       "'. Try XINFO HELP.");
  }
  reply.map(fact_count(*stream) + 3);
  reply_facts(reply, *stream);
  field(reply, "groups", stream->groups().size());
  reply_edge(context, "first-entry", *stream, StreamCursor::Order::kUp);
  reply_edge(context, "last-entry", *stream, StreamCursor::Order::kDown);
}

void xinfo_groups(Context& context) {
  const StreamValue* stream = find_for_info(context);
  if (!stream) return;
  Reply& reply = context.reply();
  reply.array(stream->groups().size());
  for (const StreamGroup* group : stream->groups()) {
    const bool has_unowned = group->unowned_count() > 0;
    reply.map(has_unowned ? 7 : 6);
    reply.bulk("name");
    reply.bulk(group->name());
    field(reply, "consumers", group->consumers().size());
    field(reply, "pending", group->pending_count());
    field_id(reply, "last-delivered-id", group->last_id);
    reply_progress(reply, *stream, *group);
    if (has_unowned) field(reply, "nacked-count", group->unowned_count());
  }
}

void xinfo_consumers(Context& context) {
  const StreamValue* stream = find_for_info(context);
  if (!stream) return;
  Reply& reply = context.reply();
  const StreamGroup* group = stream->find_group(context.arg(3));
  if (!group) {
    return reply.error("NOGROUP No such consumer group '", context.arg(3), "' for key name '", context.arg(2),
                       "'");
  }
  reply.array(group->consumers().size());
  for (const StreamConsumer* consumer : group->consumers()) {
    reply.map(4);
    reply.bulk("name");
    reply.bulk(consumer->name());
    field(reply, "pending", consumer->pending.size());
    const int64_t now = context.now_ms();
    reply.bulk("idle");
    reply.integer(std::max<int64_t>(0, now - consumer->seen_ms));
    reply.bulk("inactive");
    reply.integer(consumer->active_ms < 0 ? -1 : std::max<int64_t>(0, now - consumer->active_ms));
  }
}

void xinfo_help(Context& context) {
  reply_help(context, "XINFO",
             {"CONSUMERS <key> <groupname>", "    Show consumers of <groupname>.", "GROUPS <key>",
              "    Show the stream consumer groups.", "STREAM <key> [FULL [COUNT <count>]",
              "    Show information about the stream."});
}

}  // namespace strata
