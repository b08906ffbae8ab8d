#include "keyspace/database.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "data/hash_deadlines.h"
#include "keyspace/lazy_free.h"
#include "memory/heap.h"
#include "text/numbers.h"

namespace strata {
namespace {

constexpr size_t kFlushSlice = 4096;

Entry* free_string_blob(Heap& heap, Entry* entry) {
  if (entry->type() == Type::kString && entry->encoding() == Encoding::kRaw) {
    Blob::destroy(heap, reinterpret_cast<Blob*>(entry->word()));
  }
  return entry;
}

Blob* blob_of(Heap& heap, Bytes bytes) {
  Blob* blob = Blob::create(heap, bytes.size());
  if (!blob) return nullptr;
  std::memcpy(blob->bytes, bytes.data(), bytes.size());
  blob->size = static_cast<uint32_t>(bytes.size());
  return blob;
}

// Whether an inline value of another size fits where the old one is without wasting room. Asking for an
// entry's room costs a cache miss in large databases, where nothing else reads the page's bookkeeping.
bool fits_as_well(const Entry* old, bool with_deadline, size_t value_bytes) {
  const size_t bytes = Entry::bytes_needed(old->key_size, with_deadline, Encoding::kInline, value_bytes);
  const size_t usable = Heap::usable_size(old);
  return bytes <= usable && Heap::good_size(bytes) == usable;
}

}  // namespace

Database::~Database() { flush(true); }

Entry* Database::allocate(const Key& key, Encoding encoding, size_t value_size, bool with_deadline) {
  size_t bytes = Entry::bytes_needed(key.name.size(), with_deadline, encoding, value_size);
  auto* entry = static_cast<Entry*>(heap_->allocate(bytes));
  if (!entry) return nullptr;
  *entry = Entry{};
  entry->epoch = snapshot_->epoch();
  entry->access_clock = access_clock(clock_->now_ms);
  entry->flags = with_deadline ? Entry::kHasDeadline : 0;
  entry->key_size = static_cast<uint32_t>(key.name.size());
  entry->set_kind(Type::kString, encoding);
  entry->value_size = encoding == Encoding::kInline ? static_cast<uint32_t>(value_size) : 0;
  std::memcpy(entry->body() + entry->key_offset(), key.name.data(), key.name.size());
  return entry;
}

void Database::link_deadline(Entry* entry, int64_t deadline_ms) {
  entry->expiry_link().deadline_ms = deadline_ms;
  add_to_deadline_sum(static_cast<uint64_t>(deadline_ms));
  wheel_.add(entry->expiry_link(), clock_->now_ms);
  clock_->note_deadline(deadline_ms);
}

void Database::unlink_deadline(Entry* entry) {
  add_to_deadline_sum(0 - static_cast<uint64_t>(entry->expiry_link().deadline_ms));
  wheel_.remove(entry->expiry_link());
}

void Database::free_entry(Entry* entry) {
  if (entry->encoding() == Encoding::kTimed) field_timers_.forget(entry->key());
  if (entry->type() != Type::kString) lazy_free_->discard(entry->value());
  heap_->free(free_string_blob(*heap_, entry));
}

Result<Entry*> Database::replace(const Key& key, Entry* old, Entry* fresh, int64_t deadline_ms) {
  if (old) {
    before_change(*old);
    table_.relocate(old, fresh, key.hash);
    if (old->has_deadline()) unlink_deadline(old);
    free_entry(old);
  } else if (!table_.insert(fresh, key.hash)) {
    return fail(Errc::kOutOfMemory, "key table");
  }
  if (fresh->has_deadline()) link_deadline(fresh, deadline_ms);
  return fresh;
}

Result<Entry*> Database::set_string(const Key& key, Bytes value, int64_t deadline_ms, bool may_be_integer) {
  if (may_be_integer && value.size() < kI64TextBytes) {
    if (auto integer = parse_i64(value)) return set_integer(key, *integer, deadline_ms);
  }
  Entry* old = find(key);
  bool with_deadline = deadline_ms != kNoDeadline;
  bool is_inline = value.size() <= kInlineStringMax;
  if (old && is_inline && old->type() == Type::kString && old->is_inline() &&
      old->has_deadline() == with_deadline) {
    if (value.size() == old->value_size || fits_as_well(old, with_deadline, value.size())) {
      before_change(*old);
      value.copy(old->inline_bytes(), value.size());
      old->value_size = static_cast<uint32_t>(value.size());
      old->flags &= static_cast<uint8_t>(~Entry::kReportsRaw);
      old->access_clock = access_clock(clock_->now_ms);
      if (with_deadline) {
        unlink_deadline(old);
        link_deadline(old, deadline_ms);
      }
      return old;
    }
  }
  Entry* fresh = allocate(key, is_inline ? Encoding::kInline : Encoding::kRaw, value.size(), with_deadline);
  if (!fresh) return fail(Errc::kOutOfMemory, "entry");
  if (is_inline) {
    value.copy(fresh->inline_bytes(), value.size());
  } else {
    Blob* blob = blob_of(*heap_, value);
    if (!blob) {
      heap_->free(fresh);
      return fail(Errc::kOutOfMemory, "string");
    }
    fresh->set_word(reinterpret_cast<uint64_t>(blob));
  }
  auto placed = replace(key, old, fresh, deadline_ms);
  if (!placed) heap_->free(free_string_blob(*heap_, fresh));
  return placed;
}

Result<Entry*> Database::set_integer(const Key& key, int64_t value, int64_t deadline_ms) {
  Entry* old = find(key);
  bool with_deadline = deadline_ms != kNoDeadline;
  if (old && old->type() == Type::kString && old->encoding() == Encoding::kInt &&
      old->has_deadline() == with_deadline) {
    before_change(*old);
    old->set_word(static_cast<uint64_t>(value));
    old->access_clock = access_clock(clock_->now_ms);
    if (with_deadline) {
      unlink_deadline(old);
      link_deadline(old, deadline_ms);
    }
    return old;
  }
  Entry* fresh = allocate(key, Encoding::kInt, 0, with_deadline);
  if (!fresh) return fail(Errc::kOutOfMemory, "entry");
  fresh->set_word(static_cast<uint64_t>(value));
  auto placed = replace(key, old, fresh, deadline_ms);
  if (!placed) heap_->free(fresh);
  return placed;
}

Result<Entry*> Database::put(const Key& key, const Value& value, int64_t deadline_ms) {
  Entry* fresh = allocate(key, value.encoding, 0, deadline_ms != kNoDeadline);
  if (!fresh) return fail(Errc::kOutOfMemory, "entry");
  fresh->set_value(value);
  auto placed = replace(key, find(key), fresh, deadline_ms);
  if (placed) {
    if (value.encoding == Encoding::kTimed) note_fields(key.name, value);
  } else {
    heap_->free(fresh);
  }
  return placed;
}

void Database::note_fields(Bytes key, const Value& value) {
  if (value.encoding != Encoding::kTimed) return field_timers_.forget(key);
  const int64_t first_ms = hash_first_deadline(value);
  field_timers_.note(key, first_ms, clock_->now_ms);
  clock_->note_deadline(first_ms);
}

Result<Entry*> Database::overwrite_string(const Key& key, Entry* entry, Bytes value, bool may_be_integer) {
  return set_string(key, value, entry->deadline_ms(), may_be_integer);
}

Result<MutableBytes> Database::edit_string(const Key& key, Entry* entry, size_t size) {
  before_change(*entry);
  if (entry->encoding() == Encoding::kRaw) {
    auto* blob = reinterpret_cast<Blob*>(entry->word());
    Blob* writable = Blob::extended(*heap_, blob, size);
    if (!writable) return fail(Errc::kOutOfMemory, "string");
    entry->set_word(reinterpret_cast<uint64_t>(writable));
    entry->flags |= Entry::kReportsRaw;
    return MutableBytes{writable->bytes, size};
  }
  if (entry->is_inline() && size <= kInlineStringMax) {
    size_t bytes = Entry::bytes_needed(entry->key_size, entry->has_deadline(), Encoding::kInline, size);
    if (bytes <= Heap::usable_size(entry)) {
      if (size > entry->value_size)
        std::memset(entry->inline_bytes() + entry->value_size, 0, size - entry->value_size);
      entry->value_size = static_cast<uint32_t>(size);
      entry->flags |= Entry::kReportsRaw;
      return MutableBytes{entry->inline_bytes(), size};
    }
  }

  // Another kind of body: a roomier inline one, or a blob.
  char scratch[kIntegerTextBytes];
  Bytes old_bytes = element_text(entry->string(), scratch);
  size_t kept = std::min(old_bytes.size(), size);
  bool is_inline = size <= kInlineStringMax;
  Entry* fresh = allocate(key, is_inline ? Encoding::kInline : Encoding::kRaw, size, entry->has_deadline());
  if (!fresh) return fail(Errc::kOutOfMemory, "entry");
  char* bytes = fresh->inline_bytes();
  if (!is_inline) {
    Blob* blob = Blob::create(*heap_, size + size / 2);  // it is likely to grow on
    if (!blob) blob = Blob::create(*heap_, size);
    if (!blob) {
      heap_->free(fresh);
      return fail(Errc::kOutOfMemory, "string");
    }
    std::memcpy(blob->bytes, old_bytes.data(), kept);
    blob->size = static_cast<uint32_t>(kept);
    blob = Blob::extended(*heap_, blob, size);
    fresh->set_word(reinterpret_cast<uint64_t>(blob));
    bytes = blob->bytes;
  } else {
    std::memcpy(bytes, old_bytes.data(), kept);
    std::memset(bytes + kept, 0, size - kept);
  }
  fresh->flags |= Entry::kReportsRaw;
  TRY(replace(key, entry, fresh, entry->deadline_ms()));  // it replaces: there is no room to run out of
  return MutableBytes{bytes, size};
}

bool Database::erase(const Key& key) {
  Entry* entry = table_.remove(key.name, key.hash);
  if (!entry) return false;
  before_change(*entry);
  if (entry->has_deadline()) unlink_deadline(entry);
  free_entry(entry);
  return true;
}

Result<Value> Database::take(const Key& key) {
  Entry* entry = find(key);
  STRATA_ASSERT(entry != nullptr);
  before_change(*entry);
  Value value = entry->value();
  if (entry->is_inline()) {
    Blob* blob = blob_of(*heap_, {entry->inline_bytes(), entry->value_size});
    if (!blob) return fail(Errc::kOutOfMemory, "string");
    value = {Type::kString, Encoding::kRaw, blob};
  }
  if (value.encoding == Encoding::kTimed) field_timers_.forget(key.name);
  table_.remove(key.name, key.hash);
  if (entry->has_deadline()) unlink_deadline(entry);
  heap_->free(entry);
  return value;
}

void Database::discard(const Value& value) {
  if (value.type != Type::kString) return lazy_free_->discard(value);
  if (value.encoding == Encoding::kRaw) Blob::destroy(*heap_, static_cast<Blob*>(value.pointer));
}

Entry* Database::rebuild(const Key& key, Entry* entry, bool with_deadline) {
  Entry* fresh = allocate(key, entry->encoding(), entry->value_size, with_deadline);
  if (!fresh) return nullptr;
  before_change(*entry);
  fresh->kind = entry->kind;
  fresh->flags =
      static_cast<uint8_t>((entry->flags & ~Entry::kHasDeadline) | (with_deadline ? Entry::kHasDeadline : 0));
  fresh->access_clock = entry->access_clock;
  if (entry->is_inline()) {
    std::memcpy(fresh->inline_bytes(), entry->inline_bytes(), entry->value_size);
  } else {
    fresh->set_word(entry->word());
  }
  if (entry->has_deadline()) unlink_deadline(entry);
  table_.relocate(entry, fresh, key.hash);
  heap_->free(entry);
  return fresh;
}

Result<Entry*> Database::set_deadline(const Key& key, Entry* entry, int64_t deadline_ms) {
  before_change(*entry);
  if (entry->has_deadline()) {
    unlink_deadline(entry);
  } else {
    entry = rebuild(key, entry, true);
    if (!entry) return fail(Errc::kOutOfMemory, "entry");
  }
  link_deadline(entry, deadline_ms);
  return entry;
}

bool Database::clear_deadline(const Key& key, Entry* entry) {
  if (!entry->has_deadline()) return false;
  before_change(*entry);
  if (rebuild(key, entry, false)) return true;
  // No memory for the smaller entry: keep the field, with a deadline that never comes.
  unlink_deadline(entry);
  link_deadline(entry, INT64_MAX);
  return true;
}

void Database::flush(bool synchronously) {
  wheel_.clear();
  field_timers_.clear();
  deadline_sum_ms_.store(0, std::memory_order_relaxed);
  KeyTable::Detached* detached = table_.detach();
  if (!detached) return;
  if (snapshot_->take_over(*this, detached)) return;
  if (!synchronously) return lazy_free_->discard_table(detached);
  while (!KeyTable::drain(detached, kFlushSlice, [this](Entry* entry) {
    if (entry->type() == Type::kString) {
      heap_->free(free_string_blob(*heap_, entry));
      return;
    }
    Value value = entry->value();
    while (!destroy_some(value, *heap_, SIZE_MAX)) {
    }
    heap_->free(entry);
  })) {
  }
}

}  // namespace strata
