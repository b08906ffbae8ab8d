#include "commands/context.h"

#include "base/assert.h"
#include "text/ascii.h"
#include "text/numbers.h"

namespace strata {
namespace {

void count_one(std::atomic<uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void append_bulk(std::string& out, char type, size_t n) {
  char digits[kI64TextBytes];
  out.push_back(type);
  out.append(digits, print_u64(n, digits));
  out.append("\r\n");
}

void append_words(std::string& out, std::span<const Bytes> words) {
  for (Bytes word : words) {
    append_bulk(out, '$', word.size());
    out.append(word);
    out.append("\r\n");
  }
}

}  // namespace

Entry* Context::find_in(const Key& key, uint16_t db) {
  Entry* entry = shard(key).find_live(db, key, now_ms_, environment_.sink);
  if (entry) database(key, db).before_change(*entry);
  if (!entry) note_ready(key, db);  // it may have expired just now
  return entry;
}

Entry* Context::find(const Key& key) {
  Entry* entry = shard(key).find_live(db_, key, now_ms_, environment_.sink);
  count_one(entry ? environment_.counters.hits : environment_.counters.misses);
  mark_access(entry);
  if (!entry) note_ready(key, db_);  // it may have expired just now
  return entry;
}

Entry* Context::find_for_write(const Key& key) {
  Entry* entry = find_in(key, db_);
  mark_access(entry);
  return entry;
}

// A store only once a second: most finds leave the line clean.
void Context::mark_access(Entry* entry) const {
  if (!entry || !touches_access_) return;
  const uint32_t clock = access_clock(now_ms_);
  if (entry->access_clock != clock) entry->access_clock = clock;
}

bool Context::find(const Key& key, Type type, Entry*& entry) {
  entry = find(key);
  if (!entry || entry->type() == type) return true;
  wrong_type();
  return false;
}

bool Context::find_for_write(const Key& key, Type type, Entry*& entry) {
  entry = find_for_write(key);
  if (!entry || entry->type() == type) return true;
  wrong_type();
  return false;
}

void Context::changed_in(const Key& key, uint16_t db, uint64_t count) {
  changes_ += count;
  STRATA_DASSERT(!shard(key).snapshot().was_forgotten(database(key, db).find(key)));
  shard(key).watches().touch(db, key.name);
  note_ready(key, db);
}

void Context::erase(const Key& key) {
  database(key).erase(key);
  shard(key).ask_for_cleaning();
  changes_ += 1;
  shard(key).watches().touch(db_, key.name);
  note_ready(key, db_);
}

void Context::note_ready_slow(Shard& owner, const Key& key, uint16_t db) {
  WaiterTable::Queue* queue = owner.waiters().find(db, key.name);
  if (!queue) return;
  const Entry* entry = owner.database(db).find(key);
  if (!queue->wants(entry ? std::optional(entry->type()) : std::nullopt)) return;
  for (const ReadyKey& other : ready_) {
    if (other.db == db && other.name == key.name) return;
  }
  ready_.push_back({db, std::string(key.name)});
}

void Context::effect(std::span<const Bytes> words, std::span<const Bytes> more) {
  ++effects_count_;
  if (!environment_.sink) return;
  append_bulk(effects_, '*', words.size() + more.size());
  append_words(effects_, words);
  append_words(effects_, more);
}

void Context::effects(std::string&& resp, size_t count) {
  if (environment_.sink && effects_.empty()) {
    effects_ = std::move(resp);
  } else if (environment_.sink) {
    effects_ += resp;
  }
  effects_count_ += static_cast<uint32_t>(count);
}

uint64_t Context::propagate(EffectSink& sink, Bytes canonical_raw) {
  if (changes_ == 0 && effects_count_ == 0) return 0;
  if (effects_count_ == kNoEffect) return 0;
  if (effects_count_ == 0) {
    return canonical_raw.empty() ? sink.append_command(db_, args_) : sink.append(db_, canonical_raw, 1);
  }
  return sink.append(db_, effects_, effects_count_);
}

bool Context::check(const Error& error) {
  switch (error.code) {
    case Errc::kOutOfMemory:
      reply_->error("OOM command not allowed when used memory > 'maxmemory'.");
      break;
    case Errc::kWrongType:
      wrong_type();
      break;
    default:
      reply_->error("ERR ", error.what);
      break;
  }
  return false;
}

void Context::reply_element(Reply& reply, const Element& element) {
  if (element.is_integer) return reply.bulk_integer(element.integer);
  if (!element.blob || element.bytes.size() < kPinThresholdBytes) return reply.bulk(element.bytes);
  element.blob->pin();
  reply.bulk_reference(element.bytes, element.blob,
                       [](void* blob) { Blob::unpin(static_cast<Blob*>(blob)); });
}

void Context::wrong_type() {
  reply_->error("WRONGTYPE Operation against a key holding the wrong kind of value");
}

void Context::syntax_error() { reply_->error("ERR syntax error"); }

bool Context::parse_integer(size_t i, int64_t& value, Bytes error) {
  if (auto parsed = parse_i64(args_[i])) {
    value = *parsed;
    return true;
  }
  reply_->error(error.empty() ? Bytes("ERR value is not an integer or out of range") : error);
  return false;
}

bool Context::parse_integer_in(size_t i, int64_t least, int64_t most, int64_t& value, Bytes error) {
  if (!parse_integer(i, value, error)) return false;
  if (value >= least && value <= most) return true;
  reply_->error(error.empty() ? Bytes("ERR value is out of range") : error);
  return false;
}

bool Context::parse_double_arg(size_t i, double& value, Bytes error) {
  if (auto parsed = parse_double(args_[i])) {
    value = *parsed;
    return true;
  }
  reply_->error(error.empty() ? Bytes("ERR value is not a valid float") : error);
  return false;
}

bool Context::is_word(size_t i, Bytes upper_case) const { return iequals(args_[i], upper_case); }

}  // namespace strata
