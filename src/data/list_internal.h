// What the list's own files share: the two encodings' insides, and the steps that changes are made of.
//
// Each step either succeeds or leaves the list's contents as they were (a split or a copied node is not
// seen from outside). Used by list*.cc alone.

#pragma once

#include "data/list.h"

namespace strata::list {

inline bool is_single(const Value& value) { return value.encoding == Encoding::kListpack; }
inline Blob* single_node(const Value& value) { return static_cast<Blob*>(value.pointer); }
inline Nodes& nodes_of(const Value& value) { return *static_cast<Nodes*>(value.pointer); }

// Makes the single node the first of a sequence, if it is one.
[[nodiscard]] bool to_quicklist(Value& value, Heap& heap);
// The other way, when one packed node within the bounds is all there is.
void to_listpack(Value& value, Heap& heap, uint64_t bytes_max, uint64_t elements_max);
// After removals: "listpack" again when the list is well below the limit.
inline void settle_shrunk(Value& value, Heap& heap, Limits limits) {
  to_listpack(value, heap, limits.node_bytes() / 2, limits.node_elements() / 2);
}

// By Redis 7.2's rule, which counts the bytes of the elements' texts, the single node may take this much
// more.
inline bool stays_single(const Value& value, Limits limits, uint64_t text_bytes, uint64_t elements) {
  if (!is_single(value)) return false;
  Bytes view = single_node(value)->view();
  return limits.allow(view.size() + text_bytes, packed::count(view) + elements);
}
uint64_t text_bytes(const Element& element);

[[nodiscard]] Blob* copy_bytes(Heap& heap, Bytes bytes);
// A node of this element alone.
[[nodiscard]] bool make_node(Heap& heap, Limits limits, const Element& element, Node* out);
// The node takes one more element, or this one in place of `replaced_bytes`.
bool takes(const Node& node, Limits limits, const packed::Encoded& element, uint32_t added_elements,
           uint32_t replaced_bytes);

// Puts the element between the node at `gap` and the one in front, into either or into a node of its own.
[[nodiscard]] bool insert_between(Nodes& nodes, Heap& heap, Limits limits, Place gap, const Element& element);
// Copies the node's blob if it is pinned; until somebody pins it again, erasing from it cannot fail.
[[nodiscard]] bool make_writable(Nodes& nodes, Heap& heap, Place place);
// Parts the packed node in front of its element `offset`, which is neither the first nor beyond the last;
// *right is then the place of the second part, and the first part is in front of it.
[[nodiscard]] bool split(Nodes& nodes, Heap& heap, Place place, uint32_t offset, Place* right);
// Joins the node with its neighbours where they are small.
void join_around(Nodes& nodes, Heap& heap, Limits limits, Place place);
// Destroys the node with all its elements; the place of the one behind.
Place drop_node(Nodes& nodes, Heap& heap, Place place);

}  // namespace strata::list
