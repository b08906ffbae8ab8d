// XPENDING: what a group's consumers were given and have not acknowledged yet.

#include <algorithm>
#include <memory>

#include "commands/collections.h"
#include "commands/streams.h"
#include "text/numbers.h"

namespace strata {
namespace {

constexpr size_t kShownInSlice = 1024;
constexpr size_t kScannedInSlice = 8192;

struct PendingQuery {
  StreamId start, end;
  uint64_t count = 0;
  int64_t idle_ms_min = 0;
  size_t consumer_at = 0;  // 0: of any consumer
};

// key group [[IDLE min-idle-time] start end count [consumer]]
bool parse_query(Context& context, PendingQuery& query) {
  const size_t argc = context.argc();
  if (argc < 6 || argc > 9) return context.syntax_error(), false;
  size_t start_at = 3;
  if (context.is_word(3, "IDLE")) {
    if (!context.parse_integer(4, query.idle_ms_min)) return false;
    if (argc < 8) return context.syntax_error(), false;
    start_at = 5;
  }
  int64_t count;
  if (!context.parse_integer(start_at + 2, count)) return false;
  query.count = count < 0 ? 0 : static_cast<uint64_t>(count);
  if (!parse_start(context, start_at, query.start) || !parse_end(context, start_at + 1, query.end))
    return false;
  if (start_at + 3 < argc) query.consumer_at = start_at + 3;
  return true;
}

void reply_summary(Context& context, const StreamGroup& group) {
  Reply& reply = context.reply();
  reply.array(4);
  reply.integer(static_cast<int64_t>(group.pending_count()));
  const StreamPendingCursor first = group.pending_from(kStreamIdMin);
  if (first.done()) {
    reply.null();
    reply.null();
    return reply.null_array();
  }
  reply_id(reply, first->id);
  reply_id(reply, group.pending_last()->id);
  auto consumers = reply.begin_array();
  size_t shown = 0;
  for (const StreamConsumer* consumer : group.consumers()) {
    if (consumer->pending.empty()) continue;
    reply.array(2);
    reply.bulk(consumer->name());
    reply.bulk_integer(static_cast<int64_t>(consumer->pending.size()));
    ++shown;
  }
  reply.end_array(consumers, shown);
}

class PendingReply final : public SlicedWork {
 public:
  explicit PendingReply(const PendingQuery& query) : query_(query) {}
  bool step(Context& context) override {
    const StreamGroup& group = *stream_of(latched_entry(context)).find_group(context.arg(2));
    return run(context, group, kShownInSlice, kScannedInSlice);
  }

  // So many are shown at most, and so many looked at.
  bool run(Context& context, const StreamGroup& group, uint64_t shown_budget, uint64_t scanned_budget) {
    if (!std::exchange(has_begun_, true)) array_ = context.reply().begin_array();
    const StreamConsumer* consumer =
        query_.consumer_at ? group.find_consumer(context.arg(query_.consumer_at)) : nullptr;
    StreamPendingCursor pending =
        consumer ? StreamGroup::pending_from(*consumer, query_.start) : group.pending_from(query_.start);
    for (; !pending.done() && pending->id <= query_.end && shown_ < query_.count; pending.next()) {
      if (shown_budget == 0 || scanned_budget-- == 0) {
        query_.start = pending->id;
        return false;
      }
      if (query_.idle_ms_min != 0 && context.now_ms() - pending->delivery_ms < query_.idle_ms_min) continue;
      show(context, *pending);
      --shown_budget;
    }
    context.reply().end_array(array_, shown_);
    return true;
  }

 private:
  void show(Context& context, const StreamPending& pending) {
    Reply& reply = context.reply();
    reply.array(4);
    reply_id(reply, pending.id);
    // Nobody's, after XNACK.
    reply.bulk(pending.consumer ? pending.consumer->name() : Bytes());
    reply.integer(pending.consumer ? std::max<int64_t>(0, context.now_ms() - pending.delivery_ms) : -1);
    reply.integer(static_cast<int64_t>(pending.deliveries));
    ++shown_;
  }

  PendingQuery query_;  // `start` moves on
  bool has_begun_ = false;
  Reply::Deferred array_;
  uint64_t shown_ = 0;
};

}  // namespace

void xpending(Context& context) {
  PendingQuery query;
  const bool is_summary = context.argc() == 3;
  if (!is_summary && !parse_query(context, query)) return;
  const Key key = context.key(1);
  StreamValue* stream;
  if (!find_stream(context, key, stream)) return;
  const StreamGroup* group = stream ? stream->find_group(context.arg(2)) : nullptr;
  if (!group) return reply_no_group(context, key.name, context.arg(2));
  if (is_summary) return reply_summary(context, *group);
  if (query.consumer_at && !group->find_consumer(context.arg(query.consumer_at)))
    return context.reply().empty_array();
  const bool may_be_long = query.count > kShownInSlice || query.idle_ms_min != 0;
  if (may_be_long && group->pending_count() > kShownInSlice && context.may_slice())
    return context.slice(std::make_unique<PendingReply>(query), {{.arg = 1, .is_exclusive = false}});
  PendingReply(query).run(context, *group, UINT64_MAX, UINT64_MAX);
}

}  // namespace strata
