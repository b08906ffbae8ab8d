#include "commands/sort_order.h"

#include <algorithm>
#include <new>

namespace strata {

std::unique_ptr<SlicedSort> SlicedSort::create(std::span<SortItem> items, SortOrder order) {
  std::unique_ptr<SortItem[]> other;
  if (items.size() > kRun) {
    other.reset(new (std::nothrow) SortItem[items.size()]);
    if (!other) return nullptr;
  }
  return std::unique_ptr<SlicedSort>(new (std::nothrow) SlicedSort(items, order, std::move(other)));
}

bool SlicedSort::step(size_t budget) {
  while (sorted_ < count_) {
    sort_run();
    if (budget <= kRun) return false;
    budget -= kRun;
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
  size_t end = std::min(count_, sorted_ + kRun);
  std::sort(from_ + sorted_, from_ + end, order_);
  sorted_ = end;
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
