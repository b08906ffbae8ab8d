// Handlers of list commands that do not stand beside their table (lists.cc).

#pragma once

#include <optional>

#include "commands/context.h"

namespace strata {

inline const list::Limits& list_limits(const Context& context) { return context.options().list; }
inline Heap& heap_of(Context& context, const Key& key) { return context.data(key).heap; }
// LEFT or RIGHT.
std::optional<list::End> parse_end(const Context& context, size_t i);

// lists_move.cc: several lists in one command.
void lmove(Context& context);
void rpoplpush(Context& context);
void lmpop(Context& context);

}  // namespace strata
