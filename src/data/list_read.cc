// Reading: ranges, indexes, iteration and search.

#include "data/list_internal.h"

namespace strata::list {

Range resolve_range(int64_t start, int64_t stop, uint64_t length) {
  int64_t elements = static_cast<int64_t>(length);
  if (start < 0) start = std::max<int64_t>(start + elements, 0);
  if (stop < 0) stop += elements;
  stop = std::min(stop, elements - 1);
  if (start > stop) return {};
  return {static_cast<uint64_t>(start), static_cast<uint64_t>(stop - start + 1)};
}

Spot locate(const Value& value, uint64_t index) {
  if (is_single(value)) {
    Blob* node = single_node(value);
    return {{node, packed::count(node->view()), false}, {0, 0}, static_cast<uint32_t>(index)};
  }
  const Nodes& nodes = nodes_of(value);
  Located located = nodes.locate(index);
  return {nodes.at(located.place), located.place, located.offset};
}

bool index(const Value& value, int64_t index, Element* out) {
  int64_t elements = static_cast<int64_t>(length(value));
  if (index < 0) index += elements;
  if (index < 0 || index >= elements) return false;
  Spot spot = locate(value, static_cast<uint64_t>(index));
  auto take = [out](const Element& element) { *out = element; };
  for_each_in(spot.node, spot.offset, 1, take);
  return true;
}

Iterator::Iterator(const Value& value, uint64_t index)
    : nodes_(is_single(value) ? nullptr : &nodes_of(value)), index_(index), done_(index >= length(value)) {
  if (done_) return;
  Spot spot = locate(value, index);
  node_ = spot.node;
  place_ = spot.place;
  enter(spot.offset);
}

void Iterator::enter(uint32_t offset) {
  offset_ = offset;
  if (node_.is_plain) {
    element_ = plain_element(node_);
  } else {
    at_ = packed::seek(node_.blob->view(), offset);
    read();
  }
}

void Iterator::enter_next_node() {
  if (nodes_ != nullptr) place_ = nodes_->next(place_);
  if (nodes_ == nullptr || place_ == nodes_->end()) {
    done_ = true;
    return;
  }
  node_ = nodes_->at(place_);
  enter(0);
}

void Iterator::previous() {
  if (index_ == 0) {
    done_ = true;
    return;
  }
  index_--;
  if (offset_ == 0) {
    place_ = nodes_->previous(place_);
    node_ = nodes_->at(place_);
    enter(node_.elements - 1);
    return;
  }
  offset_--;
  at_ = packed::prev(node_.blob->view(), at_);
  read();
}

void find_positions(const Value& value, const packed::Needle& needle, int64_t rank, uint64_t elements_max,
                    FunctionRef<bool(uint64_t index)> visit) {
  uint64_t elements = length(value);
  if (elements == 0) return;
  bool backward = rank < 0;
  uint64_t to_skip = (backward ? 0 - static_cast<uint64_t>(rank) : static_cast<uint64_t>(rank)) - 1;
  uint64_t left = elements_max == 0 ? UINT64_MAX : elements_max;
  for (Iterator at(value, backward ? elements - 1 : 0); !at.done() && left > 0; left--) {
    if (needle.equals(at.element())) {
      if (to_skip > 0) {
        to_skip--;
      } else if (!visit(at.index())) {
        return;
      }
    }
    if (backward) {
      at.previous();
    } else {
      at.next();
    }
  }
}

}  // namespace strata::list
