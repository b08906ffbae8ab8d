// Changes in the middle of a list.

#include "base/assert.h"
#include "data/list_internal.h"

namespace strata::list {
namespace {

// Lets the element have a node to itself and exchanges that node.
bool replace_alone(Nodes& nodes, Heap& heap, Limits limits, Spot spot, const Element& element) {
  Place place = spot.place;
  if (spot.offset > 0 && !split(nodes, heap, place, spot.offset, &place)) return false;
  if (nodes.at(place).elements > 1) {
    Place behind;
    if (!split(nodes, heap, place, 1, &behind)) return false;
    place = nodes.previous(behind);
  }
  Node fresh;
  if (!make_node(heap, limits, element, &fresh)) return false;
  Blob::destroy(heap, nodes.at(place).blob);
  nodes.update(place, fresh);
  join_around(nodes, heap, limits, place);
  return true;
}

bool replace_in(Nodes& nodes, Heap& heap, Limits limits, Spot spot, const Element& element) {
  Node node = spot.node;
  if (node.is_plain) return replace_alone(nodes, heap, limits, spot, element);
  Bytes view = node.blob->view();
  packed::Position at = packed::seek(view, spot.offset);
  if (!takes(node, limits, packed::Encoded(element), 0, packed::next(view, at) - at)) {
    return replace_alone(nodes, heap, limits, spot, element);
  }
  bool replaced = packed::replace(heap, node.blob, at, element);
  nodes.update(spot.place, node);
  if (replaced) join_around(nodes, heap, limits, spot.place);
  return replaced;
}

// In front of the element with this index, or at the back.
bool insert_in(Value& value, Heap& heap, Limits limits, uint64_t index, const Element& element) {
  Nodes& nodes = nodes_of(value);
  if (index == nodes.elements()) return insert_between(nodes, heap, limits, nodes.end(), element);
  Spot spot = locate(value, index);
  if (spot.offset == 0) return insert_between(nodes, heap, limits, spot.place, element);
  if (packed::Encoded encoded(element); takes(spot.node, limits, encoded, 1, 0)) {
    Node node = spot.node;
    bool inserted = packed::insert(heap, node.blob, packed::seek(node.blob->view(), spot.offset), encoded);
    if (inserted) node.elements++;
    nodes.update(spot.place, node);
    return inserted;
  }
  Place right;
  if (!split(nodes, heap, spot.place, spot.offset, &right)) return false;
  return insert_between(nodes, heap, limits, right, element);
}

// Index of the first match, or the length.
uint64_t find_first(const Value& value, const packed::Needle& needle) {
  uint64_t found = length(value);
  find_positions(value, needle, 1, 0, [&found](uint64_t index) {
    found = index;
    return false;
  });
  return found;
}

}  // namespace

Change set(Value& value, Heap& heap, Limits limits, int64_t index, const Element& element) {
  int64_t elements = static_cast<int64_t>(length(value));
  if (index < 0) index += elements;
  if (index < 0 || index >= elements) return Change::kNotFound;
  if (stays_single(value, limits, text_bytes(element), 1)) {
    Blob* node = single_node(value);
    bool replaced = packed::replace(heap, node, packed::seek(node->view(), index), element);
    value.pointer = node;
    return replaced ? Change::kDone : Change::kOutOfMemory;
  }
  if (!to_quicklist(value, heap)) return Change::kOutOfMemory;
  Spot spot = locate(value, static_cast<uint64_t>(index));
  if (!replace_in(nodes_of(value), heap, limits, spot, element)) return Change::kOutOfMemory;
  settle_shrunk(value, heap, limits);
  return Change::kDone;
}

bool insert_at(Value& value, Heap& heap, Limits limits, uint64_t index, const Element& element) {
  if (!stays_single(value, limits, text_bytes(element), 1)) {
    return to_quicklist(value, heap) && insert_in(value, heap, limits, index, element);
  }
  Blob* node = single_node(value);
  packed::Position at = index == packed::count(node->view())
                            ? packed::end(node->view())
                            : packed::seek(node->view(), static_cast<int64_t>(index));
  bool inserted = packed::insert(heap, node, at, element);
  value.pointer = node;
  return inserted;
}

Change insert(Value& value, Heap& heap, Limits limits, Side side, const packed::Needle& pivot,
              const Element& element) {
  uint64_t index = find_first(value, pivot);
  if (index == length(value)) return Change::kNotFound;
  if (side == Side::kAfter) index++;
  return insert_at(value, heap, limits, index, element) ? Change::kDone : Change::kOutOfMemory;
}

bool erase_range(Value& value, Heap& heap, Limits limits, Range range) {
  if (range.count == 0) return true;
  if (!prepare_erase(value, heap, range)) return false;
  if (is_single(value)) {
    Blob* node = single_node(value);
    packed::Position at = packed::seek(node->view(), static_cast<int64_t>(range.first));
    bool erased = packed::erase(heap, node, at, static_cast<uint32_t>(range.count));
    value.pointer = node;
    return erased;
  }
  Nodes& nodes = nodes_of(value);
  auto [place, offset] = nodes.locate(range.first);
  for (uint64_t left = range.count; left > 0; offset = 0) {
    Node node = nodes.at(place);
    uint32_t here = static_cast<uint32_t>(std::min<uint64_t>(left, node.elements - offset));
    left -= here;
    if (here == node.elements) {
      place = drop_node(nodes, heap, place);
      continue;
    }
    bool erased = packed::erase(heap, node.blob, packed::seek(node.blob->view(), offset), here);
    STRATA_ASSERT(erased, "the node was made writable above");
    node.elements -= here;
    nodes.update(place, node);
    place = nodes.next(place);
  }
  if (nodes.count() > 0)
    join_around(nodes, heap, limits, place == nodes.first() ? place : nodes.previous(place));
  settle_shrunk(value, heap, limits);
  return true;
}

bool trim(Value& value, Heap& heap, Limits limits, Range keep) {
  uint64_t elements = length(value);
  if (keep.count == 0) return erase_range(value, heap, limits, {0, elements});
  Range front{0, keep.first};
  Range back{keep.first + keep.count, elements - keep.first - keep.count};
  // Both sides are made ready before either goes, so that running out of memory changes nothing.
  if (back.count > 0 && !prepare_erase(value, heap, back)) return false;
  return erase_range(value, heap, limits, front) &&
         erase_range(value, heap, limits, {back.first - front.count, back.count});
}

// ---- LREM ------------------------------------------------------------------------------------------

namespace {

uint32_t matches_in(const Node& node, const packed::Needle& needle) {
  if (node.is_plain) return needle.equals(plain_element(node)) ? 1 : 0;
  return packed::count_matches(node.blob->view(), needle);
}

// The first or last `erased` of the node's `matches`.
bool erase_matches(Heap& heap, Blob*& node, const packed::Needle& needle, bool from_back, uint32_t matches,
                   uint32_t erased) {
  return packed::erase_matches(heap, node, needle, from_back ? matches - erased : 0, erased);
}

bool remove_single(Value& value, Heap& heap, const packed::Needle& needle, Removal& removal) {
  Blob* node = single_node(value);
  uint32_t matches = packed::count_matches(node->view(), needle);
  uint32_t erased = static_cast<uint32_t>(std::min<uint64_t>(matches, removal.left));
  bool done = erase_matches(heap, node, needle, removal.from_back, matches, erased);
  value.pointer = node;
  if (!done) return false;
  removal.removed += erased;
  removal.left -= erased;
  removal.done = true;
  return true;
}

// One node. It may begin with elements that were passed before, when nodes were joined; those do not match
// any more.
bool remove_in(Value& value, Heap& heap, Limits limits, const packed::Needle& needle, Removal& removal,
               uint32_t* seen) {
  Nodes& nodes = nodes_of(value);
  uint64_t index = removal.from_back ? nodes.elements() - 1 - removal.passed : removal.passed;
  Spot spot = locate(value, index);
  Node node = spot.node;
  *seen = node.elements;
  uint32_t matches = matches_in(node, needle);
  uint32_t erased = static_cast<uint32_t>(std::min<uint64_t>(matches, removal.left));
  uint32_t passed_before = removal.from_back ? node.elements - 1 - spot.offset : spot.offset;
  if (erased == node.elements) {
    Place behind = drop_node(nodes, heap, spot.place);
    if (nodes.count() > 0) join_around(nodes, heap, limits, behind == nodes.end() ? nodes.last() : behind);
  } else if (erased > 0) {
    if (!erase_matches(heap, node.blob, needle, removal.from_back, matches, erased)) return false;
    node.elements -= erased;
    nodes.update(spot.place, node);
    join_around(nodes, heap, limits, spot.place);
  }
  removal.passed += *seen - erased - passed_before;
  removal.removed += erased;
  removal.left -= erased;
  return true;
}

}  // namespace

bool remove_some(Value& value, Heap& heap, Limits limits, const packed::Needle& needle, Removal& removal,
                 uint64_t element_budget) {
  if (removal.done) return true;
  if (is_single(value)) return remove_single(value, heap, needle, removal);
  while (removal.left > 0 && removal.passed < length(value)) {
    uint32_t seen = 0;
    if (!remove_in(value, heap, limits, needle, removal, &seen)) return false;
    if (seen >= element_budget) return true;
    element_budget -= seen;
  }
  removal.done = true;
  settle_shrunk(value, heap, limits);
  return true;
}

}  // namespace strata::list
