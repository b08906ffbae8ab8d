// Handlers of list commands that do not stand beside their table (lists.cc).

#pragma once

#include <algorithm>
#include <functional>
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

// lists_move_several.cc
void lmovem(Context& context);

// lists_blocking.cc: the same, waiting for an element.
void blpop(Context& context);
void brpop(Context& context);
void blmove(Context& context);
void blmovem(Context& context);
void brpoplpush(Context& context);
void blmpop(Context& context);

// LMOVE, for lists_blocking.cc: the source may be missing (null is replied).
void move_element(Context& context, list::End from, list::End to);
// LMOVEM and BLMOVEM: without the options it is one element.
struct MoveOfSeveral {
  list::End from;
  list::End to;
  uint64_t count = 1;
  bool is_exact = false;       // so many or none
  bool is_one_by_one = false;  // OBO

  // BLMOVEM waits until the source has so many.
  uint64_t needed() const { return is_exact ? std::max<uint64_t>(count, 1) : 1; }
};
// [<COUNT | EXACTLY> count <OBO | BULK>], the last arguments.
bool parse_move_of_several(Context& context, size_t options_at, MoveOfSeveral& parsed);
// The source may be missing, or too short: a null array is replied.
void move_several(Context& context, const MoveOfSeveral& arguments);
// Pops from the list and replies as LMPOP does; for lists_blocking.cc. The key is args[key_at].
void pop_several(Context& context, size_t key_at, Entry* entry, const PopOfSeveral& arguments);

// lists_pop.cc: many elements off a long list. `head` replies what comes before them. False: that does not
// take slices.
bool pop_in_slices(Context& context, size_t key_at, Entry* entry, list::End end, uint64_t count,
                   std::function<void(Context&, uint64_t count)> head);

}  // namespace strata
