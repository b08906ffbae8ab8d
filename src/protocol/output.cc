#include "protocol/output.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <utility>

#include "base/bytes.h"

namespace strata {

// One slice of the chain. It lies in a chunk, before the bytes it describes or among them.
struct Output::Node {
  Node* next;
  const char* begin;
  const char* end;  // not kept up to date while the node is the tail: write_ is its end
  Chunk* last_of;   // set in the last slice of a chunk: the chunk goes back with it
  void* token;
  Release release;         // references only
  size_t referenced_size;  // references only
  bool is_open_hole;
};

struct Output::Chunk {
  size_t bytes;  // with this header
  Chunk* next_free;
  Node first;

  char* room() { return reinterpret_cast<char*>(this + 1); }
  char* room_end() { return reinterpret_cast<char*>(this) + bytes; }
};

namespace {

// ---- chunk memory ----------------------------------------------------------------------------

// Counters of chunk memory: a thread adds to one of these, so that threads seldom share a line. One
// counter may go below zero when chunks are freed elsewhere than they were made; the sum is right.
constexpr size_t kCounterCount = 64;
struct alignas(64) Counter {
  std::atomic<int64_t> bytes{0};
};
Counter counters[kCounterCount];
std::atomic<size_t> counters_handed_out{0};

// Spare chunks of one size, newest first, linked through their first word.
struct FreeList {
  void* top;
  size_t count;
};

// Plain data, so that reaching it needs no guard; CacheCloser below empties it when the thread ends.
struct ChunkCache {
  FreeList first_chunks;
  FreeList chunks;
  Counter* counter;
  bool closed;
};
constinit thread_local ChunkCache cache{};

// 1 MiB of each size, enough for 256 connections answered in one turn of the loop.
constexpr size_t kMaxFreeFirstChunks = 256;
constexpr size_t kMaxFreeChunks = 64;

void count_memory(int64_t bytes) { cache.counter->bytes.fetch_add(bytes, std::memory_order_relaxed); }

void* pop(FreeList& list) {
  void* const memory = list.top;
  if (memory != nullptr) {
    std::memcpy(&list.top, memory, sizeof(void*));
    --list.count;
  }
  return memory;
}

// Only chunks that open_cache() went before are in a list, so the counter is there.
void free_all(FreeList& list, size_t bytes) {
  while (void* memory = pop(list)) {
    std::free(memory);
    count_memory(-static_cast<int64_t>(bytes));
  }
}

void empty_cache() {
  free_all(cache.first_chunks, Output::kFirstChunkBytes);
  free_all(cache.chunks, Output::kChunkBytes);
}

struct CacheCloser {
  ~CacheCloser() {
    cache.closed = true;
    empty_cache();
  }
};

// Before a thread's first chunk, taken or given: its end must empty the cache.
[[gnu::noinline]] void open_cache() {
  thread_local CacheCloser closer;
  static_cast<void>(&closer);
  cache.counter = &counters[counters_handed_out.fetch_add(1, std::memory_order_relaxed) % kCounterCount];
}

[[gnu::noinline]] void* make_chunk_memory(size_t bytes) {
  if (cache.counter == nullptr) open_cache();
  void* const memory = std::malloc(bytes);
  STRATA_ASSERT(memory != nullptr, "no memory for a client's output");
  count_memory(static_cast<int64_t>(bytes));
  return memory;
}

void* take_chunk_memory(size_t bytes) {
  void* const memory = pop(bytes == Output::kFirstChunkBytes ? cache.first_chunks : cache.chunks);
  return memory != nullptr ? memory : make_chunk_memory(bytes);
}

void give_chunk_memory(void* memory, size_t bytes) {
  if (cache.counter == nullptr) [[unlikely]]
    open_cache();
  const bool is_first = bytes == Output::kFirstChunkBytes;
  FreeList& list = is_first ? cache.first_chunks : cache.chunks;
  if (list.count >= (is_first ? kMaxFreeFirstChunks : kMaxFreeChunks) || cache.closed) {
    std::free(memory);
    count_memory(-static_cast<int64_t>(bytes));
    return;
  }
  std::memcpy(memory, &list.top, sizeof(void*));
  list.top = memory;
  ++list.count;
}

constexpr size_t kNodeAlignment = alignof(void*);

size_t padding_to_node(const char* at) { return -reinterpret_cast<uintptr_t>(at) & (kNodeAlignment - 1); }

}  // namespace

uint64_t output_memory_bytes() {
  int64_t sum = 0;
  for (const Counter& counter : counters) sum += counter.bytes.load(std::memory_order_relaxed);
  return static_cast<uint64_t>(std::max<int64_t>(sum, 0));
}

void release_output_cache() { empty_cache(); }

// ---- appending -------------------------------------------------------------------------------

const char* Output::end_of(const Node* node) const { return node == tail_ ? write_ : node->end; }

// The tail's end becomes final; the caller starts another tail.
void Output::close_tail() {
  tail_->end = write_;
  appended_before_tail_ += static_cast<uint64_t>(write_ - tail_begin_);
  tail_begin_ = write_;
}

void Output::start_tail(Node* node) {
  node->next = nullptr;
  node->begin = write_;
  node->end = write_;
  tail_begin_ = write_;
  if (tail_ != nullptr) {
    tail_->next = node;
  } else {
    head_ = node;
  }
  tail_ = node;
}

void Output::open_chunk() {
  const size_t bytes = tail_ == nullptr ? kFirstChunkBytes : kChunkBytes;
  Chunk* const chunk = new (take_chunk_memory(bytes)) Chunk{bytes, nullptr, {}};
  if (tail_ != nullptr) close_tail();
  write_ = chunk->room();
  write_end_ = chunk->room_end();
  allocated_bytes_ += bytes;
  chunk->first.last_of = chunk;
  start_tail(&chunk->first);
}

// A node in the tail's chunk, behind what was written; the tail is closed and must be followed by
// start_tail(). The caller saw to it that there is room.
Output::Node* Output::embed_node() {
  close_tail();
  write_ += padding_to_node(write_);
  Node* const node = new (write_) Node{};
  write_ += sizeof(Node);
  tail_begin_ = write_;
  return node;
}

void Output::append_slow(Bytes bytes) {
  while (!bytes.empty()) {
    if (write_ == write_end_) open_chunk();
    const size_t part = std::min(bytes.size(), static_cast<size_t>(write_end_ - write_));
    std::memcpy(write_, bytes.data(), part);
    write_ += part;
    bytes.remove_prefix(part);
  }
}

void Output::append_reference(Bytes bytes, void* token, Release release) {
  if (bytes.empty()) {
    if (release != nullptr) release(token);
    return;
  }
  constexpr size_t kRoom = 2 * (sizeof(Node) + kNodeAlignment);
  static_assert(kRoom <= kMaxReserve);
  reserve(kRoom);
  Chunk* const chunk = std::exchange(tail_->last_of, nullptr);

  Node* const reference = embed_node();
  reference->begin = bytes.data();
  reference->end = bytes.data() + bytes.size();
  reference->token = token;
  reference->release = release;
  reference->referenced_size = bytes.size();
  tail_->next = reference;
  tail_ = reference;
  appended_before_tail_ += bytes.size();
  allocated_bytes_ += bytes.size();

  write_ += padding_to_node(write_);
  Node* const rest = new (write_) Node{};
  write_ += sizeof(Node);
  rest->last_of = chunk;
  start_tail(rest);
}

Output::Hole Output::open_hole() {
  constexpr size_t kRoom = sizeof(Node) + kNodeAlignment + Hole::kMaxBytes;
  static_assert(kRoom <= kMaxReserve);
  reserve(kRoom);
  Chunk* const chunk = std::exchange(tail_->last_of, nullptr);
  Node* const node = embed_node();
  write_ += Hole::kMaxBytes;
  node->last_of = chunk;
  node->is_open_hole = true;
  start_tail(node);
  ++open_holes_;
  Hole hole;
  hole.node_ = node;
  return hole;
}

void Output::fill_hole(Hole& hole, Bytes bytes) {
  Node* const node = static_cast<Node*>(std::exchange(hole.node_, nullptr));
  STRATA_ASSERT(node != nullptr && node->is_open_hole && bytes.size() <= Hole::kMaxBytes);
  // The room ends where the node's bytes begin, so what fills it joins them without a gap.
  char* const to = const_cast<char*>(node->begin) - bytes.size();
  std::memcpy(to, bytes.data(), bytes.size());
  node->begin = to;
  node->is_open_hole = false;
  appended_before_tail_ += bytes.size();
  --open_holes_;
}

void Output::splice(Output&& other) {
  STRATA_ASSERT(open_holes_ == 0 && other.open_holes_ == 0);
  if (&other == this || other.tail_ == nullptr) return;
  if (tail_ != nullptr && other.head_ == other.tail_ && other.size() <= kSpliceCopyBytes) {
    append(Bytes(other.head_->begin, other.size()));
    other.clear();
    return;
  }
  const uint64_t appended = appended_total() + other.size();
  if (tail_ != nullptr) {
    close_tail();
    tail_->next = other.head_;
  } else {
    head_ = other.head_;
  }
  tail_ = other.tail_;
  write_ = other.write_;
  write_end_ = other.write_end_;
  tail_begin_ = other.tail_begin_;
  appended_before_tail_ = appended - static_cast<uint64_t>(write_ - tail_begin_);
  allocated_bytes_ += other.allocated_bytes_;
  // What left `other` counts there as consumed.
  other.consumed_total_ = other.appended_total();
  other.appended_before_tail_ = other.consumed_total_;
  other.write_ = other.write_end_ = other.tail_begin_ = nullptr;
  other.head_ = other.tail_ = nullptr;
  other.allocated_bytes_ = 0;
}

// ---- sending ---------------------------------------------------------------------------------

size_t Output::gather(std::span<Bytes> out, uint64_t limit_bytes) const {
  size_t count = 0;
  for (const Node* node = head_; node != nullptr && count < out.size() && limit_bytes > 0;
       node = node->next) {
    if (node->is_open_hole) break;
    const uint64_t slice_bytes = static_cast<uint64_t>(end_of(node) - node->begin);
    if (slice_bytes == 0) continue;
    const uint64_t taken = std::min(slice_bytes, limit_bytes);
    out[count++] = Bytes(node->begin, static_cast<size_t>(taken));
    limit_bytes -= taken;
  }
  return count;
}

// Gives back the first node and what belongs to it.
void Output::drop_head() {
  Node* const node = head_;
  head_ = node->next;
  if (head_ == nullptr) tail_ = nullptr;
  allocated_bytes_ -= node->referenced_size;
  Chunk* const chunk = node->last_of;
  const Release release = node->release;
  void* const token = node->token;
  if (chunk != nullptr) {
    allocated_bytes_ -= chunk->bytes;
    give_chunk_memory(chunk, chunk->bytes);
  }
  if (release != nullptr) release(token);
}

void Output::consume(size_t bytes) {
  STRATA_ASSERT(bytes <= size());
  if (bytes == size() && open_holes_ == 0) {
    clear();
    return;
  }
  consumed_total_ += bytes;
  while (bytes > 0) {
    const size_t slice_bytes = static_cast<size_t>(end_of(head_) - head_->begin);
    STRATA_ASSERT(!head_->is_open_hole);
    if (bytes < slice_bytes || head_ == tail_) {
      head_->begin += bytes;
      return;
    }
    bytes -= slice_bytes;
    drop_head();
  }
}

void Output::clear() {
  const uint64_t total = appended_total();
  while (head_ != nullptr) drop_head();
  consumed_total_ = total;
  appended_before_tail_ = total;
  write_ = write_end_ = tail_begin_ = nullptr;
  open_holes_ = 0;
}

Output& Output::operator=(Output&& other) noexcept {
  if (&other != this) {
    clear();
    take(other);
  }
  return *this;
}

// Takes everything, totals included; `this` holds nothing. `other` starts again at zero.
void Output::take(Output& other) {
  STRATA_ASSERT(other.open_holes_ == 0);
  write_ = std::exchange(other.write_, nullptr);
  write_end_ = std::exchange(other.write_end_, nullptr);
  tail_begin_ = std::exchange(other.tail_begin_, nullptr);
  appended_before_tail_ = std::exchange(other.appended_before_tail_, 0);
  consumed_total_ = std::exchange(other.consumed_total_, 0);
  head_ = std::exchange(other.head_, nullptr);
  tail_ = std::exchange(other.tail_, nullptr);
  allocated_bytes_ = std::exchange(other.allocated_bytes_, 0);
}

}  // namespace strata
