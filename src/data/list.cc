// Life, both ends, and whole nodes. Changes in the middle are in list_edit.cc, reading in list_read.cc.

#include "data/list.h"

#include "base/assert.h"
#include "data/list_internal.h"

namespace strata::list {

bool create(Heap& heap, Value* out) {
  Blob* node = packed::create(heap);
  if (node == nullptr) return false;
  *out = {Type::kList, Encoding::kListpack, node};
  return true;
}

void destroy(Value& value, Heap& heap) {
  bool done = destroy_some(value, heap, SIZE_MAX);
  STRATA_ASSERT(done);
}

bool destroy_some(Value& value, Heap& heap, size_t budget) {
  if (is_single(value)) {
    Blob::destroy(heap, single_node(value));
  } else {
    Nodes& nodes = nodes_of(value);
    for (; nodes.count() > 0; budget--) {
      if (budget == 0) return false;
      drop_node(nodes, heap, nodes.last());
    }
    Nodes::destroy(heap, &nodes);
  }
  value.pointer = nullptr;
  return true;
}

uint64_t length(const Value& value) {
  return is_single(value) ? packed::count(single_node(value)->view()) : nodes_of(value).elements();
}

size_t memory_bytes(const Value& value) {
  size_t bytes = is_single(value) ? 0 : nodes_of(value).memory_bytes();
  if (is_single(value)) return Heap::usable_size(single_node(value));
  for (NodeCursor cursor(value); !cursor.done(); cursor.next())
    bytes += Heap::usable_size(cursor.node().blob);
  return bytes;
}

// ---- Both ends -------------------------------------------------------------------------------------

namespace {

// The encoding is already the one that the list will have.
bool push_one(Value& value, Heap& heap, Limits limits, End end, const Element& element) {
  if (!is_single(value)) {
    Nodes& nodes = nodes_of(value);
    return insert_between(nodes, heap, limits, end == End::kBack ? nodes.end() : nodes.first(), element);
  }
  Blob* node = single_node(value);
  bool pushed =
      end == End::kBack ? packed::append(heap, node, element) : packed::prepend(heap, node, element);
  value.pointer = node;
  return pushed;
}

}  // namespace

bool push(Value& value, Heap& heap, Limits limits, End end, std::span<const Bytes> elements) {
  uint64_t bytes = 0;
  for (Bytes element : elements) bytes += element.size();
  bool changes_form = is_single(value) && !stays_single(value, limits, bytes, elements.size());
  if (changes_form && !to_quicklist(value, heap)) return false;
  uint64_t pushed = 0;
  for (Bytes element : elements) {
    if (push_one(value, heap, limits, end, Element::of(element))) {
      pushed++;
      continue;
    }
    if (pushed > 0) {
      // Nobody has seen the nodes just written, so none is pinned and taking back cannot fail.
      bool taken_back = erase_range(value, heap, limits, range_at(end, pushed, length(value)));
      STRATA_ASSERT(taken_back);
    }
    return false;
  }
  return true;
}

bool push(Value& value, Heap& heap, Limits limits, End end, const Element& element) {
  if (!stays_single(value, limits, text_bytes(element), 1) && !to_quicklist(value, heap)) return false;
  return push_one(value, heap, limits, end, element);
}

namespace {

// A pin on a packed node would make the removal copy it, which can fail; a plain node simply goes.
Element without_node_pin(Element element) {
  if (element.blob != nullptr && element.bytes.data() != element.blob->bytes) element.blob = nullptr;
  return element;
}

// Each pop from the front moves what is behind it in the node, some four kilobytes on average. The first
// elements of a larger node get a node of their own instead, which is all that has to be moved then. Where
// there is no memory for it, nothing is done. The place is that of the first node afterwards.
constexpr size_t kFrontNodeBytes = 1024;
constexpr size_t kSplitFromBytes = 2 * kFrontNodeBytes;
void split_off_front(Nodes& nodes, Heap& heap, Place place) {
  Node rest = nodes.at(place);
  Bytes view = rest.blob->view();
  packed::Position at = packed::begin(view);
  uint32_t elements = 0;
  // Two at least, because one goes at once; and something stays in the other node.
  for (; (at < kFrontNodeBytes || elements < 2) && elements + 1 < rest.elements; ++elements)
    at = packed::next(view, at);
  if (elements < 2) return;
  Node front{packed::copy_range(heap, view, packed::begin(view), at, elements), elements, false};
  if (front.blob == nullptr) return;
  Place where;
  if (!nodes.insert(heap, place, front, &where)) return Blob::destroy(heap, front.blob);
  bool erased = packed::erase(heap, rest.blob, packed::begin(view), elements);
  STRATA_ASSERT(erased, "the node is not pinned");
  rest.elements -= elements;
  nodes.update(nodes.next(where), rest);
}

// One element off a packed node that keeps others: what queues do all day. Nodes at the ends are not joined
// with their neighbours: they soon go.
bool pop_from_node(Value& value, Heap& heap, Limits limits, Place place, End end,
                   FunctionRef<void(const Element&)> visit) {
  Nodes& nodes = nodes_of(value);
  if (!make_writable(nodes, heap, place)) return false;
  // The last node stays whole, so that the list becomes "listpack" when it should.
  if (end == End::kFront && nodes.count() > 1 && nodes.at(place).blob->size > kSplitFromBytes) {
    split_off_front(nodes, heap, place);
    place = nodes.first();
  }
  Node node = nodes.at(place);
  Bytes view = node.blob->view();
  packed::Position at = end == End::kFront ? packed::begin(view) : packed::prev(view, packed::end(view));
  visit(packed::get(view, at));
  bool erased = packed::erase(heap, node.blob, at);
  STRATA_ASSERT(erased, "the node is not pinned");
  node.elements--;
  nodes.update(place, node);
  if (nodes.count() == 1) settle_shrunk(value, heap, limits);
  return true;
}

}  // namespace

void peek(const Value& value, End end, uint64_t skip, uint64_t count,
          FunctionRef<void(const Element&)> visit) {
  auto show = [&visit](const Element& element) { visit(without_node_pin(element)); };
  if (end == End::kFront) return for_each(value, {skip, count}, show);
  Iterator iterator(value, length(value) - 1 - skip);
  for (; count > 0; count--, iterator.previous()) show(iterator.element());
}

bool pop(Value& value, Heap& heap, Limits limits, End end, uint64_t count,
         FunctionRef<void(const Element&)> visit) {
  uint64_t elements = length(value);
  Range range = range_at(end, std::min(count, elements), elements);
  if (range.count == 0) return true;
  if (range.count == 1 && !is_single(value)) {
    const Nodes& nodes = nodes_of(value);
    Place place = end == End::kFront ? nodes.first() : nodes.last();
    if (nodes.at(place).elements > 1) return pop_from_node(value, heap, limits, place, end, visit);
  }
  if (!prepare_erase(value, heap, range)) return false;
  peek(value, end, 0, range.count, visit);
  bool erased = erase_range(value, heap, limits, range);
  STRATA_ASSERT(erased);
  return true;
}

// ---- Whole nodes -----------------------------------------------------------------------------------

bool append_node(Value& value, Heap& heap, Blob* blob, bool is_plain) {
  if (!is_plain && is_single(value) && packed::empty(single_node(value)->view())) {
    Blob::destroy(heap, single_node(value));
    value.pointer = blob;
    return true;
  }
  uint32_t elements = is_plain ? 1 : packed::count(blob->view());
  STRATA_ASSERT(elements > 0, "an empty node was to be adopted");
  if (!to_quicklist(value, heap)) return false;
  Nodes& nodes = nodes_of(value);
  return nodes.insert(heap, nodes.end(), {blob, elements, is_plain});
}

void settle_encoding(Value& value, Heap& heap, Limits limits) {
  if (stays_single(value, limits, 0, 0)) return;
  if (is_single(value)) {
    // Staying a listpack that is too large is better than failing; the next push tries again.
    static_cast<void>(to_quicklist(value, heap));
  } else {
    to_listpack(value, heap, limits.node_bytes(), limits.node_elements());
  }
}

NodeCursor::NodeCursor(const Value& value) : nodes_(nullptr), left_(0) {
  if (length(value) == 0) return;
  if (is_single(value)) {
    node_ = locate(value, 0).node;
    left_ = 1;
    return;
  }
  nodes_ = &nodes_of(value);
  node_ = nodes_->at(place_);
  left_ = nodes_->count();
}

void NodeCursor::next() {
  if (--left_ == 0) return;
  place_ = nodes_->next(place_);
  node_ = nodes_->at(place_);
}

bool copy_some(NodeCursor& from, Heap& heap, Value& out, size_t budget) {
  for (; budget > 0 && !from.done(); budget--, from.next()) {
    Blob* blob = copy_bytes(heap, from.node().blob->view());
    if (blob == nullptr) return false;
    if (append_node(out, heap, blob, from.node().is_plain)) continue;
    Blob::destroy(heap, blob);
    return false;
  }
  return true;
}

bool copy(const Value& from, Heap& heap, Limits limits, Value* out) {
  if (!create(heap, out)) return false;
  NodeCursor cursor(from);
  if (!copy_some(cursor, heap, *out, SIZE_MAX)) {
    destroy(*out, heap);
    return false;
  }
  settle_encoding(*out, heap, limits);
  return true;
}

}  // namespace strata::list
