// What SORT sorts, and how: elements with a weight, sorted in slices.
//
// Numbers are compared by their weight and then as texts, so that the order is the same each time. Texts are
// compared byte by byte; without a weight (its key is missing) an element comes first.

#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"

namespace strata {

class Heap;

struct SortItem {
  const char* text;
  uint32_t text_size;
  uint32_t weight_size;
  union {
    double number;
    const char* weight;  // null: none
  };

  Bytes bytes() const { return {text, text_size}; }
  static SortItem of(Bytes text) { return {text.data(), static_cast<uint32_t>(text.size()), 0, {0}}; }
  void set_weight(Bytes bytes) {
    weight = bytes.data();
    weight_size = static_cast<uint32_t>(bytes.size());
  }
};
static_assert(sizeof(SortItem) == 24);

// Room for items. Up to this many it comes from the heap of the shard whose turn it is, where it is still
// warm from the last time, counted, and given back when it stays unused. More are mapped for themselves:
// given back to the heap they would go in one piece with whatever else lies there, a call of several
// milliseconds.
inline constexpr size_t kHeapSortItems = (size_t{1} << 20) / sizeof(SortItem);
// From any thread.
struct ReleaseSortItems {
  size_t mapped_bytes = 0;
  void operator()(SortItem* items) const;
};
using SortItems = std::unique_ptr<SortItem[], ReleaseSortItems>;
// Null when there is no memory.
SortItems make_sort_items(Heap& heap, size_t count);

struct SortOrder {
  enum class By : uint8_t { kNumber, kText, kWeightText };
  By by = By::kNumber;
  bool is_descending = false;

  bool operator()(const SortItem& a, const SortItem& b) const {
    return is_descending ? is_before(b, a) : is_before(a, b);
  }

 private:
  bool is_before(const SortItem& a, const SortItem& b) const {
    if (by == By::kNumber && a.number != b.number) return a.number < b.number;
    if (by == By::kWeightText) {
      if (!a.weight != !b.weight) return !a.weight;
      if (a.weight) {
        int order = Bytes(a.weight, a.weight_size).compare(Bytes(b.weight, b.weight_size));
        if (order != 0) return order < 0;
      }
    }
    return a.bytes() < b.bytes();
  }
};

// A merge sort that may stop and go on: runs are sorted, then merged two by two into the other of two arrays.
// A run of numbers is sorted by the bytes of the numbers, 25 ns an item where comparing takes 60, so it may
// be longer.
class SlicedSort {
 public:
  // Null when there is no memory for the second array, which few texts do without.
  static std::unique_ptr<SlicedSort> create(Heap& heap, std::span<SortItem> items, SortOrder order);

  // Handles about `budget` items, each of which comes up once for every doubling of the run. True at the end.
  bool step(size_t budget);
  // At the end: the items, sorted.
  std::span<const SortItem> items() const { return {from_, count_}; }

 private:
  static constexpr size_t kTextRun = 2048;
  static constexpr size_t kNumberRun = 8192;

  SlicedSort(std::span<SortItem> items, SortOrder order, SortItems other)
      : order_(order),
        from_(items.data()),
        to_(other.get()),
        count_(items.size()),
        run_(order.by == SortOrder::By::kNumber ? kNumberRun : kTextRun),
        other_(std::move(other)) {}
  void sort_run();
  void sort_numbers(SortItem* items, size_t count);
  void merge(size_t budget);

  SortOrder order_;
  SortItem* from_;
  SortItem* to_;
  size_t count_;
  size_t run_;
  SortItems other_;
  size_t sorted_ = 0;  // items in sorted runs, in the first pass
  size_t width_ = run_;
  size_t out_ = 0;  // where the next item goes; left_ and right_: where it comes from
  size_t left_ = 0;
  size_t right_ = 0;
};

}  // namespace strata
