// Arbitrary bytes as a packed node: refused, or safe to walk, search, change and hand to a list.

#include <cstdlib>
#include <cstring>
#include <string>

#include "base/endian.h"
#include "base/random.h"
#include "data/list.h"
#include "data/packed.h"

using namespace strata;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

Blob* adopt(Heap& heap, Bytes bytes) {
  Blob* blob = Blob::create(heap, bytes.size());
  require(blob != nullptr);
  std::memcpy(blob->bytes, bytes.data(), bytes.size());
  blob->size = static_cast<uint32_t>(bytes.size());
  return blob;
}

void walk(Bytes node) {
  uint32_t forward = 0;
  uint64_t sum = 0;
  for (packed::Cursor cursor(node); !cursor.done(); cursor.next(), forward++) {
    for (char byte : cursor.element().bytes) sum += static_cast<uint8_t>(byte);
    require(packed::find(node, cursor.position(), packed::Needle(cursor.element()), 0) == cursor.position());
  }
  uint32_t backward = 0;
  for (packed::Position at = packed::end(node); at != packed::begin(node); backward++)
    at = packed::prev(node, at);
  require(forward == backward && forward == packed::count(node) && sum != UINT64_MAX);
}

void change(Heap& heap, Blob*& node, Random& random) {
  for (int step = 0; step < 20; step++) {
    uint32_t elements = packed::count(node->view());
    packed::Position at = packed::seek(node->view(), static_cast<int64_t>(random.below(elements + 1)));
    std::string fresh(random.below(80), static_cast<char>('0' + random.below(12)));
    bool at_end = at == packed::end(node->view());
    if (random.one_in(3)) {
      require(packed::erase(heap, node, at, static_cast<uint32_t>(random.below(3))));
    } else if (!at_end && random.one_in(2)) {
      require(packed::replace(heap, node, at, Element::of(Bytes(fresh))));
    } else {
      require(packed::insert(heap, node, at, Element::of(Bytes(fresh))));
    }
    require(packed::validate(node->view()));
  }
}

void use_in_list(Heap& heap, Bytes bytes, Random& random) {
  Value list;
  require(list::create(heap, &list));
  list::Limits limits{static_cast<int32_t>(random.below(8)) - 5};
  for (int copies = 0; copies < 3; copies++)
    require(list::append_node(list, heap, adopt(heap, bytes), false));
  list::settle_encoding(list, heap, limits);
  for (int step = 0; step < 10 && list::length(list) > 0; step++) {
    uint64_t index = random.below(list::length(list));
    Element element;
    require(list::index(list, static_cast<int64_t>(index), &element));
    char scratch[kIntegerTextBytes];
    std::string pivot(element_text(element, scratch));
    packed::Needle needle{Bytes(pivot)};
    if (random.one_in(2)) {
      require(list::insert(list, heap, limits, list::Side::kBefore, needle, Element::of("fresh")) ==
              list::Change::kDone);
    } else {
      list::Removal removal(random.one_in(2) ? 1 : -1);
      require(list::remove_some(list, heap, limits, needle, removal, UINT64_MAX) && removal.removed == 1);
    }
    require(list::pop(list, heap, limits, list::End::kBack, 1, [](const Element&) {}));
  }
  list::destroy(list, heap);
}

void use(Bytes bytes) {
  if (!packed::validate(bytes)) return;
  Heap heap;
  Random random(bytes.size());
  walk(bytes);
  Blob* node = adopt(heap, bytes);
  change(heap, node, random);
  Blob::destroy(heap, node);
  if (!packed::empty(bytes)) use_in_list(heap, bytes, random);
  require(heap.used() == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // An exact heap copy, so that the sanitizer sees any read beyond it.
  std::string bytes(reinterpret_cast<const char*>(data), size);
  use(bytes);
  // Again with an honest header, which a mutator rarely hits upon.
  if (size < packed::kEmptyBytes) return 0;
  store_le32(bytes.data(), static_cast<uint32_t>(size));
  bytes[4] = bytes[5] = bytes.back() = static_cast<char>(0xFF);
  use(bytes);
  return 0;
}
