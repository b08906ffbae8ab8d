// Handlers of list commands that do not stand beside their table (lists.cc).

#pragma once

#include <optional>

#include "commands/collections.h"

namespace strata {

inline const list::Limits& list_limits(const Context& context) { return context.options().list; }
inline Heap& heap_of(Context& context, const Key& key) { return context.data(key).heap; }
// LEFT or RIGHT.
std::optional<list::End> parse_end(const Context& context, size_t i);

// lists_move.cc: several lists in one command.
void lmove(Context& context);
void rpoplpush(Context& context);
void lmpop(Context& context);

// lists_blocking.cc: the same, waiting for an element.
void blpop(Context& context);
void brpop(Context& context);
void blmove(Context& context);
void brpoplpush(Context& context);
void blmpop(Context& context);

// LMOVE, for lists_blocking.cc: the source may be missing (null is replied).
void move_element(Context& context, list::End from, list::End to);
// Pops from the list and replies as LMPOP does.
void pop_several(Context& context, const Key& key, Entry* entry, const PopOfSeveral& arguments);

}  // namespace strata
