// Byte views. Text, keys, values and file contents are all just bytes; none is zero-terminated.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace strata {

using Bytes = std::string_view;        // read only, owned by somebody else
using MutableBytes = std::span<char>;  // writable, owned by somebody else

}  // namespace strata
