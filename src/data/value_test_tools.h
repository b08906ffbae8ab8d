// What the tests of hashes, sets and sorted sets share.

#pragma once

#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/random.h"
#include "data/context.h"
#include "data/value.h"
#include "memory/heap.h"

namespace strata::testing_tools {

// The seed of a random test: the one in STRATA_TEST_SEED, else the given; printed.
inline uint64_t test_seed(uint64_t usual) {
  const char* chosen = std::getenv("STRATA_TEST_SEED");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  const uint64_t seed = chosen != nullptr ? std::strtoull(chosen, nullptr, 10) : usual;
  std::cout << "seed " << seed << " (STRATA_TEST_SEED)\n";
  return seed;
}

inline std::string text(const Element& element) {
  char scratch[kIntegerTextBytes];
  return std::string(element_text(element, scratch));
}

// Keys that collide in form: integers, padded integers, short text, and long text of up to `long_bytes`.
inline std::string random_key(Random& random, uint64_t variety, size_t long_bytes = 300) {
  const uint64_t number = random.below(variety);
  switch (number % 5) {
    case 0:
      return std::to_string(static_cast<int64_t>(number) - static_cast<int64_t>(variety / 2));
    case 1:
      return "0" + std::to_string(number);
    case 2:
      return number == 2 ? std::string() : "m" + std::to_string(number);
    case 3:
      return std::string("\0\r\n\xFF", 4) + std::to_string(number);
    default:
      return std::string(number * 7919 % (long_bytes + 1), 'x') + std::to_string(number);
  }
}

// A heap in which every further allocation fails, unless a block of its size class has been allowed: all free
// blocks are taken, and the limit is reached. Giving them back one by one makes the first, the second, …
// allocation of an operation the one that fails.
class Starvation {
 public:
  explicit Starvation(Heap& heap) : heap_(heap) {
    for (const size_t bytes : kStocked) {
      for (int i = 0; i < 40; ++i) taken_.push_back(heap_.allocate(bytes));
    }
    heap_.set_limit(1);
    for (size_t size_class = 0; size_class < size_class_of(kLargestTaken) + 1; ++size_class) {
      while (void* block = heap_.allocate(size_class_bytes(size_class))) taken_.push_back(block);
    }
  }
  ~Starvation() {
    for (void* block : taken_) heap_.free(block);
    heap_.set_limit(0);
  }
  Starvation(const Starvation&) = delete;
  Starvation& operator=(const Starvation&) = delete;

  // Gives some block back.
  void allow_one(Random& random) {
    if (taken_.empty()) return;
    std::swap(taken_[random.below(taken_.size())], taken_.back());
    heap_.free(taken_.back());
    taken_.pop_back();
  }

 private:
  static constexpr size_t kLargestTaken = 64 << 10;
  // The usual blocks of packed nodes, entries, buckets, segments and the nodes of trees.
  static constexpr size_t kStocked[] = {8,   16,  24,  32,  40,  48,   64,   80,   128,  160,  256,
                                        320, 384, 512, 640, 768, 1024, 1536, 2048, 4096, 5120, 8192};

  Heap& heap_;
  std::vector<void*> taken_;
};

}  // namespace strata::testing_tools
