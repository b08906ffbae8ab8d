// The sparse form: reading its runs, and raising one register in it. The result is what Redis makes of the
// same bytes, run by run, because the strings are exchanged.

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "data/hyperloglog.h"

namespace strata::hyperloglog {
namespace {

constexpr uint8_t kValueMax = 32;
constexpr uint32_t kValueLengthMax = 4;
constexpr uint32_t kZeroLengthMax = 64;

std::unexpected<Error> corrupt() { return fail(Errc::kCorruption, "corrupt HyperLogLog"); }

// One run as it lies in the bytes.
struct Opcode {
  Run run;
  uint8_t value;    // of a kValue run, else 0
  uint32_t length;  // registers
  uint32_t bytes;   // 1 or 2
};

// False: the second byte is missing.
bool read(Bytes sketch, size_t at, Opcode& opcode) {
  const auto byte = static_cast<unsigned char>(sketch[at]);
  if (byte & 0x80) {
    opcode = {Run::kValue, static_cast<uint8_t>((byte >> 2 & 31) + 1), (byte & 3U) + 1, 1};
    return true;
  }
  if (!(byte & 0x40)) {
    opcode = {Run::kZero, 0, (byte & 63U) + 1, 1};
    return true;
  }
  if (at + 1 == sketch.size()) return false;
  const auto low = static_cast<unsigned char>(sketch[at + 1]);
  opcode = {Run::kXzero, 0, ((byte & 63U) << 8 | low) + 1, 2};
  return true;
}

char value_byte(uint8_t value, uint32_t length) {
  return static_cast<char>(0x80 | (value - 1) << 2 | static_cast<int>(length - 1));
}

// At most two bytes a run, three runs.
struct Runs {
  char bytes[6];
  size_t size = 0;

  void zeros(uint32_t length) {
    if (length == 0) return;
    const uint32_t coded = length - 1;
    if (length > kZeroLengthMax) bytes[size++] = static_cast<char>(0x40 | coded >> 8);
    bytes[size++] = static_cast<char>(coded);
  }
  void values(uint8_t value, uint32_t length) {
    if (length > 0) bytes[size++] = value_byte(value, length);
  }
};

// Where the run with a register lies.
struct Found {
  size_t at;
  size_t before;  // the run before it; `at` itself when it is the first
  uint32_t first;
  Opcode opcode;
};

bool find(Bytes sketch, uint32_t index, Found& found) {
  found = {kHeaderBytes, kHeaderBytes, 0, {}};
  while (found.at < sketch.size()) {
    if (!read(sketch, found.at, found.opcode)) return false;
    if (index < found.first + found.opcode.length) return true;
    found.before = found.at;
    found.at += found.opcode.bytes;
    found.first += found.opcode.length;
  }
  return false;
}

// Joins neighbours of the same value, from the run before the change on. As far as Redis looks: five runs.
void join_values(std::string& sketch, size_t at) {
  Opcode opcode;
  for (int looks = 5; looks > 0 && at < sketch.size() && read(sketch, at, opcode); --looks) {
    Opcode next;
    const size_t next_at = at + opcode.bytes;
    const bool joins = opcode.run == Run::kValue && next_at < sketch.size() && read(sketch, next_at, next) &&
                       next.run == Run::kValue && next.value == opcode.value &&
                       next.length + opcode.length <= kValueLengthMax;
    if (joins) {
      sketch[next_at] = value_byte(opcode.value, opcode.length + next.length);
      sketch.erase(at, 1);
    } else {
      at = next_at;
    }
  }
}

// What stands where the run was: it is cut in two around the register.
Runs split(const Found& found, Place place) {
  Runs runs;
  const uint32_t before = place.index - found.first;
  const uint32_t after = found.opcode.length - before - 1;
  const bool is_zero = found.opcode.run != Run::kValue;
  is_zero ? runs.zeros(before) : runs.values(found.opcode.value, before);
  runs.values(place.value, 1);
  is_zero ? runs.zeros(after) : runs.values(found.opcode.value, after);
  return runs;
}

Result<bool> promote(std::string& sketch, Place place) {
  TRY(make_dense(sketch));
  const bool is_raised = raise_dense(sketch.data(), place);
  STRATA_ASSERT(is_raised, "a register that was found lower");
  forget_count(sketch.data());
  return true;
}

}  // namespace

Status visit_runs(Bytes sketch, FunctionRef<void(Run, uint8_t value, uint32_t length)> visit) {
  uint32_t registers = 0;
  Opcode opcode;
  for (size_t at = kHeaderBytes; at < sketch.size(); at += opcode.bytes) {
    if (!read(sketch, at, opcode)) return corrupt();
    registers += opcode.length;
    if (registers > kRegisters) return corrupt();
    visit(opcode.run, opcode.value, opcode.length);
  }
  return {};
}

Result<bool> raise(std::string& sketch, Place place, size_t sparse_bytes_max) {
  if (!is_sparse(sketch)) {
    const bool is_raised = raise_dense(sketch.data(), place);
    if (is_raised) forget_count(sketch.data());
    return is_raised;
  }
  if (sketch.size() > kSparseBytesMax) return corrupt();
  Found found;
  if (place.value <= kValueMax && !find(sketch, place.index, found)) return corrupt();
  if (place.value > kValueMax) return promote(sketch, place);
  if (found.opcode.value >= place.value) return false;
  const Runs runs = split(found, place);
  if (runs.size > found.opcode.bytes && sketch.size() + runs.size - found.opcode.bytes > sparse_bytes_max) {
    return promote(sketch, place);
  }
  sketch.replace(found.at, found.opcode.bytes, runs.bytes, runs.size);
  join_values(sketch, found.before);
  forget_count(sketch.data());
  return true;
}

}  // namespace strata::hyperloglog
