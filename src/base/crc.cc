#include "base/crc.h"

#include "base/crc_kernels.h"

namespace strata {

namespace {

using namespace crc_detail;

constexpr SlicingTables<uint32_t> kCrc32cTables = make_tables(kCrc32cPolynomial);
constexpr SlicingTables<uint32_t> kCrc32Tables = make_tables(kCrc32Polynomial);
constexpr SlicingTables<uint64_t> kCrc64Tables = make_tables(kCrc64Polynomial);

#if STRATA_X86_64
constexpr FoldConstants kCrc32cFold = make_fold_constants(kCrc32cPolynomial);
constexpr FoldConstants kCrc32Fold = make_fold_constants(kCrc32Polynomial);
constexpr FoldConstants kCrc64Fold = make_fold_constants(kCrc64Polynomial);

// Below these, what comes after the folding costs more than it saves (base_bench, BM_Crc*).
constexpr size_t kFoldBytesWorth = kFoldBytesMin;
constexpr size_t kFoldBytesWorthCrc32c = 512;
static_assert(kFoldBytesWorth >= kFoldBytesMin && kFoldBytesWorthCrc32c >= kFoldBytesMin);

// Read once. A checksum asked for before this line has run uses the tables, with the same result.
const bool kHasFold = cpu_has_fold();
const bool kHasCrc32c = cpu_has_crc32c();

template <typename Word>
Word update(Word state, Bytes bytes, const SlicingTables<Word>& tables, const FoldConstants& fold) {
  if (bytes.size() >= kFoldBytesWorth && kHasFold) {
    char remainder[16];
    bytes.remove_prefix(fold_pclmul(state, bytes.data(), bytes.size(), fold, remainder));
    state = update_scalar<Word>(0, remainder, sizeof remainder, tables);
  }
  return update_scalar<Word>(state, bytes.data(), bytes.size(), tables);
}

uint32_t update_crc32c(uint32_t state, Bytes bytes) {
  if (!kHasCrc32c) return update_scalar(state, bytes.data(), bytes.size(), kCrc32cTables);
  if (bytes.size() >= kFoldBytesWorthCrc32c && kHasFold) {
    char remainder[16];
    bytes.remove_prefix(fold_pclmul(state, bytes.data(), bytes.size(), kCrc32cFold, remainder));
    state = update_crc32c_sse42(0, remainder, sizeof remainder);
  }
  return update_crc32c_sse42(state, bytes.data(), bytes.size());
}

uint32_t update_crc32(uint32_t state, Bytes bytes) { return update(state, bytes, kCrc32Tables, kCrc32Fold); }
uint64_t update_crc64(uint64_t state, Bytes bytes) { return update(state, bytes, kCrc64Tables, kCrc64Fold); }
#else
uint32_t update_crc32c(uint32_t state, Bytes bytes) {
  return update_scalar(state, bytes.data(), bytes.size(), kCrc32cTables);
}
uint32_t update_crc32(uint32_t state, Bytes bytes) {
  return update_scalar(state, bytes.data(), bytes.size(), kCrc32Tables);
}
uint64_t update_crc64(uint64_t state, Bytes bytes) {
  return update_scalar(state, bytes.data(), bytes.size(), kCrc64Tables);
}
#endif

// XMODEM is not reflected: the highest bit comes first. Keys are short, so one table is enough.
constexpr std::array<uint16_t, 256> make_crc16_table() {
  constexpr uint16_t kPolynomial = 0x1021;
  std::array<uint16_t, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    auto value = static_cast<uint16_t>(byte << 8);
    for (int bit = 0; bit < 8; ++bit)
      value = static_cast<uint16_t>((value << 1) ^ ((value & 0x8000) != 0 ? kPolynomial : 0));
    table[byte] = value;
  }
  return table;
}
constexpr std::array<uint16_t, 256> kCrc16Table = make_crc16_table();

}  // namespace

namespace crc_detail {

#if STRATA_X86_64
bool cpu_has_fold() { return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1"); }
bool cpu_has_crc32c() { return __builtin_cpu_supports("sse4.2"); }
#else
bool cpu_has_fold() { return false; }
bool cpu_has_crc32c() { return false; }
#endif

}  // namespace crc_detail

uint32_t crc32c(uint32_t seed, Bytes bytes) { return ~update_crc32c(~seed, bytes); }
uint32_t crc32(uint32_t seed, Bytes bytes) { return ~update_crc32(~seed, bytes); }
uint64_t crc64(uint64_t seed, Bytes bytes) { return update_crc64(seed, bytes); }

uint16_t crc16(uint16_t seed, Bytes bytes) {
  uint16_t state = seed;
  for (const char byte : bytes)
    state =
        static_cast<uint16_t>((state << 8) ^ kCrc16Table[(state >> 8) ^ static_cast<unsigned char>(byte)]);
  return state;
}

}  // namespace strata
