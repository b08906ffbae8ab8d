// Arbitrary bytes as an integer set: refused, or safe to read and change.

#include <cstdlib>
#include <cstring>

#include "base/random.h"
#include "data/intset.h"

using namespace strata;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes bytes(reinterpret_cast<const char*>(data), size);
  if (!intset::validate(bytes)) return 0;
  Heap heap;
  Random random(size);
  Blob* set = Blob::create(heap, size);
  require(set != nullptr);
  std::memcpy(set->bytes, data, size);
  set->size = static_cast<uint32_t>(size);
  for (uint32_t i = 0; i < intset::count(bytes); i++)
    require(intset::contains(set->view(), intset::at(bytes, i)));
  for (int step = 0; step < 30; step++) {
    int64_t value = static_cast<int64_t>(random.next()) >> random.below(64);
    bool was_there = intset::contains(set->view(), value);
    require((intset::add(heap, set, value) == intset::Change::kNothing) == was_there);
    require(intset::validate(set->view()) && intset::contains(set->view(), value));
    int64_t victim = intset::random(set->view(), random.next());
    if (random.one_in(2)) require(intset::remove(heap, set, victim) == intset::Change::kDone);
    require(intset::validate(set->view()));
  }
  Blob::destroy(heap, set);
  require(heap.used() == 0);
  return 0;
}
