// One file of the simulated disk: what is synced, what is cached, and the changes in between.
// Used by SimFileSystem, under its mutex.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace strata {

// A small seeded generator (SplitMix64), so that a crash depends on its seed and nothing else.
class SimRandom {
 public:
  explicit SimRandom(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t below(uint64_t bound) { return next() % bound; }
  bool one_in(uint64_t n) { return below(n) == 0; }

 private:
  uint64_t state_;
};

// Which of a list of unsynced changes a crash keeps: drawn once for each list.
class SimSurvival {
 public:
  SimSurvival(SimRandom& random, size_t change_count);
  bool keeps(size_t index, SimRandom& random) const;
  bool may_tear(size_t index) const;
  const char* name() const;

 private:
  enum class Mode : uint8_t { kNone, kAll, kPrefix, kSubset };
  Mode mode_;
  size_t prefix_ = 0;
};

class SimFileImage {
 public:
  const std::string& cached() const { return cached_; }

  // `sequence` rises with every change of the whole file system.
  void write(uint64_t sequence, uint64_t offset, Bytes bytes);
  void truncate(uint64_t sequence, uint64_t size);
  // Covers the changes up to `through`, but for those that a failed sync left in doubt.
  void sync(uint64_t through);
  void sync_failed(uint64_t through);

  // Synced and cached become what the disk kept. Returns a line for the trace, empty if nothing was
  // at stake.
  std::string crash(SimRandom& random);

  std::string synced() const;
  size_t unsynced_changes() const;

 private:
  struct Change {
    uint64_t sequence = 0;
    bool is_write = true;  // else a truncation to `offset`
    uint64_t offset = 0;
    std::string bytes;
    bool durable = false;   // synced, but waits behind one in doubt to be folded into the image
    bool in_doubt = false;  // a sync that should have covered it failed
  };

  static void apply(std::string& image, const Change& change);
  static void apply_torn(std::string& image, const Change& change, SimRandom& random);
  void fold();

  std::string cached_;
  std::string synced_;
  std::vector<Change> changes_;  // in order; applied to synced_ they give cached_
};

}  // namespace strata
