#include "data/list_nodes.h"

#include <cstring>
#include <new>

#include "base/assert.h"

namespace strata::list {
namespace {

// A full page is 1 KiB with its header. The first starts small, because most long lists are just a bit long.
constexpr uint32_t kPageNodes = 63;
constexpr uint32_t kFirstPageNodes = 7;
constexpr uint32_t kFirstTablePages = 2;

}  // namespace

Nodes* Nodes::create(Heap& heap) {
  void* block = heap.allocate(sizeof(Nodes));
  return block == nullptr ? nullptr : new (block) Nodes;
}

void Nodes::destroy(Heap& heap, Nodes* nodes) {
  for (uint32_t i = 0; i < nodes->page_count_; i++) heap.free(nodes->pages_[i].page);
  heap.free(nodes->pages_);
  heap.free(nodes);
}

Located Nodes::locate(uint64_t index) const {
  STRATA_ASSERT(index < elements_);
  uint32_t page = 0;
  uint64_t in_page = index;
  if (index < elements_ / 2) {
    for (; in_page >= pages_[page].elements; page++) in_page -= pages_[page].elements;
  } else {
    uint64_t in_front = elements_;
    page = page_count_;
    do {
      in_front -= pages_[--page].elements;
    } while (in_front > index);
    in_page = index - in_front;
  }
  const Page& found = *pages_[page].page;
  uint32_t slot = 0;
  if (in_page < pages_[page].elements / 2) {
    for (; in_page >= found.nodes[slot].elements; slot++) in_page -= found.nodes[slot].elements;
  } else {
    uint64_t in_front = pages_[page].elements;
    slot = found.used;
    do {
      in_front -= found.nodes[--slot].elements;
    } while (in_front > in_page);
    in_page -= in_front;
  }
  return {{page, slot}, static_cast<uint32_t>(in_page)};
}

bool Nodes::insert(Heap& heap, Place before, const Node& node, Place* where) {
  if (!make_room(heap, before)) return false;
  PageRef& ref = pages_[before.page];
  Node* slot = ref.page->nodes + before.slot;
  std::memmove(slot + 1, slot, (ref.page->used - before.slot) * sizeof(Node));
  *slot = node;
  ref.page->used++;
  ref.elements += node.elements;
  elements_ += node.elements;
  count_++;
  if (where != nullptr) *where = before;
  return true;
}

// Rewrites `before` to a place, meaning the same, in a page that has room for one more.
bool Nodes::make_room(Heap& heap, Place& before) {
  if (page_count_ == 0) {
    before = {0, 0};
    return insert_page(heap, 0, kFirstPageNodes);
  }
  // Between two pages, the place belongs to either of them; behind the last page, only to the last.
  if (before.slot == 0 && before.page > 0) {
    const Page& previous = *pages_[before.page - 1].page;
    if (before.page == page_count_ || previous.used < previous.capacity)
      before = {before.page - 1, previous.used};
  }
  PageRef& ref = pages_[before.page];
  if (ref.page->used < ref.page->capacity) return true;
  if (ref.page->capacity < kPageNodes) {
    uint32_t capacity = ref.page->capacity * 2 + 1;
    void* grown = heap.reallocate(ref.page, page_bytes(capacity));
    if (grown == nullptr) return false;
    ref.page = static_cast<Page*>(grown);
    ref.page->capacity = capacity;
    return true;
  }
  // A full page gets an empty neighbour where the list grows at an end, else it gives away its upper half.
  if (before.slot == 0) return insert_page(heap, before.page, kPageNodes);
  if (!insert_page(heap, before.page + 1, kPageNodes)) return false;
  if (before.slot == kPageNodes) {
    before = {before.page + 1, 0};
    return true;
  }
  constexpr uint32_t kHalf = kPageNodes / 2;
  move_nodes(pages_[before.page], kHalf, pages_[before.page + 1]);
  if (before.slot > kHalf) before = {before.page + 1, before.slot - kHalf};
  return true;
}

// Moves the nodes from `first` on to the end of the other page.
void Nodes::move_nodes(PageRef& from, uint32_t first, PageRef& to) {
  uint32_t moved = from.page->used - first;
  std::memcpy(to.page->nodes + to.page->used, from.page->nodes + first, moved * sizeof(Node));
  uint64_t elements = 0;
  for (uint32_t i = 0; i < moved; i++) elements += to.page->nodes[to.page->used + i].elements;
  to.page->used += moved;
  to.elements += elements;
  from.page->used -= moved;
  from.elements -= elements;
}

bool Nodes::insert_page(Heap& heap, uint32_t index, uint32_t capacity) {
  if (page_count_ == page_capacity_) {
    uint32_t grown = page_capacity_ == 0 ? kFirstTablePages : page_capacity_ * 2;
    void* table = heap.reallocate(pages_, grown * sizeof(PageRef));
    if (table == nullptr) return false;
    pages_ = static_cast<PageRef*>(table);
    page_capacity_ = grown;
  }
  void* block = heap.allocate(page_bytes(capacity));
  if (block == nullptr) return false;
  Page* page = new (block) Page;
  page->used = 0;
  page->capacity = capacity;
  std::memmove(pages_ + index + 1, pages_ + index, (page_count_ - index) * sizeof(PageRef));
  pages_[index] = {0, page};
  page_count_++;
  return true;
}

void Nodes::erase_page(Heap& heap, uint32_t index) {
  heap.free(pages_[index].page);
  page_count_--;
  std::memmove(pages_ + index, pages_ + index + 1, (page_count_ - index) * sizeof(PageRef));
}

Place Nodes::erase(Heap& heap, Place place) {
  PageRef& ref = pages_[place.page];
  Node* slot = ref.page->nodes + place.slot;
  elements_ -= slot->elements;
  ref.elements -= slot->elements;
  count_--;
  ref.page->used--;
  std::memmove(slot, slot + 1, (ref.page->used - place.slot) * sizeof(Node));
  if (ref.page->used == 0) {
    erase_page(heap, place.page);
    return {place.page, 0};
  }
  // Sparse neighbours become one; the margin keeps the next insert from parting them again.
  if (place.page + 1 < page_count_) {
    PageRef& behind = pages_[place.page + 1];
    uint32_t together = ref.page->used + behind.page->used;
    if (together <= kPageNodes / 2 && together <= ref.page->capacity) {
      move_nodes(behind, 0, ref);
      erase_page(heap, place.page + 1);
    }
  }
  return place.slot < ref.page->used ? place : Place{place.page + 1, 0};
}

void Nodes::update(Place place, const Node& node) {
  PageRef& ref = pages_[place.page];
  Node& slot = ref.page->nodes[place.slot];
  ref.elements += node.elements;
  ref.elements -= slot.elements;
  elements_ += node.elements;
  elements_ -= slot.elements;
  slot = node;
}

size_t Nodes::memory_bytes() const {
  size_t bytes = Heap::usable_size(this);
  if (pages_ == nullptr) return bytes;
  bytes += Heap::usable_size(pages_);
  for (uint32_t i = 0; i < page_count_; i++) bytes += Heap::usable_size(pages_[i].page);
  return bytes;
}

}  // namespace strata::list
