// Arbitrary bytes as a HyperLogLog string: refused, corrupt, or safe to read, raise, merge and make dense.

#include <cstdlib>

#include "base/random.h"
#include "data/hyperloglog.h"

using namespace strata;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string sketch(reinterpret_cast<const char*>(data), size);
  if (!hyperloglog::is_sketch(sketch)) return 0;
  hyperloglog::Union all;
  const bool is_whole = all.add(sketch).has_value();
  require(hyperloglog::count(sketch).has_value() == is_whole);
  Random random(size);
  for (int step = 0; step < 60; ++step) {
    const auto index = static_cast<uint32_t>(random.below(hyperloglog::kRegisters));
    const auto value = static_cast<uint8_t>(1 + random.below(step % 8 == 0 ? 51 : 4));
    const size_t bytes_max = random.one_in(20) ? 100 : 3000;
    Result<bool> raised = hyperloglog::raise(sketch, {index, value}, bytes_max);
    require(hyperloglog::is_sketch(sketch));
    if (is_whole) {
      require(raised.has_value());
      all.raise({index, value});
      require(hyperloglog::count(sketch).value() == all.count());
    }
  }
  if (is_whole) {
    require(hyperloglog::make_dense(sketch).has_value());
    for (uint32_t i = 0; i < hyperloglog::kRegisters; ++i) {
      require(hyperloglog::dense_register(sketch, i) == all.registers()[i]);
    }
  }
  return 0;
}
