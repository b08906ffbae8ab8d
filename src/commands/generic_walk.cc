// KEYS, SCAN and RANDOMKEY, which concern the keys of every shard.
//
// SCAN's cursor is a shard and a position in its table: position × shard_count + shard. A call goes through
// one shard after the other until it has seen COUNT keys. Any number is a valid cursor and shows some of the
// keys.

#include <optional>
#include <vector>

#include "commands/collections.h"
#include "commands/generic.h"
#include "text/ascii.h"
#include "text/glob.h"
#include "text/numbers.h"

namespace strata {
namespace {

// Past its deadline, but not deleted yet.
bool is_expired(Context& context, const Entry& entry) {
  return entry.has_deadline() && entry.deadline_ms() <= context.now_ms() &&
         context.keyspace().expiry_enabled();
}

struct ScanOptions {
  Bytes pattern = "*";
  std::optional<Bytes> type;
  uint64_t count = 10;
};

bool parse_scan_options(Context& context, ScanOptions& options) {
  for (size_t i = 2; i < context.argc(); i += 2) {
    bool has_value = i + 1 < context.argc();
    if (has_value && context.is_word(i, "COUNT")) {
      int64_t count;
      if (!context.parse_integer(i + 1, count)) return false;
      if (count < 1) return context.syntax_error(), false;
      options.count = static_cast<uint64_t>(count);
    } else if (has_value && context.is_word(i, "MATCH")) {
      options.pattern = context.arg(i + 1);
    } else if (has_value && context.is_word(i, "TYPE")) {
      options.type = context.arg(i + 1);
    } else {
      return context.syntax_error(), false;
    }
  }
  return true;
}

// Walks on from the cursor until about `count` keys were seen, or as many buckets as may hold ten times that,
// and returns the next cursor. visit(entry)
template <typename Visit>
uint64_t walk(Context& context, uint64_t cursor, uint64_t count, Visit&& visit) {
  constexpr uint64_t kBucketsPerKey = 10;
  uint32_t shard_count = context.keyspace().shard_count();
  auto shard = static_cast<uint32_t>(cursor % shard_count);
  uint64_t position = cursor / shard_count;
  uint64_t buckets_left = count > UINT64_MAX / kBucketsPerKey ? UINT64_MAX : count * kBucketsPerKey;
  for (uint64_t seen = 0; seen < count && buckets_left > 0; --buckets_left) {
    if (const Database* database = context.keyspace().shard(shard).peek(context.db())) {
      position = database->table().scan(position, [&](Entry* entry) {
        ++seen;
        visit(*entry);
      });
    } else {
      position = 0;
    }
    if (position == 0 && ++shard == shard_count) return 0;
  }
  return position * shard_count + shard;
}

// KEYS over many keys: shard by shard, slice by slice. What is written meanwhile may be seen or not.
class KeysWork final : public SlicedWork {
 public:
  bool step(Context& context) override {
    Bytes pattern = context.arg(1);
    bool is_all = pattern == "*";
    Reply found(output_, context.reply().resp3());
    const Database* database = context.keyspace().shard(shard_).peek(context.db());
    size_t seen = 0;
    do {
      position_ = !database ? 0 : database->table().scan(position_, [&](Entry* entry) {
        ++seen;
        if (is_expired(context, *entry) || !(is_all || glob_match(pattern, entry->key(), false))) return;
        found.bulk(entry->key());
        ++count_;
      });
    } while (position_ != 0 && seen < kSliceElements);
    if (position_ == 0 && ++shard_ == context.keyspace().shard_count()) {
      context.reply().array(count_);
      if (!context.reply().muted()) context.reply().output().splice(std::move(output_));
      return true;
    }
    return false;
  }
  void choose_shards(ShardSet& shards) override {
    shards = {};
    shards.add(shard_);
  }

 private:
  Output output_;
  size_t count_ = 0;
  uint32_t shard_ = 0;
  uint64_t position_ = 0;
};

}  // namespace

void keys(Context& context) {
  if (context.may_slice() && context.keyspace().key_count(context.db()) > kSliceElements) {
    return context.slice(std::make_unique<KeysWork>(), {});
  }
  Bytes pattern = context.arg(1);
  bool is_all = pattern == "*";
  auto array = context.reply().begin_array();
  size_t count = 0;
  walk(context, 0, UINT64_MAX, [&](const Entry& entry) {
    if (is_expired(context, entry) || !(is_all || glob_match(pattern, entry.key(), false))) return;
    context.reply().bulk(entry.key());
    ++count;
  });
  context.reply().end_array(array, count);
}

void scan(Context& context) {
  uint64_t cursor;
  if (!parse_scan_cursor(context.arg(1), cursor)) return context.reply().error("ERR invalid cursor");
  ScanOptions options;
  if (!parse_scan_options(context, options)) return;
  bool is_all = options.pattern == "*";
  std::vector<Bytes> found;  // views into the entries: nothing changes before they are replied
  cursor = walk(context, cursor, options.count, [&](const Entry& entry) {
    if (is_expired(context, entry)) return;
    if (options.type && !iequals(*options.type, type_name(entry.type()))) return;
    if (is_all || glob_match(options.pattern, entry.key(), false)) found.push_back(entry.key());
  });
  char digits[kI64TextBytes];
  context.reply().array(2);
  context.reply().bulk(Bytes(digits, print_u64(cursor, digits)));
  context.reply().array(found.size());
  for (Bytes key : found) context.reply().bulk(key);
}

void randomkey(Context& context) {
  // Expired keys are deleted where they are met. If there are so many, one of them is as good as another.
  constexpr int kTriesMax = 100;
  Keyspace& keyspace = context.keyspace();
  Random& random = keyspace.shard(0).random();
  for (int tries = 1;; ++tries) {
    uint64_t total = keyspace.key_count(context.db());
    if (total == 0) return context.reply().null();
    uint64_t pick = random.below(total);
    uint32_t index = 0;
    for (;; ++index) {
      uint64_t here = keyspace.shard(index).database(context.db()).count();
      if (pick < here) break;
      pick -= here;
    }
    Shard& shard = keyspace.shard(index);
    Database& database = shard.database(context.db());
    Entry* entry = database.table().random(random);
    if (!is_expired(context, *entry) || tries == kTriesMax) return context.reply().bulk(entry->key());
    shard.expire(context.db(), database.key_of(*entry, index), context.environment().sink);
  }
}

}  // namespace strata
