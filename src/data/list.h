// Lists on a Value: one packed node while small ("listpack"), a sequence of nodes when long ("quicklist").
//
//   kListpack    Value ── Blob: packed node
//   kQuicklist   Value ── Nodes ─┬─ Blob: packed node, up to list-max-listpack-size
//                                ├─ Blob: one large element's bytes ("plain")
//                                └─ …
//
// Used by the list commands, the RDB reader and writer, and replies that stream; inside the shard only.
//
//   1. Elements, iterators and cursors are valid until the list changes. Bytes that must live longer: pin
//      Element::blob, which is set from kPinThresholdBytes on. Changes copy a pinned node before writing.
//   2. An operation that reports out of memory has not changed what the list holds.
//   3. Elements and needles given to a change must not lie inside the list itself.
//   4. Blocks may belong to another heap than the one passed (a list that moved between shards): new ones
//      come from the one passed, old ones go back to their own.
//   5. The encoding follows Redis 7.2: a list becomes "quicklist" when it outgrows one node, and "listpack"
//      again when removals leave it half of that. An empty list is valid; its keyspace deletes the key.
//
// Both ends cost O(1), an index O(pages) (list_nodes.h), a change the bytes of one node. Operations that may
// touch a whole huge list take a budget and go on where they stopped.

#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "base/function_ref.h"
#include "data/context.h"
#include "data/list_nodes.h"
#include "data/packed.h"
#include "data/value.h"

namespace strata::list {

// In a long list, a larger element gets a blob of its own, whatever the node limit is: changing its
// neighbours then never moves it.
inline constexpr size_t kLargeElementBytes = 8192;

// The option list-max-listpack-size.
struct Limits {
  int32_t listpack_size = -2;  // -1…-5: 4…64 KiB per node; 0 or more: elements per node, and 8 KiB

  uint64_t node_bytes() const {
    constexpr uint64_t kBytesOfCounted = 8192;
    if (listpack_size >= 0) return kBytesOfCounted;
    return uint64_t{4096} << (std::clamp(-listpack_size, 1, 5) - 1);
  }
  uint64_t node_elements() const {
    return listpack_size < 0 ? UINT32_MAX : static_cast<uint64_t>(std::max(listpack_size, 1));
  }
  bool allow(uint64_t bytes, uint64_t elements) const {
    return bytes <= node_bytes() && elements <= node_elements();
  }
  // Nodes merge, and lists become "listpack" again, only well below the limit, so that the next push does not
  // undo it.
  bool allow_joined(uint64_t bytes, uint64_t elements) const {
    return bytes <= node_bytes() / 2 && elements <= node_elements() / 2;
  }
};

enum class End : uint8_t { kFront, kBack };
enum class Change : uint8_t { kDone, kNotFound, kOutOfMemory };

struct Range {
  uint64_t first = 0;
  uint64_t count = 0;
};
// Redis's inclusive start and stop, negative from the end, clipped to the list.
Range resolve_range(int64_t start, int64_t stop, uint64_t length);

// ---- Life ------------------------------------------------------------------------------------------

[[nodiscard]] bool create(Heap& heap, Value* out);  // an empty list
void destroy(Value& value, Heap& heap);
// Frees at most `budget` nodes; true when nothing is left and `value` is no list any more.
[[nodiscard]] bool destroy_some(Value& value, Heap& heap, size_t budget);

uint64_t length(const Value& value);
size_t memory_bytes(const Value& value);  // usable bytes of every block; O(nodes)

// ---- Changing --------------------------------------------------------------------------------------

// In the order given: pushing a, b, c to the front gives c, b, a.
[[nodiscard]] bool push(Value& value, Heap& heap, Limits limits, End end, std::span<const Bytes> elements);
[[nodiscard]] bool push(Value& value, Heap& heap, Limits limits, End end, const Element& element);
// Shows up to `count` elements, from the end inwards, then removes them.
[[nodiscard]] bool pop(Value& value, Heap& heap, Limits limits, End end, uint64_t count,
                       FunctionRef<void(const Element&)> visit);
// Negative indexes count from the back.
[[nodiscard]] Change set(Value& value, Heap& heap, Limits limits, int64_t index, const Element& element);
enum class Side : uint8_t { kBefore, kAfter };
[[nodiscard]] Change insert(Value& value, Heap& heap, Limits limits, Side side, const packed::Needle& pivot,
                            const Element& element);
// In front of the element with this index; at the back when it is the length.
[[nodiscard]] bool insert_at(Value& value, Heap& heap, Limits limits, uint64_t index, const Element& element);
[[nodiscard]] bool erase_range(Value& value, Heap& heap, Limits limits, Range range);
// Copies pinned nodes of which erase_range() would remove a part: until somebody pins a node, it cannot fail.
[[nodiscard]] bool prepare_erase(Value& value, Heap& heap, Range range);
// Keeps the range and removes the rest.
[[nodiscard]] bool trim(Value& value, Heap& heap, Limits limits, Range keep);

// LREM, resumable: removes the first `count` matches, seen from the front, or from the back when `count` is
// negative; all when it is 0.
struct Removal {
  explicit Removal(int64_t count)
      : from_back(count < 0),
        left(count == 0  ? UINT64_MAX
             : from_back ? 0 - static_cast<uint64_t>(count)
                         : static_cast<uint64_t>(count)) {}

  bool from_back;
  bool done = false;
  uint64_t left;
  uint64_t removed = 0;
  uint64_t passed = 0;  // elements seen and left in the list
};
// Looks through whole nodes until `element_budget` elements were seen or all is done. On `false`, out of
// memory, the list is as after a removal of exactly `removed` elements, and the call may be repeated.
[[nodiscard]] bool remove_some(Value& value, Heap& heap, Limits limits, const packed::Needle& needle,
                               Removal& removal, uint64_t element_budget);

// ---- Whole nodes: RDB files, snapshots, copies -----------------------------------------------------------

// Appends a node and owns it from then on (not when out of memory). A packed one must be validated and not
// empty.
[[nodiscard]] bool append_node(Value& value, Heap& heap, Blob* blob, bool is_plain);
// After the last append_node(): "listpack" if it is one node within the limits.
void settle_encoding(Value& value, Heap& heap, Limits limits);

class NodeCursor {
 public:
  explicit NodeCursor(const Value& value);
  bool done() const { return left_ == 0; }
  const Node& node() const { return node_; }
  uint64_t nodes_left() const { return left_; }
  void next();

 private:
  const Nodes* nodes_;
  Node node_{};
  Place place_{};
  uint64_t left_;
};

// A copy with blocks of `heap`, made in slices: `out` starts empty (create()) and `from` does not change
// meanwhile. Copies at most `budget` nodes. On `false`, out of memory, `out` is a shorter list, to be
// destroyed.
[[nodiscard]] bool copy_some(NodeCursor& from, Heap& heap, Value& out, size_t budget);
[[nodiscard]] bool copy(const Value& from, Heap& heap, Limits limits, Value* out);

// ---- Reading ---------------------------------------------------------------------------------------

// The node with the element at `index`, which must be below length().
struct Spot {
  Node node;
  Place place;      // kQuicklist only
  uint32_t offset;  // elements of the node in front
};
Spot locate(const Value& value, uint64_t index);

inline Element plain_element(const Node& node) {
  Bytes bytes = node.blob->view();
  return Element::of(bytes, bytes.size() >= kPinThresholdBytes ? node.blob : nullptr);
}

// Walks in either direction and may stop and go on while the list does not change.
class Iterator {
 public:
  // done() at once when `index` is not below the length.
  Iterator(const Value& value, uint64_t index);

  bool done() const { return done_; }
  uint64_t index() const { return index_; }
  Element element() const {
    if (node_.is_plain) return plain_element(node_);
    Element element = packed::decode(at_).element;
    if (element.bytes.size() >= kPinThresholdBytes) [[unlikely]]
      element.blob = node_.blob;
    return element;
  }
  void next() {
    index_++;
    if (++offset_ == node_.elements) {
      enter_next_node();
    } else {
      at_ += packed::decode(at_).bytes;
    }
  }
  void previous();

 private:
  void enter(uint32_t offset);
  void enter_next_node();

  const Nodes* nodes_;  // null for a single packed node
  uint64_t index_;
  bool done_;
  Node node_{};
  Place place_{};
  uint32_t offset_ = 0;       // index in the node
  const char* at_ = nullptr;  // in a packed node
};

// False when out of range. Negative indexes count from the back.
bool index(const Value& value, int64_t index, Element* out);

// Shows `elements` of the node's elements from `offset` on.
template <typename Visit>
void for_each_in(const Node& node, uint32_t offset, uint64_t elements, Visit& visit) {
  if (node.is_plain) {
    visit(plain_element(node));
    return;
  }
  Bytes view = node.blob->view();
  const char* at = view.data() + packed::seek(view, offset);
  for (; elements > 0; elements--) {
    packed::Decoded now = packed::decode(at);
    if (now.element.bytes.size() >= kPinThresholdBytes) [[unlikely]]
      now.element.blob = node.blob;
    visit(now.element);
    at += now.bytes;
  }
}

// The outermost `count` elements, of so many.
inline Range range_at(End end, uint64_t count, uint64_t length) {
  return {end == End::kFront ? 0 : length - count, count};
}
// Shows `count` elements as pop() would after `skip` others, from the end inwards: without pins on packed
// nodes, which a removal will write to.
void peek(const Value& value, End end, uint64_t skip, uint64_t count,
          FunctionRef<void(const Element&)> visit);

// Shows the elements of the range, which must lie inside the list: resolve_range().
template <typename Visit>
void for_each(const Value& value, Range range, Visit&& visit) {
  if (range.count == 0) return;
  Spot spot = locate(value, range.first);
  for (uint64_t left = range.count;;) {
    uint64_t here = std::min<uint64_t>(left, spot.node.elements - spot.offset);
    for_each_in(spot.node, spot.offset, here, visit);
    left -= here;
    if (left == 0) return;
    const Nodes* nodes = static_cast<const Nodes*>(value.pointer);
    spot.place = nodes->next(spot.place);
    spot.node = nodes->at(spot.place);
    spot.offset = 0;
  }
}

// LPOS, resumable. Passes whole nodes until `element_budget` elements were seen or all is done; the list must
// not change in between.
struct Search {
  // A negative rank starts at the back with its -rank-th match. At most `elements_max` elements are compared;
  // 0: no bound.
  Search(int64_t rank, uint64_t elements_max)
      : is_backward(rank < 0),
        to_skip((rank < 0 ? 0 - static_cast<uint64_t>(rank) : static_cast<uint64_t>(rank)) - 1),
        left(elements_max == 0 ? UINT64_MAX : elements_max) {}

  bool is_backward;
  bool done = false;
  uint64_t to_skip;  // matches in front of the first wanted one
  uint64_t left;     // elements that may still be compared
  uint64_t passed = 0;
};
void search_some(const Value& value, const packed::Needle& needle, Search& search, uint64_t element_budget,
                 FunctionRef<bool(uint64_t index)> visit);
// LPOS at once. A negative rank starts at the back with its -rank-th match; indexes count from the front
// either way. `visit` returns false to stop. At most `elements_max` elements are compared; 0: no bound.
void find_positions(const Value& value, const packed::Needle& needle, int64_t rank, uint64_t elements_max,
                    FunctionRef<bool(uint64_t index)> visit);

}  // namespace strata::list
