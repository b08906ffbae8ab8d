#include "persistence/rdb_producers.h"

#include "base/endian.h"
#include "persistence/rdb_builders.h"
#include "persistence/rdb_stream.h"

namespace strata {
namespace {

void put64(std::string& out, uint64_t value) {
  char bytes[8];
  store_le64(bytes, value);
  out.append(bytes, sizeof bytes);
}

void put_sized(std::string& out, Bytes text) {
  char bytes[4];
  store_le32(bytes, static_cast<uint32_t>(text.size()));
  out.append(bytes, sizeof bytes);
  out.append(text);
}

// Takes the front off; false when there is less.
bool take(Bytes& text, size_t size, Bytes* out) {
  if (text.size() < size) return false;
  *out = text.substr(0, size);
  text.remove_prefix(size);
  return true;
}
bool take64(Bytes& text, uint64_t* out) {
  Bytes bytes;
  if (!take(text, 8, &bytes)) return false;
  *out = load_le64(bytes.data());
  return true;
}
bool take_sized(Bytes& text, Bytes* out) {
  Bytes size;
  return take(text, 4, &size) && take(text, load_le32(size.data()), out);
}

}  // namespace

std::string rdb_producers_text(const StreamProducers& producers) {
  std::string out;
  put64(out, producers.duration_s());
  put64(out, producers.entries_max());
  put64(out, producers.added_count());
  put64(out, producers.duplicate_count());
  producers.visit([&](Bytes producer, Bytes idempotent_id, StreamId entry) {
    put_sized(out, producer);
    put_sized(out, idempotent_id);
    char id[kRdbStreamIdBytes];
    rdb_store_stream_id(id, entry);
    out.append(id, sizeof id);
  });
  return out;
}

Status rdb_read_producers(Heap& heap, Bytes text, StreamProducers& producers) {
  uint64_t duration_s, entries_max, added, duplicates;
  if (!take64(text, &duration_s) || !take64(text, &entries_max) || !take64(text, &added) ||
      !take64(text, &duplicates))
    return rdb_corrupt("a stream's producers");
  if (duration_s == 0 || duration_s > kIdempotenceSecondsMax || entries_max == 0 ||
      entries_max > kIdempotenceEntriesMax)
    return rdb_corrupt("limits of a stream's producers");
  if (!producers.configure(heap, duration_s, entries_max)) return rdb_no_memory();
  constexpr int64_t kNothingIsTooOld = 0;
  Bytes last_producer;
  StreamId last_entry;
  for (bool is_first = true; !text.empty(); is_first = false) {
    Bytes producer, idempotent_id, id;
    if (!take_sized(text, &producer) || !take_sized(text, &idempotent_id) ||
        !take(text, kRdbStreamIdBytes, &id))
      return rdb_corrupt("a stream's producers");
    const StreamId entry{load_be64(id.data()), load_be64(id.data() + 8)};
    const bool is_same = !is_first && producer == last_producer;
    if (!is_first && (is_same ? entry <= last_entry : producer <= last_producer))
      return rdb_corrupt("a stream's producers out of order");
    if (producers.find(producer, idempotent_id, kNothingIsTooOld))
      return rdb_corrupt("an idempotent ID comes twice");
    if (!producers.record(heap, producer, idempotent_id, entry, kNothingIsTooOld)) return rdb_no_memory();
    last_producer = producer;
    last_entry = entry;
  }
  producers.set_counts(added, duplicates);
  return {};
}

Status rdb_read_dumped_producers(Heap& heap, Bytes behind, StreamProducers& producers) {
  if (behind.empty() || static_cast<RdbOpcode>(behind[0]) != RdbOpcode::kAux) return {};
  RdbInput input(behind.substr(1), 0);
  std::string name_scratch, text_scratch;
  Bytes name, text;
  if (!input.string(&name, name_scratch) || name != kRdbProducersField) return {};
  if (!input.string(&text, text_scratch)) return std::unexpected(input.error());
  return rdb_read_producers(heap, text, producers);
}

}  // namespace strata
