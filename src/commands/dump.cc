// DUMP and RESTORE: a value as bytes, and back. persistence/rdb_dump.h draws the bytes.
//
// Large values are encoded and decoded in slices. What stays in one piece, since it is one block of memory: a
// long string, and a packed value beyond its limits, which only another server's configuration makes.

#include "commands/dump.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands/collection_copy.h"
#include "keyspace/lazy_free.h"
#include "persistence/rdb_dump.h"
#include "persistence/rdb_plain.h"
#include "text/numbers.h"

namespace strata {
namespace {

// A slice of DUMP ends when it has produced so many bytes, which is looked at after so many elements or
// nodes.
constexpr size_t kDumpSliceBytes = 64 << 10;
constexpr size_t kDumpStepElements = 32;
// Payloads above this are decoded in slices; below, decoding takes no longer than a slice.
constexpr size_t kRestoreWholeBytes = 32 << 10;
constexpr size_t kRestoreSliceBytes = 32 << 10;
constexpr size_t kRestoreStepElements = 256;

// DUMP of a large collection. The key is latched for reading.
class DumpWork final : public SlicedWork {
 public:
  explicit DumpWork(const Entry& entry) : dump_(entry, true) {}

  bool step(Context& context) override {
    bool is_done = false;
    do {
      is_done = dump_.step(kDumpStepElements);
    } while (!is_done && dump_.bytes().size() < kDumpSliceBytes);
    output_.append(dump_.bytes());
    dump_.clear();
    if (!is_done) return false;
    Reply& reply = context.reply();
    if (reply.muted()) return true;
    reply.bulk_begin(output_.size());
    reply.output().splice(std::move(output_));
    reply.bulk_end();
    return true;
  }

 private:
  RdbDump dump_;
  Output output_;
};

struct RestoreOptions {
  bool replace = false;
  bool absolute = false;
  int64_t idle_seconds = -1;
  int64_t frequency = -1;
};

bool parse_options(Context& context, RestoreOptions& options) {
  for (size_t i = 4; i < context.argc(); ++i) {
    const bool has_value = i + 1 < context.argc();
    if (context.is_word(i, "REPLACE")) {
      options.replace = true;
    } else if (context.is_word(i, "ABSTTL")) {
      options.absolute = true;
    } else if (has_value && context.is_word(i, "IDLETIME") && options.frequency == -1) {
      if (!context.parse_integer(++i, options.idle_seconds)) return false;
      if (options.idle_seconds < 0) {
        context.reply().error("ERR Invalid IDLETIME value, must be >= 0");
        return false;
      }
    } else if (has_value && context.is_word(i, "FREQ") && options.idle_seconds == -1) {
      if (!context.parse_integer(++i, options.frequency)) return false;
      if (options.frequency < 0 || options.frequency > UINT8_MAX) {
        context.reply().error("ERR Invalid FREQ value, must be >= 0 and <= 255");
        return false;
      }
    } else {
      context.syntax_error();
      return false;
    }
  }
  return true;
}

RdbLimits limits_of(const Context& context) {
  const DataOptions& options = context.options();
  return {options.list, options.hash, options.set, options.zset};
}

// When the key expires; kNoDeadline: never. The sum of a relative time and the clock wraps around as in
// Redis, where such a deadline is then long past.
int64_t deadline_of(const Context& context, const RestoreOptions& options, int64_t ttl_ms) {
  if (ttl_ms == 0) return kNoDeadline;
  if (options.absolute) return ttl_ms;
  return static_cast<int64_t>(static_cast<uint64_t>(ttl_ms) + static_cast<uint64_t>(context.now_ms()));
}

// What is logged: the command with the deadline as a point in time.
void log_restore(Context& context, const RestoreOptions& options, int64_t deadline_ms) {
  if (deadline_ms == kNoDeadline || options.absolute) return;  // as it came
  char digits[kI64TextBytes];
  std::vector<Bytes> words(context.args().begin(), context.args().end());
  words[2] = Bytes(digits, print_i64(deadline_ms, digits));
  words.emplace_back("ABSTTL");
  context.effect(words);
}

// What both forms of RESTORE do when they have a value.
class Placing {
 public:
  Placing(const RestoreOptions& options, int64_t deadline_ms)
      : options_(options), deadline_ms_(deadline_ms) {}

  // A key that would have expired by now does not come into being, and the old one goes all the same. True:
  // that was replied.
  bool expires_at_once(Context& context) const {
    const bool is_past = deadline_ms_ != kNoDeadline && deadline_ms_ <= context.now_ms();
    if (!is_past || !context.keyspace().expiry_enabled()) return false;
    const Key key = context.key(1);
    if (context.find_for_write(key)) {
      context.erase(key);
      context.effect({"DEL", key.name});
    }
    context.reply().ok();
    return true;
  }
  void place_value(Context& context, const Value& value) const {
    const Key key = context.key(1);
    if (expires_at_once(context)) return context.database(key).discard(value);
    auto placed = context.database(key).put(key, value, stored_deadline());
    if (!placed) context.database(key).discard(value);
    finish(context, placed);
  }
  void place_string(Context& context, const RdbRecord& record) const {
    RdbInput input(record.payload, 0);
    std::string scratch;
    Element element;
    if (!input.element(&element, scratch)) return context.reply().error("ERR Bad data format");
    const auto longest = static_cast<uint64_t>(context.options().max_bulk_bytes);
    if (!element.is_integer && element.bytes.size() > std::min<uint64_t>(longest, Blob::kMaxBytes)) {
      return context.reply().error("ERR Bad data format");
    }
    if (expires_at_once(context)) return;
    const Key key = context.key(1);
    Database& database = context.database(key);
    finish(context, element.is_integer ? database.set_integer(key, element.integer, stored_deadline())
                                       : database.set_string(key, element.bytes, stored_deadline()));
  }

 private:
  // While the log is replayed nothing expires, so a deadline before the epoch can get here; 0 is past, too.
  int64_t stored_deadline() const {
    return deadline_ms_ == kNoDeadline ? kNoDeadline : std::max<int64_t>(deadline_ms_, 0);
  }
  void finish(Context& context, const Result<Entry*>& placed) const {
    if (!context.check(placed)) return;
    const Key key = context.key(1);
    if (options_.idle_seconds > 0) {
      const int64_t idle_seconds = std::min<int64_t>(options_.idle_seconds, kAccessClockMask);
      (*placed)->access_clock = access_clock(context.now_ms() - idle_seconds * 1000);
    }
    context.shard(key).ask_for_cleaning();  // what the key held before may be large
    context.changed(key);
    log_restore(context, options_, deadline_ms_);
    context.reply().ok();
  }

  RestoreOptions options_;
  int64_t deadline_ms_;
};

// RESTORE of a large collection. The key is latched for writing, so that nobody sees or makes it meanwhile.
class RestoreWork final : public SlicedWork {
 public:
  RestoreWork(const RdbRecord& record, const Placing& placing) : placing_(placing), record_(record) {}

  bool step(Context& context) override {
    const Key key = context.key(1);
    if (!decoder_) {
      // The arguments that came with the command are gone; these are copies that stay.
      record_.payload = context.arg(3).substr(1, record_.payload.size());
      decoder_.emplace(record_, context.data(key), limits_of(context));
    }
    const uint64_t began = decoder_->offset();
    Result<bool> is_done = false;
    do {
      is_done = decoder_->step(kRestoreStepElements);
    } while (is_done && !*is_done && decoder_->offset() - began < kRestoreSliceBytes);
    if (is_done && !*is_done) return false;
    finish(context, key, is_done);
    return true;
  }

 private:
  void finish(Context& context, const Key& key, const Result<bool>& is_done) {
    Database& database = context.database(key);
    Result<Value> value = fail(Errc::kCorruption, "value");
    if (is_done) value = decoder_->finish();
    if (!value) {
      database.discard(decoder_->take());
      context.shard(key).ask_for_cleaning();
      const Errc code = is_done ? value.error().code : is_done.error().code;
      if (code == Errc::kOutOfMemory) return static_cast<void>(context.check(fail(code, "value").error()));
      return context.reply().error("ERR Bad data format");
    }
    if (rdb_is_empty(*value)) {
      database.discard(*value);
      return context.reply().error("ERR Bad data format");
    }
    placing_.place_value(context, *value);
  }

  Placing placing_;
  RdbRecord record_;
  std::optional<RdbPlainDecoder> decoder_;
};

}  // namespace

void dump_key(Context& context) {
  const Entry* entry = context.find(context.key(1));
  if (!entry) return context.reply().null();
  if (context.may_slice() && entry->type() != Type::kString &&
      element_count(entry->value()) > kSliceElements) {
    return context.slice(std::make_unique<DumpWork>(*entry), {{.arg = 1, .is_exclusive = false}});
  }
  RdbDump dump(*entry, true);
  while (!dump.step(SIZE_MAX)) {
  }
  context.reply().bulk(dump.bytes());
}

void restore_key(Context& context) {
  RestoreOptions options;
  if (!parse_options(context, options)) return;
  const Key key = context.key(1);
  if (!options.replace && context.find_for_write(key)) {
    return context.reply().error("BUSYKEY Target key name already exists.");
  }
  int64_t ttl_ms;
  if (!context.parse_integer(2, ttl_ms)) return;
  if (ttl_ms < 0) return context.reply().error("ERR Invalid TTL value, must be >= 0");
  const Result<RdbRecord> record = rdb_open_dump(context.arg(3));
  if (!record && record.error().code == Errc::kCorruption) {
    return context.reply().error("ERR DUMP payload version or checksum are wrong");
  }
  if (!record) return context.reply().error("ERR Bad data format");
  const Placing placing(options, deadline_of(context, options, ttl_ms));
  if (record->type == RdbType::kString) return placing.place_string(context, *record);
  if (context.may_slice() && record->payload.size() > kRestoreWholeBytes &&
      RdbPlainDecoder::handles(record->type)) {
    return context.slice(std::make_unique<RestoreWork>(*record, placing), {{.arg = 1, .is_exclusive = true}});
  }
  const Result<Value> value = rdb_decode(*record, context.data(key), limits_of(context));
  if (!value && value.error().code == Errc::kOutOfMemory) return static_cast<void>(context.check(value));
  if (!value) return context.reply().error("ERR Bad data format");
  if (rdb_is_empty(*value)) {
    context.database(key).discard(*value);
    return context.reply().error("ERR Bad data format");
  }
  placing.place_value(context, *value);
}

}  // namespace strata
