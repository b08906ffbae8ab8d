#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "commands/lists.h"
#include "text/numbers.h"

namespace strata {
namespace {

// All are shown before any goes: nodes are dropped fast, and what may fail of it, copying a node of which a
// part stays while a slow client still reads it, was done before the first reply.
class PopInSlices final : public SlicedWork {
 public:
  PopInSlices(size_t key_at, list::End end, uint64_t count, std::function<void(Context&, uint64_t)> head)
      : key_at_(key_at), end_(end), count_(count), head_(std::move(head)) {}

  bool step(Context& context) override {
    const Key key = context.key(key_at_);
    Entry* entry = context.database(key).find(key);
    Value value = entry->value();
    if (shown_ == 0) head_(context, count_);
    const uint64_t some = std::min<uint64_t>(kSliceElements, count_ - shown_);
    list::peek(value, end_, shown_, some,
               [&](const Element& element) { reply_many(context, context.reply(), element); });
    shown_ += some;
    if (shown_ < count_) return false;
    char digits[kI64TextBytes];
    context.effect(
        {end_ == list::End::kFront ? "LPOP" : "RPOP", key.name, Bytes(digits, print_u64(count_, digits))});
    const uint64_t length = list::length(value);
    if (count_ == length) {
      context.erase(key);
      return true;
    }
    const bool is_erased = list::erase_range(value, heap_of(context, key), list_limits(context),
                                             list::range_at(end_, count_, length));
    STRATA_ASSERT(is_erased, "it was prepared, and nobody pins a node of a latched list");
    entry->set_value(value);
    context.changed(key, count_);
    return true;
  }

 private:
  const size_t key_at_;
  const list::End end_;
  const uint64_t count_;
  const std::function<void(Context&, uint64_t)> head_;
  uint64_t shown_ = 0;
};

}  // namespace

bool pop_in_slices(Context& context, size_t key_at, Entry* entry, list::End end, uint64_t count,
                   std::function<void(Context&, uint64_t)> head) {
  Value value = entry->value();
  if (value.encoding != Encoding::kQuicklist || !wants_slices(context, count)) return false;
  const bool is_ready = list::prepare_erase(value, heap_of(context, context.key(key_at)),
                                            list::range_at(end, count, list::length(value)));
  entry->set_value(value);
  if (!check_memory(context, is_ready)) return true;
  context.slice(std::make_unique<PopInSlices>(key_at, end, count, std::move(head)),
                {{.arg = key_at, .is_exclusive = true}});
  return true;
}

}  // namespace strata
