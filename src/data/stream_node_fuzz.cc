// Stream nodes as RDB files and RESTORE bring them: refused, or sound. The first eight bytes are the master's
// ms, the next eight its sequence; the rest is the node. What is adopted must bear every operation.

#include <algorithm>
#include <vector>

#include "base/assert.h"
#include "base/endian.h"
#include "data/stream.h"
#include "data/stream_copy.h"

namespace strata {
namespace {

constexpr size_t kInputBytesMax = 1 << 16;
constexpr size_t kIdBytes = 16;

std::vector<StreamId> ids_of(const StreamValue& stream, StreamCursor::Order order) {
  std::vector<StreamId> ids;
  for (StreamCursor at(stream, kStreamIdMin, kStreamIdMax, order); !at.done(); at.next()) {
    uint64_t bytes = 0;
    uint32_t fields = 0;
    at.visit([&](const Element& field, const Element& value) {
      for (char c : field.bytes) bytes += static_cast<uint8_t>(c);
      for (char c : value.bytes) bytes += static_cast<uint8_t>(c);
      ++fields;
    });
    STRATA_ASSERT(fields == at.field_count());
    ids.push_back(at.id());
  }
  STRATA_ASSERT(ids.size() == stream.length());
  return ids;
}

void use(Heap& heap, StreamValue& stream, const stream_node::Summary& summary) {
  std::vector<StreamId> ids = ids_of(stream, StreamCursor::Order::kUp);
  std::vector<StreamId> backwards = ids_of(stream, StreamCursor::Order::kDown);
  STRATA_ASSERT(std::equal(ids.rbegin(), ids.rend(), backwards.begin(), backwards.end()));
  STRATA_ASSERT(!ids.empty() && ids.back() == summary.last_alive);

  StreamCopy copying(stream, heap);
  STRATA_ASSERT(*copying.step(SIZE_MAX));
  StreamValue* copy = copying.take();
  stream.set_last_id(summary.last);
  if (auto id = next_id(summary.last)) {
    const Bytes pairs[] = {"field", "value"};
    STRATA_ASSERT(stream.append(heap, {}, *id, pairs));
    ids.push_back(*id);
  }
  for (size_t i = 0; i < ids.size(); i += 2) STRATA_ASSERT(*stream.erase(heap, ids[i]));
  for (size_t i = 0; i < ids.size(); ++i) STRATA_ASSERT(stream.contains(ids[i]) == (i % 2 == 1));
  ids_of(stream, StreamCursor::Order::kDown);

  StreamTrim trim{.length_max = copy->length() / 2};
  STRATA_ASSERT(copy->trim_some(heap, trim, UINT64_MAX) && trim.done);
  STRATA_ASSERT(copy->length() == trim.length_max);
  ids_of(*copy, StreamCursor::Order::kUp);
  StreamValue::destroy(heap, copy);
}

void try_node(Bytes input) {
  const StreamId master{load_be64(input.data()), load_be64(input.data() + 8)};
  const Bytes bytes = input.substr(kIdBytes);
  stream_node::Summary summary;
  if (!stream_node::validate(bytes, master, &summary) || summary.alive == 0) return;
  Heap heap;
  StreamValue* stream = StreamValue::create(heap);
  Blob* node = Blob::create(heap, bytes.size());
  bytes.copy(node->bytes, bytes.size());
  node->size = static_cast<uint32_t>(bytes.size());
  STRATA_ASSERT(stream->append_node(heap, master, node));
  use(heap, *stream, summary);
  StreamValue::destroy(heap, stream);
  STRATA_ASSERT(heap.used() == 0);
}

}  // namespace
}  // namespace strata

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < strata::kIdBytes || size > strata::kInputBytesMax) return 0;
  strata::try_node(strata::Bytes(reinterpret_cast<const char*>(data), size));
  return 0;
}
