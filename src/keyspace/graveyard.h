// Memory that other threads may still be reading is buried here and freed later.
//
// Prefetching looks at a shard's table from outside the shard. What it reads must stay mapped until
// every thread that might be in the middle of such a look has gone on: a thread passes a turn when its loop
// begins a new one, and a sleeping loop holds nothing. (Quiescent-state reclamation.)

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace strata {

class Heap;

// One per process: which turn every thread has reached.
class TurnGate {
 public:
  explicit TurnGate(size_t thread_count);
  // Called by thread `index` between turns: it holds no pointer into any table.
  void pass(size_t index) {
    slots_[index].reached.store(epoch_.load(std::memory_order_seq_cst), std::memory_order_seq_cst);
    // Either passed() sees that this thread is awake, or this load sees the stamp, and with it what was
    // unlinked before the stamp.
    static_cast<void>(epoch_.load(std::memory_order_seq_cst));
  }
  void sleep(size_t index) { slots_[index].reached.store(kAsleep, std::memory_order_seq_cst); }

  // A stamp for something that is unreachable for new readers from now on.
  uint64_t stamp() { return epoch_.fetch_add(1, std::memory_order_seq_cst) + 1; }
  // True when every thread has passed a turn since `stamp`.
  bool passed(uint64_t stamp) const;
  size_t thread_count() const { return thread_count_; }

 private:
  static constexpr uint64_t kAsleep = UINT64_MAX;
  struct alignas(64) Slot {
    std::atomic<uint64_t> reached{kAsleep};
  };
  size_t thread_count_;
  std::unique_ptr<Slot[]> slots_;
  alignas(64) std::atomic<uint64_t> epoch_{1};
};

// One per shard, used inside it. With one thread bury() frees at once.
class Graveyard {
 public:
  Graveyard(Heap& heap, TurnGate& gate) : heap_(&heap), gate_(&gate) {}
  ~Graveyard();
  void bury(void* block);
  // Frees what everybody has passed. Cheap when there is nothing.
  void clear_passed();
  bool empty() const { return graves_.empty(); }

 private:
  struct Grave {
    void* block;
    uint64_t stamp;
  };
  Heap* heap_;
  TurnGate* gate_;
  std::vector<Grave> graves_;
};

}  // namespace strata
