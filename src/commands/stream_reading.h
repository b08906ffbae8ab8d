// What XREAD and XREADGROUP do with streams that have something for them.
//
// One ReadWork writes one reply: at once, in slices, or for a client that has waited for one of its keys.
// The log gets with each slice what a group was given in it, as if only so much had been asked for: a million
// deliveries in one record would hold the shard for 20 ms.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commands/sliced.h"
#include "commands/streams.h"

namespace strata {

struct ReadOptions {
  bool is_group = false;
  size_t group_at = 0;                // the argument; the consumer's name stands behind it
  uint64_t count = UINT64_MAX;        // of each stream
  uint64_t total_count = UINT64_MAX;  // MAXCOUNT: of all together
  uint64_t size_max = UINT64_MAX;     // MAXSIZE: bytes of the reply, but for a single entry
  bool no_ack = false;
  bool has_block = false;
  int64_t timeout_ms = 0;
  int64_t claim_idle_ms = -1;  // CLAIM; -1: not given
  size_t first_key = 0;
  size_t key_count = 0;
};

// One of the streams.
struct ReadSource {
  size_t arg;               // its key
  StreamId after;           // XREAD, and a consumer's history: what is known already
  bool is_history = false;  // of the consumer, instead of new entries
};

// Whether the stream has an entry above the ID.
bool has_entry_after(const StreamValue& stream, StreamId id);
// Whether there is something to reply.
bool has_something(const StreamValue& stream, const StreamGroup* group, const ReadOptions& options,
                   const ReadSource& source, int64_t now_ms);
// CLAIM: when the entry that is pending for longest becomes claimable; kNeverMs: there is none.
int64_t claimable_at_ms(const StreamGroup& group, const ReadOptions& options);
// How many entries the source may show, for the choice to work in slices; a bound above, and cheap.
uint64_t entries_at_most(const StreamValue& stream, const StreamGroup* group, const ReadOptions& options,
                         const ReadSource& source);
// Finds the consumer, or makes it, and logs that. Null: OOM was replied.
enum class WhenChanged : uint8_t { kNow, kLater };  // kLater: the caller calls changed()
StreamConsumer* find_or_create_consumer(Context& context, const Key& key, StreamGroup& group, Bytes name,
                                        WhenChanged when = WhenChanged::kNow);

class ReadWork final : public SlicedWork {
 public:
  // Only sources that have something.
  ReadWork(const ReadOptions& options, std::vector<ReadSource> sources)
      : options_(options), sources_(std::move(sources)) {}
  bool step(Context& context) override { return run(context, kReadInSlice); }
  // True when all is written and logged.
  bool run(Context& context, uint64_t budget);

 private:
  // To make an entry pending costs up to 3 us in a group of a million.
  static constexpr uint64_t kReadInSlice = 512;

  enum class Phase : uint8_t { kBegin, kClaim, kEntries };
  struct Place;  // where it works now

  Place place_of(Context& context) const;
  void begin_source(Place& place);
  bool fill(Context& context, Place& place, uint64_t& budget);
  bool fill_claimed(Context& context, Place& place, uint64_t& budget);
  bool fill_history(Context& context, Place& place, uint64_t& budget);
  bool fill_new(Context& context, Place& place, uint64_t& budget);
  bool has_room(const Place& place, StreamCursor* entry);
  void begin_reply(Reply& reply);
  void open(Context& context, const Place& place);
  bool claim_first(Context& context, Place& place, const StreamPending& pending);
  void end_source(Context& context, Place& place);
  void state_effects(Context& context, const Place& place);
  void finish(Context& context);
  bool are_all_full() const { return shown_in_all_ >= options_.total_count || is_size_reached_; }
  bool is_full() const { return shown_ >= options_.count || are_all_full(); }
  void count_shown() {
    ++shown_;
    ++shown_in_all_;
  }

  const ReadOptions options_;
  const std::vector<ReadSource> sources_;
  size_t at_ = 0;
  Phase phase_ = Phase::kBegin;
  bool has_begun_ = false;
  bool is_out_of_memory_ = false;
  Reply::Deferred streams_, entries_;
  size_t streams_shown_ = 0;
  bool is_open_ = false;  // this stream's part of the reply
  uint64_t size_ = 0;     // of the reply so far, where there is a bound
  bool is_size_reached_ = false;
  uint64_t shown_ = 0;  // of this stream
  uint64_t shown_in_all_ = 0;
  StreamId position_;  // the last one that was dealt with
  uint64_t claims_left_ = 0;
  // What the log has not got yet.
  bool has_advanced_ = false;  // the group's position
  std::optional<DeliveryLog> deliveries_;
  std::vector<StreamId> dropped_;  // pending entries whose stream entry is gone

  bool has_changed_ = false;  // this source
  struct Change {
    size_t arg;
    uint64_t count;
  };
  std::vector<Change> changes_;
};

}  // namespace strata
