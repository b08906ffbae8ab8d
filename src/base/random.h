// Small fast pseudo-random numbers, the same for the same seed on every machine. Not for secrets.
//
// One generator belongs to one thread (a shard, a test). xoshiro256++ by Blackman and Vigna, its state
// filled by splitmix64 so that seeds 0, 1, 2… give unrelated streams.

#pragma once

#include <bit>
#include <cstdint>

namespace strata {

// One step of splitmix64: advances `state` and returns a well-mixed number.
inline uint64_t splitmix64(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

class Random {
 public:
  explicit Random(uint64_t seed) {
    for (uint64_t& word : state_) word = splitmix64(seed);
  }

  uint64_t next() {
    const uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  // In [0, n), without bias; 0 when n is 0. Lemire (2019): one multiplication, almost never a division.
  uint64_t below(uint64_t n) {
    Product product = static_cast<Product>(next()) * n;
    if (static_cast<uint64_t>(product) < n) [[unlikely]] {
      const uint64_t threshold = n == 0 ? 0 : (0 - n) % n;
      while (static_cast<uint64_t>(product) < threshold) product = static_cast<Product>(next()) * n;
    }
    return static_cast<uint64_t>(product >> 64);
  }

  // In [0, 1), 53 random bits.
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

  // True with probability 1/n.
  bool one_in(uint64_t n) { return below(n) == 0; }

 private:
  __extension__ using Product = unsigned __int128;

  uint64_t state_[4];
};

// Chooses `count` of `total` things that pass by one after the other, each with the same probability
// (Knuth's algorithm S).
class PassingSample {
 public:
  PassingSample(Random& random, uint64_t total, uint64_t count)
      : random_(random), left_(total), wanted_(count) {}
  bool take() { return random_.below(left_--) < wanted_ && wanted_-- > 0; }

 private:
  Random& random_;
  uint64_t left_;
  uint64_t wanted_;
};

}  // namespace strata
