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

void SegmentStock::prepare() {
  std::lock_guard lock(mutex_);
  if (count_ + wanted_ == kSegmentsMax) return;
  ++wanted_;
  if (thread_.joinable()) return wished_.notify_one();
  try {
    thread_ = std::thread([this] { work(); });
  } catch (const std::system_error&) {
    wanted_ = 0;  // without a thread heaps map their segments themselves
  }
}

SegmentStock::Taken SegmentStock::take() {
  std::lock_guard lock(mutex_);
  return {count_ > 0 ? segments_[--count_] : nullptr, wanted_ > 0};
}

size_t SegmentStock::count() const {
  std::lock_guard lock(mutex_);
  return count_;
}

void SegmentStock::fill(std::unique_lock<std::mutex>& lock) {
  while (wanted_ > 0 && !ends_) {
    lock.unlock();
    void* segment = prepared_segment();
    lock.lock();
    if (segment == nullptr) {
      wanted_ = 0;
      return;
    }
    segments_[count_++] = segment;
    --wanted_;
  }
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
  auto has_news = [this] { return ends_ || wanted_ > 0; };
  while (!ends_) {
    fill(lock);
    if (wished_.wait_for(lock, std::chrono::milliseconds(idle_ms_), has_news)) continue;
    give_back(lock);
    wished_.wait(lock, has_news);
  }
}

}  // namespace strata
