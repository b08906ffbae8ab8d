// What the commands on lists, hashes, sets and sorted sets do alike.
//
// A command that changes a collection works on a copy of the entry's Value and writes it back, changed or
// not:
//
//   Result<Value> value = entry ? entry->value() : set_create(…);
//   …
//   if (!store(context, key, entry, *value)) return;   // a new one gets its key here
//   context.changed(key);
//
// Memory may end in the middle of a command with many elements. What is done then stays done in a value that
// was there before, and the log gets as much of the command as was done; a new value is dropped.

#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "commands/context.h"

namespace strata {

// To the entry, and what it says of deadlines of fields to the database.
void write_back(Context& context, const Key& key, Entry* entry, const Value& value);
// Writes back to the entry, or puts the new value under the key when there is no entry. False: OOM was
// replied, and the new value is gone.
bool store(Context& context, const Key& key, Entry* entry, const Value& value);

// After removals: writes back, deletes the key when the collection is empty, counts the changes.
void store_rest(Context& context, const Key& key, Entry* entry, const Value& value, bool is_empty,
                uint64_t changes);

// Ends a command that could do only a part: args[0…args_done) say which, `changes` how much it was. Replies
// the error.
void store_part(Context& context, const Key& key, Entry* entry, const Value& value, const Error& error,
                size_t args_done, uint64_t changes);

void reply_no_memory(Context& context);

// Replies OOM unless `done`, for functions of `data` that say no more.
inline bool check_memory(Context& context, bool done) {
  if (!done) reply_no_memory(context);
  return done;
}

// ---- Arguments -------------------------------------------------------------------------------------

// 0 or more; Redis has one text for everything else.
bool parse_count(Context& context, size_t i, uint64_t& count);
// How many random elements: all different, or, when negative on the wire, each drawn from all.
struct RandomCount {
  uint64_t count;
  bool is_repeated;
};
bool parse_random_count(Context& context, size_t i, RandomCount& wanted);
// A reply of repetitions knows no other bound than this one. Redis writes until its memory ends.
inline constexpr uint64_t kRandomRepetitionsMax = uint64_t{1} << 24;
bool check_repetitions(Context& context, const RandomCount& wanted);
// With two replies for each element the count may be half as large.
bool check_random_pairs(Context& context, const RandomCount& wanted);

// For what the arity of the syntax cannot say.
void reply_wrong_arity(Context& context);

// LMPOP, ZMPOP and their blocking forms: numkeys key [key …] <front | back> [COUNT count].
struct PopOfSeveral {
  size_t keys_end = 0;  // the argument behind the last key
  bool from_back = false;
  uint64_t count = 1;
};
// `first` is where numkeys stands; `front` and `back` are the words for the ends.
bool parse_pop_of_several(Context& context, size_t first, Bytes front, Bytes back, PopOfSeveral& parsed);

// HSCAN, SSCAN, ZSCAN: key cursor [MATCH pattern] [COUNT count], and NOVALUES for hashes.
struct ScanArguments {
  uint64_t cursor = 0;
  size_t count = 10;
  Bytes pattern;
  bool matches_all = true;
  bool without_values = false;  // HSCAN's NOVALUES

  bool matches(const Element& element) const;
};
// A number as strtoul reads it, which is what Redis accepts: nothing is 0, and a sign may stand before the
// digits.
bool parse_scan_cursor(Bytes text, uint64_t& cursor);
// Finds the collection, null if there is none. False: an error was replied, or the empty answer for a missing
// key, whose options Redis does not look at.
bool begin_scan(Context& context, Type type, ScanArguments& arguments, Entry*& entry);
// Replies the cursor; the array of elements follows.
void reply_scan_cursor(Context& context, uint64_t cursor);

// ---- Replies ---------------------------------------------------------------------------------------

// Context::reply_element(), inlined for those who reply thousands.
inline void reply_many(Context&, Reply& reply, const Element& element) {
  if (!element.is_integer && element.blob == nullptr) [[likely]]
    reply.bulk(element.bytes);
  else
    Context::reply_element(reply, element);
}

// ---- Slices ----------------------------------------------------------------------------------------

template <typename Step>
class SlicedStep final : public SlicedWork {
 public:
  explicit SlicedStep(Step step) : step_(std::move(step)) {}
  bool step(Context& context) override { return step_(context); }

 private:
  Step step_;
};

// Hands the command over as slices: step(context), which returns true when all is done, is called inside the
// shard until then, while the key, args[1], is latched.
template <typename Step>
void in_slices(Context& context, bool is_exclusive, Step step) {
  context.slice(std::make_unique<SlicedStep<Step>>(std::move(step)),
                {{.arg = 1, .is_exclusive = is_exclusive}});
}
// The latched entry: there, even when its time has come meanwhile.
inline Entry* latched_entry(Context& context) {
  Key key = context.key(1);
  return context.database(key).find(key);
}
inline bool wants_slices(Context& context, uint64_t element_count) {
  return element_count > kSliceElements && context.may_slice();
}

}  // namespace strata
