#include "data/list_internal.h"

#include <cstring>

#include "base/assert.h"

namespace strata::list {
namespace {

bool wants_plain(Limits limits, const packed::Encoded& element) {
  // What encoding and backward length add to a text of that size.
  constexpr uint64_t kAddedBytes = 5 + 2;
  return element.bytes() > kLargeElementBytes + kAddedBytes ||
         packed::kEmptyBytes + element.bytes() > limits.node_bytes();
}

bool join(Nodes& nodes, Heap& heap, Limits limits, Place left, Place right) {
  Node first = nodes.at(left);
  const Node& second = nodes.at(right);
  if (first.is_plain || second.is_plain) return false;
  uint64_t bytes = uint64_t{first.blob->size} + second.blob->size - packed::kEmptyBytes;
  if (!limits.allow_joined(bytes, uint64_t{first.elements} + second.elements)) return false;
  if (!packed::append_node(heap, first.blob, second.blob->view())) return false;
  // The second node goes first, so that no place holds elements twice when the sums are read.
  first.elements += second.elements;
  drop_node(nodes, heap, right);
  nodes.update(left, first);
  return true;
}

// A node that has just got a neighbour will not grow soon. Failing to shrink it is harmless.
void shrink_node(Nodes& nodes, Heap& heap, Place place) {
  Node node = nodes.at(place);
  if (node.is_plain || node.blob->pinned()) return;
  if (Blob* smaller = Blob::shrink(heap, node.blob)) {
    node.blob = smaller;
    nodes.update(place, node);
  }
}

void give_back_spare(Nodes& nodes, Heap& heap, Place fresh) {
  if (fresh != nodes.first()) shrink_node(nodes, heap, nodes.previous(fresh));
  if (nodes.next(fresh) != nodes.end()) shrink_node(nodes, heap, nodes.next(fresh));
}

}  // namespace

bool to_quicklist(Value& value, Heap& heap) {
  if (!is_single(value)) return true;
  Nodes* nodes = Nodes::create(heap);
  if (nodes == nullptr) return false;
  Blob* node = single_node(value);
  uint32_t elements = packed::count(node->view());
  if (elements == 0) {
    Blob::destroy(heap, node);
  } else if (!nodes->insert(heap, nodes->end(), {node, elements, false})) {
    Nodes::destroy(heap, nodes);
    return false;
  }
  value.pointer = nodes;
  value.encoding = Encoding::kQuicklist;
  return true;
}

void to_listpack(Value& value, Heap& heap, uint64_t bytes_max, uint64_t elements_max) {
  if (is_single(value)) return;
  Nodes& nodes = nodes_of(value);
  if (nodes.count() != 1) return;
  Node node = nodes.at(nodes.first());
  if (node.is_plain || node.blob->size > bytes_max || node.elements > elements_max) return;
  Nodes::destroy(heap, &nodes);
  value.pointer = node.blob;
  value.encoding = Encoding::kListpack;
}

uint64_t text_bytes(const Element& element) {
  char scratch[kIntegerTextBytes];
  return element_text(element, scratch).size();
}

Blob* copy_bytes(Heap& heap, Bytes bytes) {
  if (bytes.size() > Blob::kMaxBytes) return nullptr;
  Blob* blob = Blob::create(heap, bytes.size());
  if (blob == nullptr) return nullptr;
  std::memcpy(blob->bytes, bytes.data(), bytes.size());
  blob->size = static_cast<uint32_t>(bytes.size());
  return blob;
}

bool make_node(Heap& heap, Limits limits, const Element& element, Node* out) {
  bool is_plain = wants_plain(limits, packed::Encoded(element));
  Blob* blob = is_plain ? copy_bytes(heap, element.bytes) : packed::create_from(heap, {&element, 1});
  if (blob == nullptr) return false;
  *out = {blob, 1, is_plain};
  return true;
}

bool takes(const Node& node, Limits limits, const packed::Encoded& element, uint32_t added_elements,
           uint32_t replaced_bytes) {
  if (node.is_plain || wants_plain(limits, element)) return false;
  // With its header the blob is then a block of exactly a power of two, which wastes nothing.
  uint64_t bytes = Blob::kHeaderBytes + uint64_t{node.blob->size} - replaced_bytes + element.bytes();
  return limits.allow(bytes, uint64_t{node.elements} + added_elements);
}

namespace {

bool insert_at_end(Nodes& nodes, Heap& heap, Place place, End end, const packed::Encoded& element) {
  Node node = nodes.at(place);
  packed::Position at = end == End::kBack ? packed::end(node.blob->view()) : packed::kHeaderBytes;
  if (!packed::insert(heap, node.blob, at, element)) return false;
  node.elements++;
  nodes.update(place, node);
  return true;
}

}  // namespace

bool insert_between(Nodes& nodes, Heap& heap, Limits limits, Place gap, const Element& element) {
  packed::Encoded encoded(element);
  if (nodes.count() > 0 && gap != nodes.first()) {
    Place in_front = nodes.previous(gap);
    if (takes(nodes.at(in_front), limits, encoded, 1, 0))
      return insert_at_end(nodes, heap, in_front, End::kBack, encoded);
  }
  if (gap != nodes.end() && takes(nodes.at(gap), limits, encoded, 1, 0))
    return insert_at_end(nodes, heap, gap, End::kFront, encoded);
  Node fresh;
  if (!make_node(heap, limits, element, &fresh)) return false;
  Place place;
  if (nodes.insert(heap, gap, fresh, &place)) {
    give_back_spare(nodes, heap, place);
    return true;
  }
  Blob::destroy(heap, fresh.blob);
  return false;
}

bool make_writable(Nodes& nodes, Heap& heap, Place place) {
  Node node = nodes.at(place);
  if (!node.blob->pinned()) return true;
  Blob* written = Blob::writable(heap, node.blob, node.blob->size);
  if (written == nullptr) return false;
  node.blob = written;
  nodes.update(place, node);
  return true;
}

bool split(Nodes& nodes, Heap& heap, Place place, uint32_t offset, Place* right) {
  if (!make_writable(nodes, heap, place)) return false;
  Node whole = nodes.at(place);
  Bytes view = whole.blob->view();
  packed::Position at = packed::seek(view, offset);
  Node tail{nullptr, whole.elements - offset, false};
  tail.blob = packed::copy_range(heap, view, at, packed::end(view), tail.elements);
  if (tail.blob == nullptr) return false;
  if (!nodes.insert(heap, nodes.next(place), tail, right)) {
    Blob::destroy(heap, tail.blob);
    return false;
  }
  bool erased = packed::erase(heap, whole.blob, at, tail.elements);
  STRATA_ASSERT(erased, "the node is not pinned");
  whole.elements = offset;
  nodes.update(nodes.previous(*right), whole);
  return true;
}

void join_around(Nodes& nodes, Heap& heap, Limits limits, Place place) {
  if (place == nodes.end()) return;
  Place behind = nodes.next(place);
  if (behind != nodes.end()) join(nodes, heap, limits, place, behind);
  if (place != nodes.first()) join(nodes, heap, limits, nodes.previous(place), place);
}

Place drop_node(Nodes& nodes, Heap& heap, Place place) {
  Blob* blob = nodes.at(place).blob;
  Place behind = nodes.erase(heap, place);
  Blob::destroy(heap, blob);
  return behind;
}

bool prepare_erase(Value& value, Heap& heap, Range range) {
  if (is_single(value)) {
    Blob* node = single_node(value);
    if (!node->pinned()) return true;
    Blob* written = Blob::writable(heap, node, node->size);
    if (written != nullptr) value.pointer = written;
    return written != nullptr;
  }
  uint64_t behind = range.first + range.count;
  for (uint64_t edge : {range.first, behind - 1}) {
    Spot spot = locate(value, edge);
    uint64_t node_first = edge - spot.offset;
    bool whole = node_first >= range.first && node_first + spot.node.elements <= behind;
    if (!whole && !make_writable(nodes_of(value), heap, spot.place)) return false;
  }
  return true;
}

}  // namespace strata::list
