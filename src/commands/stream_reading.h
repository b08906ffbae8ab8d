// What XREAD and XREADGROUP do with streams that have something for them.
//
// One ReadWork writes one reply: at once, in slices, or for a client that has waited for one of its keys.
// What a group is given is recorded as it goes; the log gets it at the end (streams.h, DeliveryLog).

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
  uint64_t total_count = UINT64_MAX;  // of all together
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
// How many entries the source may show, for the choice to work in slices; a bound above, and cheap.
uint64_t entries_at_most(const StreamValue& stream, const StreamGroup* group, const ReadOptions& options,
                         const ReadSource& source);
// Finds the consumer, or makes it, and logs that. Null: OOM was replied.
StreamConsumer* find_or_create_consumer(Context& context, const Key& key, StreamGroup& group, Bytes name);

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
  void begin_source(Context& context, Place& place);
  bool fill(Context& context, Place& place, uint64_t& budget);
  bool fill_claimed(Context& context, Place& place, uint64_t& budget);
  bool fill_history(Context& context, Place& place, uint64_t& budget);
  bool fill_new(Context& context, Place& place, uint64_t& budget);
  bool claim_first(Context& context, Place& place, const StreamPending& pending);
  void end_source(Context& context, Place& place);
  bool is_full() const { return shown_ >= options_.count || shown_in_all_ >= options_.total_count; }
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
  uint64_t shown_ = 0;  // of this stream
  uint64_t shown_in_all_ = 0;
  StreamId position_;  // the last one that was dealt with
  uint64_t claims_left_ = 0;
  bool has_advanced_ = false;  // the group's position
  uint64_t changes_ = 0;
  std::optional<DeliveryLog> deliveries_;
  std::vector<StreamId> dropped_;  // pending entries whose stream entry is gone
};

}  // namespace strata
