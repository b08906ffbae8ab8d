#include "persistence/rdb_lzf.h"

#include <liblzf/lzf.h>

#include <bit>
#include <limits>
#include <new>

namespace strata {
namespace {

constexpr size_t kSaves = 4;  // bytes at least

}  // namespace

Bytes RdbLzf::pack(Bytes string) {
  if (string.size() <= kSaves || string.size() > std::numeric_limits<unsigned>::max()) return {};
  const size_t limit = string.size() - kSaves;
  if (capacity_ < limit) {
    capacity_ = 0;
    packed_.reset();  // before taking more
    packed_.reset(new (std::nothrow) char[std::bit_ceil(limit)]);
    if (!packed_) return {};
    capacity_ = std::bit_ceil(limit);
  }
  const unsigned size = lzf_compress(string.data(), static_cast<unsigned>(string.size()), packed_.get(),
                                     static_cast<unsigned>(limit));
  return {packed_.get(), size};
}

}  // namespace strata
