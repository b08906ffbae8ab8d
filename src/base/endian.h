// Integers in memory with a stated byte order, at any alignment.
//
// Everything that Strata writes to disk or to a socket goes through these, so a file does not depend
// on the machine that wrote it. On x86-64 and ARM64 each call is one load or store (and a byte swap
// for big endian).

#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace strata {

namespace endian_detail {

inline uint16_t byte_swap(uint16_t value) { return __builtin_bswap16(value); }
inline uint32_t byte_swap(uint32_t value) { return __builtin_bswap32(value); }
inline uint64_t byte_swap(uint64_t value) { return __builtin_bswap64(value); }

template <typename T, std::endian order>
T load(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  if constexpr (order != std::endian::native) value = byte_swap(value);
  return value;
}

template <typename T, std::endian order>
void store(void* to, T value) {
  if constexpr (order != std::endian::native) value = byte_swap(value);
  std::memcpy(to, &value, sizeof value);
}

}  // namespace endian_detail

inline uint16_t load_le16(const void* from) {
  return endian_detail::load<uint16_t, std::endian::little>(from);
}
inline uint32_t load_le32(const void* from) {
  return endian_detail::load<uint32_t, std::endian::little>(from);
}
inline uint64_t load_le64(const void* from) {
  return endian_detail::load<uint64_t, std::endian::little>(from);
}
inline uint16_t load_be16(const void* from) { return endian_detail::load<uint16_t, std::endian::big>(from); }
inline uint32_t load_be32(const void* from) { return endian_detail::load<uint32_t, std::endian::big>(from); }
inline uint64_t load_be64(const void* from) { return endian_detail::load<uint64_t, std::endian::big>(from); }

inline void store_le16(void* to, uint16_t value) {
  endian_detail::store<uint16_t, std::endian::little>(to, value);
}
inline void store_le32(void* to, uint32_t value) {
  endian_detail::store<uint32_t, std::endian::little>(to, value);
}
inline void store_le64(void* to, uint64_t value) {
  endian_detail::store<uint64_t, std::endian::little>(to, value);
}
inline void store_be16(void* to, uint16_t value) {
  endian_detail::store<uint16_t, std::endian::big>(to, value);
}
inline void store_be32(void* to, uint32_t value) {
  endian_detail::store<uint32_t, std::endian::big>(to, value);
}
inline void store_be64(void* to, uint64_t value) {
  endian_detail::store<uint64_t, std::endian::big>(to, value);
}

}  // namespace strata
