// DEBUG DIGEST: a signature of the data that does not depend on the order in which keys, members and fields
// are stored. It is that of redis-server, found by comparing signatures of small data sets, so that the two
// can be compared.
//
// With H = SHA-1, digests of 20 bytes that begin as zeros, and two ways to take in bytes b:
//   add(d, b): d ^= H(b)            mix(d, b): d = H(d ^ H(b))
// a key's digest mixes its name (DIGEST-VALUE: not), its type as four bytes, big endian, and its value:
//   string: mixes it · list: mixes every element · set: adds every member
//   hash, sorted set: adds, for each pair, a digest that mixes field and value, or member and score
// and, with a deadline, adds "!!expire!!". The whole mixes the number of every database that is not empty,
// four bytes, big endian, before it adds the digests of its keys.

#pragma once

#include <array>
#include <string>

#include "base/bytes.h"

namespace strata {

class Keyspace;
struct Entry;

class Digest {
 public:
  void add(Bytes bytes);
  void mix(Bytes bytes);
  void add(const Digest& other) { add(other.bytes()); }
  // Name apart.
  void take(const Entry& entry);
  std::string hex() const;
  Bytes bytes() const { return {reinterpret_cast<const char*>(value_.data()), value_.size()}; }

 private:
  std::array<unsigned char, 20> value_{};
};

// All shards are held.
Digest digest_of(Keyspace& keyspace);

}  // namespace strata
