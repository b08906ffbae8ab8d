// XCLAIM, XAUTOCLAIM and XNACK: other owners for pending entries, or none.

#include <algorithm>
#include <limits>
#include <memory>

#include "commands/collections.h"
#include "commands/stream_reading.h"
#include "text/numbers.h"

namespace strata {
namespace {

// Each costs a walk through a node.
constexpr size_t kClaimedInSlice = 512;
constexpr uint64_t kDeliveriesMax = std::numeric_limits<int64_t>::max();

// How an entry is claimed.
struct Claim {
  int64_t idle_ms_min = 0;
  int64_t delivery_ms = 0;
  int64_t retry_count = -1;  // -1: one more than before, with just_id as before
  bool force = false;
  bool just_id = false;
  StreamId last_id;  // the group's does not fall behind this one
};

enum class Outcome : uint8_t { kClaimed, kLeft, kGone, kNoMemory };

// What becomes of entries one by one: claimed, left as they are, or found to be gone, and then no longer
// pending. The log is told with each slice, as if only so many had been asked for. The places are those of
// one slice.
class Claimer {
 public:
  struct Place {
    Key key;
    StreamValue& stream;
    StreamGroup& group;
    StreamConsumer& consumer;
  };
  // XCLAIM's and XAUTOCLAIM's arguments begin alike: key group consumer.
  static Place place_of(Context& context) {
    const Key key = context.key(1);
    StreamValue& stream = stream_of(context.database(key).find(key));
    StreamGroup& group = *stream.find_group(context.arg(2));
    return {key, stream, group, *group.find_consumer(context.arg(3))};
  }

  explicit Claimer(Context& context) : log_(context.arg(1), context.arg(2), context.arg(3)) {}

  Outcome claim(Context& context, Place& place, StreamId id, const Claim& how) {
    Heap& heap = context.data(place.key).heap;
    StreamGroup& group = place.group;
    const StreamPending* pending = group.find_pending(id);
    if (!place.stream.contains(id)) {
      if (!pending) return Outcome::kLeft;
      group.remove_pending(heap, id);
      gone_.push_back(id);
      ++changes_;
      return Outcome::kGone;
    }
    if (!pending && !how.force) return Outcome::kLeft;
    const bool is_too_young =
        pending && pending->consumer && context.now_ms() - pending->delivery_ms < how.idle_ms_min;
    if (is_too_young && how.idle_ms_min > 0) return Outcome::kLeft;
    uint64_t deliveries = pending ? pending->deliveries : 1;
    if (how.retry_count >= 0) {
      deliveries = static_cast<uint64_t>(how.retry_count);
    } else if (!how.just_id) {
      deliveries = std::min(deliveries + 1, kDeliveriesMax);
    }
    if (!group.assign(heap, id, &place.consumer, how.delivery_ms, deliveries)) return Outcome::kNoMemory;
    place.consumer.active_ms = context.now_ms();
    log_.add(id, how.delivery_ms, deliveries);
    claimed_.push_back(id);
    ++changes_;
    return Outcome::kClaimed;
  }
  // Before the first: to grow in the end would move 16 MB in one slice.
  void expect(size_t count) { claimed_.reserve(count); }
  // A consumer was made for it, or the group's position was moved.
  void count_change() { ++changes_; }

  const std::vector<StreamId>& claimed() const { return claimed_; }
  const std::vector<StreamId>& gone() const { return gone_; }

  // The end of a slice that is not the last.
  void end_slice(Context& context, const Place& place) {
    state_effects(context, place);
    context.log_slice();
  }
  void finish(Context& context, const Place& place) {
    state_effects(context, place);
    if (changes_ > 0) context.changed(place.key, changes_);
  }

 private:
  void state_effects(Context& context, const Place& place) {
    const Bytes words[] = {"XACK", place.key.name, place.group.name()};
    log_with_ids(context, words, std::span(gone_).subspan(gone_logged_));
    gone_logged_ = gone_.size();
    log_.state(context);
  }

  DeliveryLog log_;
  std::vector<StreamId> claimed_;
  std::vector<StreamId> gone_;
  size_t gone_logged_ = 0;
  uint64_t changes_ = 0;
};

// So many IDs of a long reply in a slice.
constexpr size_t kIdsShownInSlice = 8192;

void reply_claimed(Context& context, const StreamValue& stream, StreamId id, bool just_id) {
  if (just_id) return reply_id(context.reply(), id);
  StreamCursor entry(stream, id, id);
  reply_entry(context, entry);
}

// ---- XCLAIM ----------------------------------------------------------------------------------------

bool parse_number(Context& context, size_t i, Bytes name, int64_t& value) {
  if (std::optional<int64_t> number = parse_i64(context.arg(i))) {
    value = *number;
    return true;
  }
  context.reply().error("ERR Invalid ", name, " for XCLAIM");
  return false;
}

bool parse_claim_option(Context& context, size_t& i, Claim& how) {
  const bool has_more = i + 1 < context.argc();
  if (context.is_word(i, "FORCE")) return how.force = true;
  if (context.is_word(i, "JUSTID")) return how.just_id = true;
  if (has_more && context.is_word(i, "IDLE")) {
    int64_t idle_ms;
    if (!parse_number(context, ++i, "IDLE option argument", idle_ms)) return false;
    if (__builtin_sub_overflow(context.now_ms(), idle_ms, &how.delivery_ms)) how.delivery_ms = -1;
    return true;
  }
  if (has_more && context.is_word(i, "TIME"))
    return parse_number(context, ++i, "TIME option argument", how.delivery_ms);
  if (has_more && context.is_word(i, "RETRYCOUNT"))
    return parse_number(context, ++i, "RETRYCOUNT option argument", how.retry_count);
  if (has_more && context.is_word(i, "LASTID")) return parse_id(context, ++i, how.last_id);
  context.reply().error("ERR Unrecognized XCLAIM option '", context.arg(i), "'");
  return false;
}

// XCLAIM's arguments. The IDs end where something stands that is none; they may be a million.
class ClaimArguments {
 public:
  // Parses some more. False: an error was replied.
  bool parse_some(Context& context, uint64_t budget) {
    if (at_ == kIdsAt && !parse_idle(context)) return false;
    if (at_ == kIdsAt) ids.reserve(context.argc() - kIdsAt);
    for (; at_ < context.argc() && budget > 0; ++at_, --budget) {
      std::optional<StreamId> id = parse_stream_id(context.arg(at_), 0);
      if (!id) break;
      ids.push_back(*id);
    }
    if (budget == 0 && at_ < context.argc()) return true;
    are_parsed_ = true;
    return parse_options(context);
  }
  bool are_parsed() const { return are_parsed_; }

  Claim how;
  std::vector<StreamId> ids;

 private:
  static constexpr size_t kIdsAt = 5;

  bool parse_idle(Context& context) {
    if (!parse_number(context, 4, "min-idle-time argument", how.idle_ms_min)) return false;
    how.idle_ms_min = std::max<int64_t>(0, how.idle_ms_min);
    return true;
  }
  bool parse_options(Context& context) {
    how.delivery_ms = context.now_ms();
    for (; at_ < context.argc(); ++at_) {
      if (!parse_claim_option(context, at_, how)) return false;
    }
    // A future time, too, would make an entry that is never idle.
    if (how.delivery_ms < 0 || how.delivery_ms > context.now_ms()) how.delivery_ms = context.now_ms();
    return true;
  }

  size_t at_ = kIdsAt;
  bool are_parsed_ = false;
};

// First all is claimed, then shown: where memory ends in between there is an error to reply, and the log gets
// what was claimed, which the consumer finds in its history.
class ClaimIds final : public SlicedWork {
 public:
  explicit ClaimIds(Context& context) : claimer_(context) {}
  // False: an error was replied.
  bool parse_some(Context& context, uint64_t budget) { return arguments_.parse_some(context, budget); }
  bool begin(Context& context) {
    const Key key = context.key(1);
    StreamGroup& group = *stream_of(context.database(key).find(key)).find_group(context.arg(2));
    const bool is_new = group.find_consumer(context.arg(3)) == nullptr;
    if (!find_or_create_consumer(context, key, group, context.arg(3), WhenChanged::kLater)) return false;
    if (is_new) claimer_.count_change();
    const StreamId last_id = arguments_.how.last_id;
    if (last_id > group.last_id) {
      group.last_id = last_id;
      log_group_position(context, key.name, group);
      claimer_.count_change();
    }
    claimer_.expect(arguments_.ids.size());
    has_begun_ = true;
    return true;
  }

  bool step(Context& context) override {
    if (!arguments_.are_parsed() && !parse_some(context, kIdsParsedInSlice)) return true;
    if (!arguments_.are_parsed()) return false;
    if (!has_begun_ && !begin(context)) return true;
    return run(context, kClaimedInSlice);
  }

  bool run(Context& context, size_t budget) {
    Claimer::Place place = Claimer::place_of(context);
    const std::vector<StreamId>& ids = arguments_.ids;
    const size_t end = done_ + std::min(ids.size() - done_, budget);
    for (; done_ < end && has_memory_; ++done_)
      has_memory_ = claimer_.claim(context, place, ids[done_], arguments_.how) != Outcome::kNoMemory;
    if (done_ < ids.size() && has_memory_) return claimer_.end_slice(context, place), false;
    if (!check_memory(context, has_memory_)) return claimer_.finish(context, place), true;
    return show(context, place, budget);
  }

 private:
  bool show(Context& context, const Claimer::Place& place, size_t budget) {
    const std::vector<StreamId>& claimed = claimer_.claimed();
    if (shown_ == 0) context.reply().array(claimed.size());
    const size_t end = shown_ + std::min(claimed.size() - shown_, budget);
    for (; shown_ < end; ++shown_)
      reply_claimed(context, place.stream, claimed[shown_], arguments_.how.just_id);
    if (shown_ < claimed.size()) return claimer_.end_slice(context, place), false;
    claimer_.finish(context, place);
    return true;
  }

  ClaimArguments arguments_;
  Claimer claimer_;
  bool has_begun_ = false;
  bool has_memory_ = true;
  size_t done_ = 0;
  size_t shown_ = 0;
};

// ---- XAUTOCLAIM ------------------------------------------------------------------------------------

// Of what XAUTOCLAIM looks at, so many are looked at for each that it may claim.
constexpr uint64_t kAttemptsForEach = 10;

struct AutoClaim {
  Claim how;
  StreamId start;
  uint64_t count = 100;
};

bool parse_auto_claim(Context& context, AutoClaim& arguments) {
  if (!context.parse_integer(4, arguments.how.idle_ms_min,
                             "ERR Invalid min-idle-time argument for XAUTOCLAIM"))
    return false;
  arguments.how.idle_ms_min = std::max<int64_t>(0, arguments.how.idle_ms_min);
  arguments.how.delivery_ms = context.now_ms();
  if (!parse_start(context, 5, arguments.start)) return false;
  for (size_t i = 6; i < context.argc(); ++i) {
    if (i + 1 < context.argc() && context.is_word(i, "COUNT")) {
      constexpr int64_t kCountMax =
          std::numeric_limits<int64_t>::max() / static_cast<int64_t>(sizeof(StreamId));
      int64_t count;
      if (!context.parse_integer_in(++i, 1, kCountMax, count, "ERR COUNT must be > 0")) return false;
      arguments.count = static_cast<uint64_t>(count);
    } else if (context.is_word(i, "JUSTID")) {
      arguments.how.just_id = true;
    } else {
      return context.syntax_error(), false;
    }
  }
  return true;
}

// The reply begins with the place where the next call goes on, so first all is claimed.
class ClaimRange final : public SlicedWork {
 public:
  ClaimRange(Context& context, const AutoClaim& arguments, uint64_t pending_count)
      : how_(arguments.how),
        next_(arguments.start),
        count_left_(arguments.count),
        attempts_left_(arguments.count * kAttemptsForEach),
        claimer_(context) {
    claimer_.expect(std::min(arguments.count, pending_count));
  }
  bool step(Context& context) override { return run(context, kClaimedInSlice); }

  bool run(Context& context, uint64_t budget) {
    Claimer::Place place = Claimer::place_of(context);
    const bool is_done = (is_claimed_ || claim_some(context, place, budget)) && show(context, place, budget);
    is_done ? claimer_.finish(context, place) : claimer_.end_slice(context, place);
    return is_done;
  }

 private:
  // Those that are gone count, too. False: there is more.
  bool claim_some(Context& context, Claimer::Place& place, uint64_t& budget) {
    while (attempts_left_ > 0 && count_left_ > 0) {
      const StreamPendingCursor pending = place.group.pending_from(next_);
      if (pending.done()) break;
      if (budget == 0) return false;
      --budget;
      --attempts_left_;
      const StreamId id = pending->id;
      const Outcome outcome = claimer_.claim(context, place, id, how_);
      if (outcome == Outcome::kNoMemory) {
        has_memory_ = false;
        break;
      }
      count_left_ -= outcome != Outcome::kLeft;
      const std::optional<StreamId> after = next_id(id);
      if (!after) {
        is_at_end_ = true;
        break;
      }
      next_ = *after;
    }
    const StreamPendingCursor rest = place.group.pending_from(next_);
    next_ = rest.done() || is_at_end_ ? kStreamIdMin : rest->id;
    is_claimed_ = true;
    if (has_memory_) begin_reply(context);
    return true;
  }

  // What was claimed before memory ended stays so, and is in the consumer's history.
  bool show(Context& context, const Claimer::Place& place, uint64_t budget) {
    if (!check_memory(context, has_memory_)) return true;
    const std::vector<StreamId>& claimed = claimer_.claimed();
    const size_t end = shown_ + std::min<uint64_t>(claimed.size() - shown_, budget);
    for (; shown_ < end; ++shown_) reply_claimed(context, place.stream, claimed[shown_], how_.just_id);
    if (shown_ < claimed.size()) return false;
    const std::vector<StreamId>& gone = claimer_.gone();
    if (gone_shown_ == 0) context.reply().array(gone.size());
    const size_t gone_budget = std::max<uint64_t>(budget, kIdsShownInSlice);
    const size_t gone_end = gone_shown_ + std::min(gone.size() - gone_shown_, gone_budget);
    for (; gone_shown_ < gone_end; ++gone_shown_) reply_id(context.reply(), gone[gone_shown_]);
    return gone_shown_ == gone.size();
  }

  void begin_reply(Context& context) const {
    context.reply().array(3);
    reply_id(context.reply(), next_);
    context.reply().array(claimer_.claimed().size());
  }

  const Claim how_;
  StreamId next_;
  uint64_t count_left_;
  uint64_t attempts_left_;
  Claimer claimer_;
  bool is_claimed_ = false;
  bool is_at_end_ = false;
  bool has_memory_ = true;
  size_t shown_ = 0;
  size_t gone_shown_ = 0;
};

// The group of key group …, and its stream. False: an error was replied.
bool find_claimed_group(Context& context, const Key& key, StreamValue*& stream, StreamGroup*& group) {
  if (!find_stream_for_write(context, key, stream)) return false;
  group = stream ? stream->find_group(context.arg(2)) : nullptr;
  if (!group) reply_no_group(context, key.name, context.arg(2));
  return group != nullptr;
}

// ---- XNACK -----------------------------------------------------------------------------------------

enum class NackMode : uint8_t { kSilent, kFail, kFatal };

struct Nack {
  NackMode mode = NackMode::kFail;
  int64_t retry_count = -1;
  bool force = false;
  IdArguments ids;
};

// key group <SILENT | FAIL | FATAL> IDS numids id [id …] [RETRYCOUNT count] [FORCE]
bool parse_nack(Context& context, Nack& nack) {
  if (context.is_word(3, "SILENT")) {
    nack.mode = NackMode::kSilent;
  } else if (context.is_word(3, "FATAL")) {
    nack.mode = NackMode::kFatal;
  } else if (!context.is_word(3, "FAIL")) {
    return context.syntax_error(), false;
  }
  for (size_t i = 4; i < context.argc(); ++i) {
    const bool has_more = i + 1 < context.argc();
    if (has_more && nack.ids.empty() && context.is_word(i, "IDS")) {
      if (!parse_counted_ids(context, i, nack.ids)) return false;
    } else if (has_more && context.is_word(i, "RETRYCOUNT")) {
      if (!context.parse_integer_in(++i, 0, INT64_MAX, nack.retry_count,
                                    "ERR Invalid RETRYCOUNT option argument for XNACK"))
        return false;
    } else if (context.is_word(i, "FORCE")) {
      nack.force = true;
    } else {
      return context.syntax_error(), false;
    }
  }
  if (nack.ids.empty()) return context.syntax_error(), false;
  return true;
}

class GiveBack final : public SlicedWork {
 public:
  explicit GiveBack(Nack nack) : nack_(std::move(nack)) {}
  bool step(Context& context) override {
    if (!nack_.ids.are_parsed()) return !nack_.ids.parse_some(context, kIdsParsedInSlice);
    return run(context, kClaimedInSlice);
  }

  bool run(Context& context, size_t budget) {
    const Key key = context.key(1);
    StreamValue& stream = stream_of(context.database(key).find(key));
    StreamGroup& group = *stream.find_group(context.arg(2));
    const size_t end = done_ + std::min(nack_.ids.size() - done_, budget);
    bool has_memory = true;
    for (; done_ < end && has_memory; ++done_)
      has_memory = one(context, key, stream, group, nack_.ids[done_]);
    log(context, key);
    if (done_ < nack_.ids.size() && has_memory) {
      context.log_slice();
      return false;
    }
    if (given_back_ > 0) context.changed(key, given_back_);
    if (check_memory(context, has_memory)) context.reply().integer(static_cast<int64_t>(given_back_));
    return true;
  }

 private:
  bool one(Context& context, const Key& key, const StreamValue& stream, StreamGroup& group, StreamId id) {
    const StreamPending* pending = group.find_pending(id);
    if (!pending && (!nack_.force || !stream.contains(id))) return true;
    uint64_t deliveries = pending ? pending->deliveries : 0;
    if (nack_.mode == NackMode::kSilent && deliveries > 0) --deliveries;
    if (nack_.mode == NackMode::kFatal) deliveries = kDeliveriesMax;
    if (nack_.retry_count >= 0) deliveries = static_cast<uint64_t>(nack_.retry_count);
    if (!group.assign(context.data(key).heap, id, nullptr, 0, deliveries)) return false;
    if (deliveries != run_deliveries_) end_run();
    run_deliveries_ = deliveries;
    run_.push_back(id);
    ++given_back_;
    return true;
  }

  // What is logged are the counts of deliveries that came of it; IDs with equal ones together.
  void end_run() {
    if (!run_.empty()) runs_.push_back({std::exchange(run_, {}), run_deliveries_});
  }
  void log(Context& context, const Key& key) {
    end_run();
    for (const Run& run : runs_) {
      std::vector<StreamIdText> ids(run.ids.begin(), run.ids.end());
      char count[kI64TextBytes], deliveries[kI64TextBytes];
      std::vector<Bytes> words = {"XNACK", key.name, context.arg(2),
                                  "FAIL",  "IDS",    Bytes(count, print_u64(ids.size(), count))};
      for (const StreamIdText& id : ids) words.push_back(id.view());
      words.insert(words.end(),
                   {"RETRYCOUNT", Bytes(deliveries, print_u64(run.deliveries, deliveries)), "FORCE"});
      context.effect(words);
    }
    runs_.clear();
  }

  struct Run {
    std::vector<StreamId> ids;
    uint64_t deliveries;
  };
  Nack nack_;
  size_t done_ = 0;
  uint64_t given_back_ = 0;
  std::vector<StreamId> run_;
  uint64_t run_deliveries_ = 0;
  std::vector<Run> runs_;
};

}  // namespace

void xclaim(Context& context) {
  const Key key = context.key(1);
  StreamValue* stream;
  StreamGroup* group;
  if (!find_claimed_group(context, key, stream, group)) return;
  auto work = std::make_unique<ClaimIds>(context);
  if (context.argc() > kClaimedInSlice && context.may_slice())
    return context.slice(std::move(work), {{.arg = 1, .is_exclusive = true}});
  if (work->parse_some(context, UINT64_MAX) && work->begin(context)) work->run(context, SIZE_MAX);
}

void xautoclaim(Context& context) {
  AutoClaim arguments;
  if (!parse_auto_claim(context, arguments)) return;
  const Key key = context.key(1);
  StreamValue* stream;
  StreamGroup* group;
  if (!find_claimed_group(context, key, stream, group)) return;
  if (!find_or_create_consumer(context, key, *group, context.arg(3))) return;
  const bool is_sliced =
      arguments.count > kClaimedInSlice && group->pending_count() > kClaimedInSlice && context.may_slice();
  auto work = std::make_unique<ClaimRange>(context, arguments, group->pending_count());
  if (is_sliced) return context.slice(std::move(work), {{.arg = 1, .is_exclusive = true}});
  work->run(context, UINT64_MAX);
}

void xnack(Context& context) {
  Nack nack;
  if (!parse_nack(context, nack)) return;
  const Key key = context.key(1);
  StreamValue* stream;
  StreamGroup* group;
  if (!find_claimed_group(context, key, stream, group)) return;
  const bool is_sliced = context.argc() > kClaimedInSlice && context.may_slice();
  auto work = std::make_unique<GiveBack>(std::move(nack));
  if (is_sliced) return context.slice(std::move(work), {{.arg = 1, .is_exclusive = true}});
  work->run(context, SIZE_MAX);
}

}  // namespace strata
