// Who is inside a shard: one request at a time, with a queue behind it.
//
// One word holds it all:  0 free · 1 held · else held, and the newest of the waiters, a stack.
//
// A thread whose request needs the shard tries to enter with one compare-exchange. If that fails the
// request leaves itself on the stack, and ownership reaches it later: whoever leaves the shard gives it to
// the longest waiting request and either runs that request itself or sends it home to its loop, shard in
// hand.
//
//   1. The shard is held by a request, not by a thread: leave() may happen on another thread than enter().
//   2. Waiters are served in the order of their arrival. (The stack is turned round a batch at a time.)
//   3. A wake-up cannot be lost: the word becomes free only by a compare-exchange from "held, nobody
//      waits", and a waiter that finds it free takes it instead of queueing.
//   4. What was written inside is seen by the next one inside (release on leaving, acquire on entering).
//
// With one thread (`shared` false) enter and leave are a plain load and store each; waiting works as ever.

#pragma once

#include <atomic>
#include <cstdint>

#include "base/assert.h"
#include "base/simd.h"

namespace strata {

// Something that waits for a shard. Owned by whoever queued it.
class ShardWaiter {
 protected:
  ~ShardWaiter() = default;

 private:
  friend class Ownership;
  ShardWaiter* next_ = nullptr;
};

class Ownership {
 public:
  explicit Ownership(bool shared) : shared_(shared) {}

  bool try_enter() {
    uintptr_t word = word_.load(std::memory_order_relaxed);
    if (word != kFree) return false;
    if (!shared_) {
      word_.store(kHeld, std::memory_order_relaxed);
      return true;
    }
    return word_.compare_exchange_strong(word, kHeld, std::memory_order_acquire, std::memory_order_relaxed);
  }

  // Spins for about the length of a command before it gives up.
  bool try_enter_for_a_while() {
    if (try_enter()) return true;
    if (!shared_) return false;
    for (int i = 0; i < kSpinRounds; ++i) {
      spin_pause();
      if (word_.load(std::memory_order_relaxed) == kFree && try_enter()) return true;
    }
    return false;
  }

  // True: entered. False: `waiter` is queued, and may be running on another thread already.
  bool enter_or_queue(ShardWaiter& waiter) {
    uintptr_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      if (word == kFree) {
        if (word_.compare_exchange_weak(word, kHeld, std::memory_order_acquire, std::memory_order_relaxed))
          return true;
        continue;
      }
      waiter.next_ = word == kHeld ? nullptr : reinterpret_cast<ShardWaiter*>(word);
      if (word_.compare_exchange_weak(word, reinterpret_cast<uintptr_t>(&waiter), std::memory_order_release,
                                      std::memory_order_relaxed)) {
        return false;
      }
    }
  }

  // Null: the shard is free now. Otherwise the shard belongs to the returned request, which the caller must
  // see to.
  [[nodiscard]] ShardWaiter* leave() {
    if (!next_in_line_) [[likely]] {
      if (try_free()) return nullptr;
      take_in();
    }
    ShardWaiter* next = next_in_line_;
    next_in_line_ = next->next_;
    return next;
  }

  // Inside: somebody waits, so do not stay long.
  bool contended() const { return next_in_line_ || word_.load(std::memory_order_relaxed) != kHeld; }
  bool held() const { return word_.load(std::memory_order_relaxed) != kFree; }

 private:
  static constexpr uintptr_t kFree = 0;
  static constexpr uintptr_t kHeld = 1;
  // About 1 us: the length of a short command. A command that takes longer is not worth burning a core for.
  static constexpr int kSpinRounds = 40;

  bool try_free() {
    uintptr_t held = kHeld;
    if (shared_)
      return word_.compare_exchange_strong(held, kFree, std::memory_order_release, std::memory_order_relaxed);
    if (word_.load(std::memory_order_relaxed) != kHeld) return false;
    word_.store(kFree, std::memory_order_relaxed);
    return true;
  }

  void take_in() {
    auto* newest = reinterpret_cast<ShardWaiter*>(word_.exchange(kHeld, std::memory_order_acq_rel));
    STRATA_DASSERT(reinterpret_cast<uintptr_t>(newest) > kHeld);
    while (newest) {
      ShardWaiter* older = newest->next_;
      newest->next_ = next_in_line_;
      next_in_line_ = newest;
      newest = older;
    }
  }

  std::atomic<uintptr_t> word_{kFree};
  ShardWaiter* next_in_line_ = nullptr;  // oldest first; belongs to whoever is inside
  const bool shared_;
};

}  // namespace strata
