#include "memory/segment_stock.h"

#include <chrono>
#include <system_error>

#include "memory/page.h"
#include "platform/memory_map.h"
#include "platform/thread.h"

namespace strata {

namespace {

constexpr size_t kHugePageBytes = size_t{2} << 20;

// Touches by writing. To have the pages populated in one call would hold up, all the time, others who map
// memory.
void* prepared_segment() {
  auto memory = reserve_memory(kSegmentBytes, kSegmentBytes);
  if (!memory) return nullptr;
  if (!commit_memory(*memory, kSegmentBytes)) {
    release_memory(*memory, kSegmentBytes);
    return nullptr;
  }
  hint_huge_pages(*memory, kSegmentBytes, HugePages::kPrefer);
  for (size_t at = 0; at < kSegmentBytes; at += kHugePageBytes) {
    static_cast<volatile char*>(*memory)[at] = 0;
  }
  return *memory;
}

}  // namespace

SegmentStock::~SegmentStock() {
  {
    std::lock_guard lock(mutex_);
    ends_ = true;
  }
  wished_.notify_one();
  if (thread_.joinable()) thread_.join();
  while (count_ > 0) release_memory(segments_[--count_], kSegmentBytes);
}

// With the mutex held.
void SegmentStock::wish() {
  ++wishes_;
  if (thread_.joinable()) return wished_.notify_one();
  try {
    thread_ = std::thread([this] { work(); });
  } catch (const std::system_error&) {
    // Without a thread heaps map their segments themselves.
  }
}

void SegmentStock::prepare() {
  std::lock_guard lock(mutex_);
  wish();
}

void* SegmentStock::take() {
  std::lock_guard lock(mutex_);
  wish();
  return count_ > 0 ? segments_[--count_] : nullptr;
}

size_t SegmentStock::count() const {
  std::lock_guard lock(mutex_);
  return count_;
}

void SegmentStock::give_back(std::unique_lock<std::mutex>& lock) {
  while (count_ > 0) {
    void* segment = segments_[--count_];
    lock.unlock();
    release_memory(segment, kSegmentBytes);
    lock.lock();
  }
}

void SegmentStock::work() {
  name_this_thread("segment-stock");
  std::unique_lock lock(mutex_);
  while (!ends_) {
    const uint64_t seen = wishes_;
    bool can = true;
    while (can && count_ < kSegmentsMax && !ends_) {
      lock.unlock();
      void* segment = prepared_segment();
      lock.lock();
      can = segment != nullptr;
      if (can) segments_[count_++] = segment;
    }
    auto news = [&] { return ends_ || wishes_ != seen; };
    if (wished_.wait_for(lock, std::chrono::milliseconds(idle_ms_), news)) continue;
    give_back(lock);
    wished_.wait(lock, news);
  }
}

}  // namespace strata
