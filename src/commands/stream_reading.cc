#include "commands/stream_reading.h"

#include <algorithm>
#include <limits>

#include "commands/collections.h"
#include "text/numbers.h"

namespace strata {
namespace {

// What a bulk costs beside its digits and bytes, "$\r\n\r\n", and a short array, "*2\r\n".
constexpr uint64_t kLineBytes = 5;

uint64_t bulk_bytes(uint64_t bytes) {
  char digits[kI64TextBytes];
  return kLineBytes + print_u64(bytes, digits) + bytes;
}
uint64_t bulk_bytes(const Element& element) {
  char digits[kI64TextBytes];
  return bulk_bytes(element.is_integer ? print_i64(element.integer, digits) : element.bytes.size());
}

// What an entry adds to a reply.
uint64_t entry_bytes(StreamCursor& entry) {
  uint64_t bytes = 2 * kLineBytes + bulk_bytes(StreamIdText(entry.id()).size);
  entry.visit(
      [&](const Element& field, const Element& value) { bytes += bulk_bytes(field) + bulk_bytes(value); });
  return bytes;
}

constexpr uint64_t kDeliveriesMax = std::numeric_limits<int64_t>::max();

int64_t idle_ms(const StreamPending& pending, int64_t now_ms) { return now_ms - pending.delivery_ms; }

}  // namespace

bool has_entry_after(const StreamValue& stream, StreamId id) {
  if (stream.last_id() <= id || stream.length() == 0) return false;
  return !StreamCursor(stream, *next_id(id), kStreamIdMax).done();
}

bool has_something(const StreamValue& stream, const StreamGroup* group, const ReadOptions& options,
                   const ReadSource& source, int64_t now_ms) {
  if (source.is_history) return true;
  if (!group) return has_entry_after(stream, source.after);
  if (claimable_at_ms(*group, options) <= now_ms) return true;
  return has_entry_after(stream, group->last_id);
}

int64_t claimable_at_ms(const StreamGroup& group, const ReadOptions& options) {
  const StreamPendingCursor longest = group.pending_by_time();
  if (options.claim_idle_ms < 0 || longest.done()) return kNeverMs;
  int64_t at_ms;
  return __builtin_add_overflow(longest->delivery_ms, options.claim_idle_ms, &at_ms) ? kNeverMs : at_ms;
}

uint64_t entries_at_most(const StreamValue& stream, const StreamGroup* group, const ReadOptions& options,
                         const ReadSource& source) {
  if (options.count <= kSliceElements) return options.count;
  if (source.is_history) return group->pending_count();
  const StreamId after = group ? group->last_id : source.after;
  const std::optional<StreamId> first = next_id(after);
  const bool is_much = first && holds_more(stream, *first, kStreamIdMax, kSliceElements);
  return (is_much ? stream.length() : kSliceElements) +
         (group && options.claim_idle_ms >= 0 ? group->pending_count() : 0);
}

StreamConsumer* find_or_create_consumer(Context& context, const Key& key, StreamGroup& group, Bytes name,
                                        WhenChanged when) {
  if (StreamConsumer* consumer = group.find_consumer(name)) {
    consumer->seen_ms = context.now_ms();
    return consumer;
  }
  StreamConsumer* consumer = group.create_consumer(context.data(key).heap, name, context.now_ms());
  if (!check_memory(context, consumer != nullptr)) return nullptr;
  log_consumer(context, key.name, group.name(), name);
  if (when == WhenChanged::kNow) context.changed(key);
  return consumer;
}

// Group and consumer are null for XREAD.
struct ReadWork::Place {
  Key key;
  StreamValue& stream;
  StreamGroup* group;
  StreamConsumer* consumer;
};

ReadWork::Place ReadWork::place_of(Context& context) const {
  const Key key = context.key(sources_[at_].arg);
  StreamValue& stream = stream_of(context.database(key).find(key));
  if (!options_.is_group) return {key, stream, nullptr, nullptr};
  StreamGroup* group = stream.find_group(context.arg(options_.group_at));
  return {key, stream, group, group->find_consumer(context.arg(options_.group_at + 1))};
}

bool ReadWork::run(Context& context, uint64_t budget) {
  for (; at_ < sources_.size() && !are_all_full() && !is_out_of_memory_; ++at_) {
    Place place = place_of(context);
    // The same stream may be named twice, and the group then has it all.
    if (phase_ == Phase::kBegin &&
        !has_something(place.stream, place.group, options_, sources_[at_], context.now_ms()))
      continue;
    if (phase_ == Phase::kBegin) begin_source(place);
    if (!fill(context, place, budget)) {
      state_effects(context, place);
      context.log_slice();
      return false;
    }
    end_source(context, place);
  }
  finish(context);
  return true;
}

void ReadWork::begin_reply(Reply& reply) {
  if (!std::exchange(has_begun_, true)) streams_ = reply.resp3() ? reply.begin_map() : reply.begin_array();
}

void ReadWork::begin_source(Place& place) {
  const ReadSource& source = sources_[at_];
  is_open_ = false;
  shown_ = 0;
  has_changed_ = false;
  position_ = place.group && !source.is_history ? place.group->last_id : source.after;
  phase_ = Phase::kEntries;
  if (!place.group) return;
  deliveries_.emplace(place.key.name, place.group->name(), place.consumer->name());
  if (source.is_history || options_.claim_idle_ms < 0) return;
  claims_left_ = place.group->pending_count();
  phase_ = Phase::kClaim;
}

void ReadWork::open(Context& context, const Place& place) {
  if (std::exchange(is_open_, true)) return;
  Reply& reply = context.reply();
  begin_reply(reply);
  if (!reply.resp3()) reply.array(2);
  reply.bulk(place.key.name);
  entries_ = reply.begin_array();
  ++streams_shown_;
}

// Whether the reply may have the entry (null: only an ID), which is then counted. The first one always may,
// so that whoever reads comes on.
bool ReadWork::has_room(const Place& place, StreamCursor* entry) {
  if (options_.size_max == UINT64_MAX) return true;
  uint64_t bytes = entry ? entry_bytes(*entry) : kStreamIdTextBytes;
  if (!is_open_) bytes += 2 * kLineBytes + bulk_bytes(place.key.name.size());
  is_size_reached_ = shown_in_all_ > 0 && size_ + bytes > options_.size_max;
  if (!is_size_reached_) size_ += bytes;
  return !is_size_reached_;
}

bool ReadWork::fill(Context& context, Place& place, uint64_t& budget) {
  if (phase_ == Phase::kClaim && !fill_claimed(context, place, budget)) return false;
  phase_ = Phase::kEntries;
  return sources_[at_].is_history ? fill_history(context, place, budget) : fill_new(context, place, budget);
}

// CLAIM: what is pending for so long becomes the consumer's, longest first.
bool ReadWork::fill_claimed(Context& context, Place& place, uint64_t& budget) {
  for (; claims_left_ > 0 && !is_full() && !is_out_of_memory_; --claims_left_) {
    const StreamPendingCursor longest = place.group->pending_by_time();
    if (longest.done() || idle_ms(*longest, context.now_ms()) < options_.claim_idle_ms) return true;
    if (budget-- == 0) return false;
    if (!claim_first(context, place, *longest)) is_out_of_memory_ = true;
  }
  return true;
}

bool ReadWork::claim_first(Context& context, Place& place, const StreamPending& pending) {
  Heap& heap = context.data(place.key).heap;
  const StreamId id = pending.id;
  StreamCursor entry(place.stream, id, id);
  if (entry.done()) {
    place.group->remove_pending(heap, id);
    dropped_.push_back(id);
    return true;
  }
  const int64_t idle = pending.consumer ? idle_ms(pending, context.now_ms()) : -1;
  const uint64_t deliveries = pending.deliveries;
  const uint64_t deliveries_now = std::min(deliveries + 1, kDeliveriesMax);
  if (!has_room(place, &entry)) return true;
  if (!place.group->assign(heap, id, place.consumer, context.now_ms(), deliveries_now)) return false;
  place.consumer->active_ms = context.now_ms();
  deliveries_->add(id, context.now_ms(), deliveries_now);
  open(context, place);
  Reply& reply = context.reply();
  reply.array(4);
  reply_id(reply, id);
  reply_fields(context, entry);
  reply.integer(idle);
  reply.integer(static_cast<int64_t>(deliveries));
  count_shown();
  return true;
}

// What the consumer has been given already and has not acknowledged: it is given once more.
bool ReadWork::fill_history(Context& context, Place& place, uint64_t& budget) {
  Reply& reply = context.reply();
  while (!is_full() && !is_out_of_memory_) {
    const std::optional<StreamId> next = next_id(position_);
    if (!next) return true;
    const StreamPendingCursor pending = StreamGroup::pending_from(*place.consumer, *next);
    if (pending.done()) return true;
    if (budget-- == 0) return false;
    const uint64_t deliveries = std::min(pending->deliveries + 1, kDeliveriesMax);
    StreamCursor entry(place.stream, pending->id, pending->id);
    if (!has_room(place, entry.done() ? nullptr : &entry)) return true;
    position_ = pending->id;
    if (entry.done()) {
      open(context, place);
      reply.array(2);
      reply_id(reply, position_);
      reply.null_array();
    } else if (place.group->assign(context.data(place.key).heap, position_, place.consumer, context.now_ms(),
                                   deliveries)) {
      deliveries_->add(position_, context.now_ms(), deliveries);
      open(context, place);
      reply_entry(context, entry);
    } else {
      is_out_of_memory_ = true;
      return true;
    }
    count_shown();
  }
  return true;
}

bool ReadWork::fill_new(Context& context, Place& place, uint64_t& budget) {
  const std::optional<StreamId> first = next_id(position_);
  if (!first) return true;
  Heap& heap = context.data(place.key).heap;
  const bool is_claiming = options_.claim_idle_ms >= 0;
  for (StreamCursor cursor(place.stream, *first, kStreamIdMax); !cursor.done() && !is_full(); cursor.next()) {
    if (budget-- == 0) return false;
    if (!has_room(place, &cursor)) return true;
    const StreamId id = cursor.id();
    if (place.group && !options_.no_ack) {
      if (!place.group->assign(heap, id, place.consumer, context.now_ms(), 1)) {
        is_out_of_memory_ = true;
        return true;
      }
      deliveries_->add(id, context.now_ms(), 1);
    }
    if (place.group) {
      place.stream.advance_group(*place.group, id);
      place.consumer->active_ms = context.now_ms();
      has_advanced_ = true;
    }
    position_ = id;
    open(context, place);
    if (is_claiming) {
      context.reply().array(4);
      reply_id(context.reply(), id);
      reply_fields(context, cursor);
      context.reply().integer(0);
      context.reply().integer(0);
    } else {
      reply_entry(context, cursor);
    }
    count_shown();
  }
  return true;
}

void ReadWork::end_source(Context& context, Place& place) {
  phase_ = Phase::kBegin;
  if (!is_size_reached_ && !is_out_of_memory_) open(context, place);
  if (is_open_) context.reply().end_array(entries_, shown_);
  state_effects(context, place);
  if (has_changed_) changes_.push_back({sources_[at_].arg, std::max<uint64_t>(1, shown_)});
}

void ReadWork::state_effects(Context& context, const Place& place) {
  if (!place.group || (!has_advanced_ && deliveries_->empty() && dropped_.empty())) return;
  deliveries_->state(context);
  if (std::exchange(has_advanced_, false)) log_group_position(context, place.key.name, *place.group);
  const Bytes words[] = {"XACK", place.key.name, place.group->name()};
  log_with_ids(context, words, dropped_);
  dropped_.clear();
  has_changed_ = true;
}

// Where memory ended the reply is shorter; what was not given stays for the next time. changed() at the very
// end: whoever waits for one of the keys is served behind this command.
void ReadWork::finish(Context& context) {
  Reply& reply = context.reply();
  if (check_memory(context, has_begun_ || !is_out_of_memory_)) {
    begin_reply(reply);
    reply.resp3() ? reply.end_map(streams_, streams_shown_) : reply.end_array(streams_, streams_shown_);
  }
  if (changes_.empty()) return;
  for (const Change& change : changes_) context.changed(context.key(change.arg), change.count);
}

}  // namespace strata
