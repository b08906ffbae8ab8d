#include "data/stream_node.h"

#include <new>

#include "base/assert.h"

namespace strata::stream_node {
namespace {

using packed::Position;

constexpr int64_t kElementsSame = 3;   // of an entry, besides values: flags and two differences
constexpr int64_t kElementsOther = 4;  // and the number of fields

int64_t integer_at(Bytes node, Position at) { return packed::get(node, at).integer; }

Position skip(Bytes node, Position at, uint64_t elements) {
  while (elements-- > 0) at = packed::next(node, at);
  return at;
}

bool has_master_fields(Bytes node, std::span<const Bytes> pairs) {
  Position count_at = skip(node, packed::begin(node), 2);
  if (integer_at(node, count_at) != static_cast<int64_t>(pairs.size() / 2)) return false;
  Position at = packed::next(node, count_at);
  for (size_t i = 0; i < pairs.size(); i += 2, at = packed::next(node, at)) {
    Element name = packed::get(node, at);
    if (!name.is_integer ? name.bytes != pairs[i] : !packed::Needle(pairs[i]).equals(name)) return false;
  }
  return true;
}

// Elements to be written at once: on the stack while they are few.
class Elements {
 public:
  explicit Elements(Heap& heap) : heap_(heap) {}
  ~Elements() { heap_.free(large_); }
  Elements(const Elements&) = delete;
  Elements& operator=(const Elements&) = delete;

  [[nodiscard]] bool reserve(size_t count) {
    if (count <= kFew) return true;
    large_ = heap_.allocate(count * sizeof(Element));
    if (large_ == nullptr) return false;
    elements_ = static_cast<Element*>(large_);
    return true;
  }
  void add(const Element& element) { new (&elements_[count_++]) Element(element); }
  void add(int64_t integer) { add(Element::of(integer)); }
  std::span<const Element> span() const { return {elements_, count_}; }

 private:
  static constexpr size_t kFew = 32;

  Heap& heap_;
  void* large_ = nullptr;
  alignas(Element) char few_[kFew * sizeof(Element)];
  Element* elements_ = reinterpret_cast<Element*>(few_);
  size_t count_ = 0;
};

// An integer that takes a single byte is changed where it stands.
bool is_short(Bytes node, Position at) { return static_cast<uint8_t>(node[at]) < 0x80; }
constexpr int64_t kShortMax = 127;

// Reads bytes from outside: every step says whether it was possible.
class Checker {
 public:
  explicit Checker(Bytes node) : node_(node), at_(packed::begin(node)) {}

  bool done() const { return at_ == packed::end(node_); }
  bool integer(int64_t& value) {
    if (done()) return false;
    Element element = packed::get(node_, at_);
    value = element.integer;
    at_ = packed::next(node_, at_);
    return element.is_integer;
  }
  bool integer_between(int64_t& value, int64_t low, int64_t high) {
    return integer(value) && value >= low && value <= high;
  }
  bool skip(int64_t elements) {
    for (; elements > 0; --elements, at_ = packed::next(node_, at_)) {
      if (done()) return false;
    }
    return true;
  }

 private:
  Bytes node_;
  Position at_;
};

bool check_entry(Checker& checker, StreamId master, int64_t master_fields, Summary& seen) {
  int64_t flags, ms, sequence, fields = master_fields, elements;
  if (!checker.integer_between(flags, 0, kDeleted | kSameFields)) return false;
  if (!checker.integer(ms) || !checker.integer(sequence)) return false;
  bool same = (flags & kSameFields) != 0;
  if (!same && !checker.integer_between(fields, 1, kMaxFields)) return false;
  int64_t body = same ? fields : 2 * fields;
  if (!checker.skip(body) || !checker.integer(elements)) return false;
  if (elements != body + (same ? kElementsSame : kElementsOther)) return false;
  StreamId id{master.ms + static_cast<uint64_t>(ms), master.sequence + static_cast<uint64_t>(sequence)};
  bool first = seen.alive + seen.deleted == 0;
  if (first ? id < master : id <= seen.last) return false;
  seen.last = id;
  if ((flags & kDeleted) == 0) seen.last_alive = id;
  ++((flags & kDeleted) != 0 ? seen.deleted : seen.alive);
  return true;
}

}  // namespace

uint32_t alive_count(Bytes node) { return static_cast<uint32_t>(integer_at(node, packed::begin(node))); }

uint32_t deleted_count(Bytes node) {
  return static_cast<uint32_t>(integer_at(node, skip(node, packed::begin(node), 1)));
}

Position fields_begin(Bytes node) { return skip(node, packed::begin(node), 3); }

Position begin(Bytes node) {
  Position count_at = skip(node, packed::begin(node), 2);
  auto fields = static_cast<uint64_t>(integer_at(node, count_at));
  return skip(node, packed::next(node, count_at), fields + 1);
}

Entry entry_at(Bytes node, StreamId master, Position at) {
  Position ms_at = packed::next(node, at);
  Position sequence_at = packed::next(node, ms_at);
  int64_t flags = integer_at(node, at);
  Entry entry{.id = {master.ms + static_cast<uint64_t>(integer_at(node, ms_at)),
                     master.sequence + static_cast<uint64_t>(integer_at(node, sequence_at))},
              .at = at,
              .body = packed::next(node, sequence_at),
              .field_count = 0,
              .deleted = (flags & kDeleted) != 0,
              .same_fields = (flags & kSameFields) != 0};
  Position count_at = entry.same_fields ? skip(node, packed::begin(node), 2) : entry.body;
  entry.field_count = static_cast<uint32_t>(integer_at(node, count_at));
  if (!entry.same_fields) entry.body = packed::next(node, entry.body);
  return entry;
}

Position next(Bytes node, const Entry& entry) {
  return skip(node, entry.body, uint64_t{entry.field_count} * (entry.same_fields ? 1 : 2) + 1);
}

StreamId last_id(Bytes node, StreamId master) {
  return entry_at(node, master, previous(node, packed::end(node))).id;
}

Position seek(Bytes node, StreamId master, StreamId id) {
  Position at = begin(node);
  while (at != packed::end(node)) {
    Entry entry = entry_at(node, master, at);
    if (entry.id >= id) break;
    at = next(node, entry);
  }
  return at;
}

Position previous(Bytes node, Position at) {
  at = packed::prev(node, at);
  for (int64_t elements = integer_at(node, at); elements > 0; --elements) at = packed::prev(node, at);
  return at;
}

bool validate(Bytes node, StreamId master, Summary* summary) {
  if (!packed::validate(node)) return false;
  Checker checker(node);
  int64_t alive, deleted, fields, zero;
  if (!checker.integer_between(alive, 0, UINT32_MAX) || !checker.integer_between(deleted, 0, UINT32_MAX))
    return false;
  if (!checker.integer_between(fields, 1, kMaxFields) || !checker.skip(fields)) return false;
  if (!checker.integer_between(zero, 0, 0)) return false;
  Summary& seen = *summary;
  seen = {};
  while (!checker.done()) {
    if (!check_entry(checker, master, fields, seen)) return false;
  }
  return seen.alive == alive && seen.deleted == deleted;
}

Blob* create(Heap& heap, std::span<const Bytes> pairs, size_t capacity) {
  STRATA_ASSERT(!pairs.empty() && pairs.size() % 2 == 0);
  Elements master(heap);
  if (!master.reserve(4 + pairs.size() / 2)) return nullptr;
  master.add(0);
  master.add(0);
  master.add(static_cast<int64_t>(pairs.size() / 2));
  for (size_t i = 0; i < pairs.size(); i += 2) master.add(Element::of(pairs[i]));
  master.add(0);
  Blob* node = packed::create(heap, capacity);
  if (node == nullptr) return nullptr;
  if (packed::append_all(heap, node, master.span())) return node;
  Blob::destroy(heap, node);
  return nullptr;
}

bool append(Heap& heap, Blob*& node, StreamId master, StreamId id, std::span<const Bytes> pairs) {
  bool same = has_master_fields(node->view(), pairs);
  auto fields = static_cast<int64_t>(pairs.size() / 2);
  Elements entry(heap);
  if (!entry.reserve(pairs.size() + kElementsOther + 1)) return false;
  entry.add(same ? kSameFields : 0);
  entry.add(static_cast<int64_t>(id.ms - master.ms));
  entry.add(static_cast<int64_t>(id.sequence - master.sequence));
  if (!same) entry.add(fields);
  for (size_t i = same ? 1 : 0; i < pairs.size(); i += same ? 2 : 1) entry.add(Element::of(pairs[i]));
  entry.add(same ? fields + kElementsSame : 2 * fields + kElementsOther);
  if (!packed::append_all(heap, node, entry.span())) return false;
  Position count_at = packed::begin(node->view());
  int64_t count = integer_at(node->view(), count_at) + 1;
  if (count <= kShortMax && is_short(node->view(), count_at)) [[likely]] {
    node->bytes[count_at] = static_cast<char>(count);
    return true;
  }
  if (packed::replace(heap, node, count_at, Element::of(count))) return true;
  // The count grew by a byte that the heap did not have: without the entry nothing has happened. After the
  // append nobody has the blob pinned, so this cannot fail.
  Position added = previous(node->view(), packed::end(node->view()));
  bool erased = packed::erase(heap, node, added, static_cast<uint32_t>(entry.span().size()));
  STRATA_ASSERT(erased);
  return false;
}

bool mark_deleted(Heap& heap, Blob*& node, Position at) {
  int64_t flags = integer_at(node->view(), at);
  STRATA_ASSERT((flags & kDeleted) == 0);
  Position begin = packed::begin(node->view());
  Position deleted_at = packed::next(node->view(), begin);
  int64_t alive = integer_at(node->view(), begin) - 1;
  int64_t deleted = integer_at(node->view(), deleted_at) + 1;
  if (deleted <= kShortMax && is_short(node->view(), begin) && is_short(node->view(), deleted_at) &&
      is_short(node->view(), at)) {
    Blob* written = Blob::writable(heap, node, node->size);
    if (written == nullptr) return false;
    node = written;
    node->bytes[begin] = static_cast<char>(alive);
    node->bytes[deleted_at] = static_cast<char>(deleted);
    node->bytes[at] = static_cast<char>(flags | kDeleted);
    return true;
  }
  // Both counters in one change, the only one that may need memory; the flags do not grow.
  Position counters_end = packed::next(node->view(), deleted_at);
  Element counters[2] = {Element::of(alive), Element::of(deleted)};
  if (!packed::splice(heap, node, begin, counters_end, 2, counters)) return false;
  Position moved = at - counters_end + skip(node->view(), begin, 2);
  bool marked = packed::replace(heap, node, moved, Element::of(flags | kDeleted));
  STRATA_ASSERT(marked);
  return true;
}

}  // namespace strata::stream_node
