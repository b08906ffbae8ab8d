#include "commands/sort_order.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <new>
#include <utility>

#include "base/result.h"
#include "memory/heap.h"
#include "platform/memory_map.h"

namespace strata {
namespace {

// Below this, setting up the counts costs more than comparing.
constexpr size_t kFewItems = 128;

// Unsigned integers in the numbers' order. The two zeros are one.
uint64_t ordered_bits(const SortItem& item, bool is_descending) {
  constexpr uint64_t kSign = uint64_t{1} << 63;
  const auto bits = std::bit_cast<uint64_t>(item.number + 0.0);
  const uint64_t ascending = bits & kSign ? ~bits : bits | kSign;
  return is_descending ? ~ascending : ascending;
}

}  // namespace

SortItems make_sort_items(Heap& heap, size_t count) {
  if (count <= kHeapSortItems) {
    return SortItems(static_cast<SortItem*>(heap.allocate(count * sizeof(SortItem))));
  }
  const size_t page = page_size();
  const size_t bytes = (count * sizeof(SortItem) + page - 1) / page * page;
  Result<void*> memory = reserve_memory(bytes, page);
  if (!memory) return {};
  SortItems items(static_cast<SortItem*>(*memory), {bytes});
  return commit_memory(*memory, bytes) ? std::move(items) : SortItems();
}

void ReleaseSortItems::operator()(SortItem* items) const {
  mapped_bytes > 0 ? release_memory(items, mapped_bytes) : Heap::release(items);
}

std::unique_ptr<SlicedSort> SlicedSort::create(Heap& heap, std::span<SortItem> items, SortOrder order) {
  SortItems other;
  if (items.size() > kTextRun || order.by == SortOrder::By::kNumber) {
    other = make_sort_items(heap, items.size());
    if (!other) return nullptr;
  }
  return std::unique_ptr<SlicedSort>(new (std::nothrow) SlicedSort(items, order, std::move(other)));
}

bool SlicedSort::step(size_t budget) {
  while (sorted_ < count_) {
    sort_run();
    if (budget <= run_) return false;
    budget -= run_;
  }
  while (width_ < count_) {
    size_t begin = out_;
    merge(budget);
    size_t merged = out_ - begin;
    if (out_ == count_) {
      std::swap(from_, to_);
      width_ *= 2;
      out_ = 0;
    }
    if (budget <= merged) return width_ >= count_;
    budget -= merged;
  }
  return true;
}

void SlicedSort::sort_run() {
  size_t end = std::min(count_, sorted_ + run_);
  if (order_.by == SortOrder::By::kNumber && end - sorted_ >= kFewItems) {
    sort_numbers(from_ + sorted_, end - sorted_);
  } else {
    std::sort(from_ + sorted_, from_ + end, order_);
  }
  sorted_ = end;
}

// By one byte of the number after the other, the lowest first; a byte that is the same in all is passed over.
void SlicedSort::sort_numbers(SortItem* items, size_t count) {
  constexpr size_t kBytes = sizeof(uint64_t);
  std::array<std::array<uint32_t, 256>, kBytes> places{};
  for (size_t i = 0; i < count; ++i) {
    uint64_t bits = ordered_bits(items[i], order_.is_descending);
    for (size_t byte = 0; byte < kBytes; ++byte, bits >>= 8) ++places[byte][bits & 0xFF];
  }
  const uint64_t some_bits = ordered_bits(items[0], order_.is_descending);
  SortItem* from = items;
  SortItem* to = to_ + (items - from_);
  for (size_t byte = 0; byte < kBytes; ++byte) {
    if (places[byte][some_bits >> (8 * byte) & 0xFF] == count) continue;
    uint32_t place = 0;
    for (uint32_t& next : places[byte]) place += std::exchange(next, place);
    for (size_t i = 0; i < count; ++i) {
      const uint64_t bits = ordered_bits(from[i], order_.is_descending);
      to[places[byte][bits >> (8 * byte) & 0xFF]++] = from[i];
    }
    std::swap(from, to);
  }
  if (from != items) std::memcpy(items, from, count * sizeof(SortItem));
  for (size_t begin = 0, end; begin < count; begin = end) {
    for (end = begin + 1; end < count && items[end].number == items[begin].number;) ++end;
    if (end - begin > 1) std::sort(items + begin, items + end, order_);
  }
}

// Goes on with the pair of runs that out_ lies in, and to the end of it at most.
void SlicedSort::merge(size_t budget) {
  const size_t first = out_ - out_ % (2 * width_);
  const size_t middle = std::min(count_, first + width_);
  const size_t end = std::min(count_, middle + width_);
  if (out_ == first) {
    left_ = first;
    right_ = middle;
  }
  const size_t stop = budget < end - out_ ? out_ + budget : end;
  while (out_ < stop) {
    bool takes_left = right_ == end || (left_ < middle && !order_(from_[right_], from_[left_]));
    to_[out_++] = from_[takes_left ? left_++ : right_++];
  }
}

}  // namespace strata
