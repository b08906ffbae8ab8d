// XLEN, XRANGE and XREVRANGE.

#include <memory>

#include "commands/collections.h"
#include "commands/streams.h"

namespace strata {
namespace {

using Order = StreamCursor::Order;

struct StreamRange {
  StreamId first, last;
  Order order;
  uint64_t count = UINT64_MAX;
};

// How many entries a range has is known when all are written.
class RangeReply final : public SlicedWork {
 public:
  explicit RangeReply(const StreamRange& range) : range_(range) {}
  bool step(Context& context) override {
    return run(context, stream_of(latched_entry(context)), kSliceElements);
  }

  bool run(Context& context, const StreamValue& stream, uint64_t budget) {
    if (!std::exchange(has_begun_, true)) array_ = context.reply().begin_array();
    StreamCursor cursor(stream, range_.first, range_.last, range_.order);
    for (; !cursor.done() && shown_ < range_.count; cursor.next()) {
      if (budget-- == 0) {
        (range_.order == Order::kUp ? range_.first : range_.last) = cursor.id();
        return false;
      }
      reply_entry(context, cursor);
      ++shown_;
    }
    context.reply().end_array(array_, shown_);
    return true;
  }

 private:
  StreamRange range_;  // what is still to be shown
  bool has_begun_ = false;
  Reply::Deferred array_;
  uint64_t shown_ = 0;
};

bool parse_options(Context& context, StreamRange& range) {
  for (size_t i = 4; i < context.argc(); i += 2) {
    if (!context.is_word(i, "COUNT") || i + 1 == context.argc()) return context.syntax_error(), false;
    int64_t count;
    if (!context.parse_integer(i + 1, count)) return false;
    range.count = count < 0 ? 0 : static_cast<uint64_t>(count);
  }
  return true;
}

void range_command(Context& context, Order order) {
  StreamRange range{.first = {}, .last = {}, .order = order};
  const bool is_down = order == Order::kDown;
  if (!parse_start(context, 2 + is_down, range.first) || !parse_end(context, 3 - is_down, range.last)) return;
  if (!parse_options(context, range)) return;
  StreamValue* stream;
  if (!find_stream(context, context.key(1), stream)) return;
  if (!stream) return context.reply().empty_array();
  if (range.count == 0) return context.reply().null_array();
  if (range.count > kSliceElements && wants_slices(context, stream->length()) &&
      holds_more(*stream, range.first, range.last, kSliceElements)) {
    return context.slice(std::make_unique<RangeReply>(range), {{.arg = 1, .is_exclusive = false}});
  }
  RangeReply(range).run(context, *stream, UINT64_MAX);
}

}  // namespace

void xlen(Context& context) {
  StreamValue* stream;
  if (!find_stream(context, context.key(1), stream)) return;
  context.reply().integer(stream ? static_cast<int64_t>(stream->length()) : 0);
}

void xrange(Context& context) { range_command(context, Order::kUp); }
void xrevrange(Context& context) { range_command(context, Order::kDown); }

}  // namespace strata
