// The nodes of a long list, in order, with the number of elements in front of each.
//
//   Nodes ─ pages_ ─┬─ PageRef{elements, page} ── Page: up to 63 Nodes in order
//                   ├─ PageRef{elements, page} ── Page
//                   └─ …
//
// Two levels suffice: a list of ten million small elements has about 6,000 nodes and 100 pages. Both ends
// are reached at once; locating an index adds up the pages' counts from the nearer end and then those
// within one page; inserting and erasing a node moves at most one page and the page table.
//
// Used by the list alone, inside the shard. The sequence owns its pages, not the nodes' blobs.
//
//   1. Every node holds at least one element, and a plain node exactly one.
//   2. No page is empty.
//   3. Places and references to nodes are valid until the next insert or erase.
//
// Out of memory is a value and changes nothing.

#pragma once

#include <cstdint>

#include "data/blob.h"

namespace strata::list {

struct Node {
  Blob* blob;
  uint32_t elements;
  bool is_plain;  // the blob holds one element's bytes, not a packed node
};

struct Place {
  uint32_t page;
  uint32_t slot;
  bool operator==(const Place&) const = default;
};

struct Located {
  Place place;
  uint32_t offset;  // elements of the node in front of the one that was looked for
};

class Nodes {
 public:
  [[nodiscard]] static Nodes* create(Heap& heap);  // null when out of memory
  static void destroy(Heap& heap, Nodes* nodes);   // the blobs are the caller's

  uint64_t elements() const { return elements_; }
  uint64_t count() const { return count_; }

  Place first() const { return {0, 0}; }
  Place end() const { return {page_count_, 0}; }
  Place last() const { return {page_count_ - 1, pages_[page_count_ - 1].page->used - 1}; }
  Place next(Place place) const {
    return place.slot + 1 < pages_[place.page].page->used ? Place{place.page, place.slot + 1}
                                                          : Place{place.page + 1, 0};
  }
  Place previous(Place place) const {  // of any but the first; end() has one too
    return place.slot > 0 ? Place{place.page, place.slot - 1}
                          : Place{place.page - 1, pages_[place.page - 1].page->used - 1};
  }
  const Node& at(Place place) const { return pages_[place.page].page->nodes[place.slot]; }
  // The node that holds the element with this index, which must be below elements().
  Located locate(uint64_t index) const;

  // Puts the node in front of the one at `before`; *where, if given, is then its place.
  [[nodiscard]] bool insert(Heap& heap, Place before, const Node& node, Place* where = nullptr);
  // Takes the node out and returns the place of the one behind it.
  Place erase(Heap& heap, Place place);
  // Exchanges the node's description, after its blob was changed.
  void update(Place place, const Node& node);

  size_t memory_bytes() const;  // without the blobs

 private:
  struct Page {
    uint32_t used;
    uint32_t capacity;
    Node nodes[];
  };
  struct PageRef {
    uint64_t elements;
    Page* page;
  };

  static size_t page_bytes(uint32_t capacity) { return sizeof(Page) + capacity * sizeof(Node); }
  static void move_nodes(PageRef& from, uint32_t first, PageRef& to);
  bool make_room(Heap& heap, Place& before);
  bool insert_page(Heap& heap, uint32_t index, uint32_t capacity);
  void erase_page(Heap& heap, uint32_t index);

  PageRef* pages_ = nullptr;
  uint32_t page_count_ = 0;
  uint32_t page_capacity_ = 0;
  uint64_t elements_ = 0;
  uint64_t count_ = 0;
};

}  // namespace strata::list
