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
  if (node_.is_plain) return;
  Bytes view = node_.blob->view();
  at_ = view.data() + packed::seek(view, offset);
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
  Bytes view = node_.blob->view();
  at_ = view.data() + packed::prev(view, static_cast<packed::Position>(at_ - view.data()));
}

namespace {

struct Matcher {
  const packed::Needle& needle;
  Search& search;
  FunctionRef<bool(uint64_t index)> visit;

  // False when the search is over.
  bool matched(uint64_t index) {
    if (search.to_skip == 0) return visit(index);
    search.to_skip--;
    return true;
  }
};

uint32_t matches_in(const Node& node, const packed::Needle& needle) {
  if (node.is_plain) return needle.equals(plain_element(node)) ? 1 : 0;
  return packed::count_matches(node.blob->view(), needle);
}

// `first` is the index of the node's first element.
bool search_forward(const Node& node, uint64_t first, Matcher& matcher) {
  if (node.is_plain) return matches_in(node, matcher.needle) == 0 || matcher.matched(first);
  uint64_t elements = std::min<uint64_t>(node.elements, matcher.search.left);
  packed::Cursor cursor(node.blob->view());
  for (uint64_t i = 0; i < elements; i++, cursor.next()) {
    if (matcher.needle.equals(cursor.element()) && !matcher.matched(first + i)) return false;
  }
  return true;
}

// Walking backwards costs several times as much as counting a node's matches, so nodes without one are passed
// by.
bool search_backward(const Node& node, uint64_t first, Matcher& matcher) {
  uint32_t matches = matches_in(node, matcher.needle);
  if (matches == 0) return true;
  if (node.elements <= matcher.search.left && matches <= matcher.search.to_skip) {
    matcher.search.to_skip -= matches;
    return true;
  }
  if (node.is_plain) return matcher.matched(first);
  Bytes view = node.blob->view();
  packed::Position at = packed::end(view);
  uint64_t stop = node.elements - std::min<uint64_t>(node.elements, matcher.search.left);
  for (uint64_t i = node.elements; i > stop; i--) {
    at = packed::prev(view, at);
    if (matcher.needle.equals(packed::get(view, at)) && !matcher.matched(first + i - 1)) return false;
  }
  return true;
}

}  // namespace

void search_some(const Value& value, const packed::Needle& needle, Search& search, uint64_t element_budget,
                 FunctionRef<bool(uint64_t index)> visit) {
  const uint64_t elements = length(value);
  if (search.passed == elements || search.left == 0) search.done = true;
  if (search.done) return;
  Matcher matcher{needle, search, visit};
  for (Spot spot = locate(value, search.is_backward ? elements - 1 - search.passed : search.passed);;) {
    uint64_t here = spot.node.elements;
    bool go_on = search.is_backward ? search_backward(spot.node, elements - search.passed - here, matcher)
                                    : search_forward(spot.node, search.passed, matcher);
    search.passed += here;
    search.done = !go_on || search.passed == elements || here >= search.left;
    if (search.done) return;
    search.left -= here;
    if (here >= element_budget) return;
    element_budget -= here;
    const Nodes& nodes = nodes_of(value);
    spot.place = search.is_backward ? nodes.previous(spot.place) : nodes.next(spot.place);
    spot.node = nodes.at(spot.place);
  }
}

void find_positions(const Value& value, const packed::Needle& needle, int64_t rank, uint64_t elements_max,
                    FunctionRef<bool(uint64_t index)> visit) {
  Search search(rank, elements_max);
  search_some(value, needle, search, UINT64_MAX, visit);
}

}  // namespace strata::list
