#include "keyspace/entry.h"

#include "data/hash.h"
#include "data/hash_deadlines.h"
#include "data/list.h"
#include "data/set.h"
#include "data/stream.h"
#include "data/zset.h"
#include "memory/heap.h"

namespace strata {

size_t memory_usage(const Entry& entry, size_t samples) {
  size_t bytes = Heap::usable_size(&entry);
  switch (entry.type()) {
    case Type::kString:
      if (entry.encoding() == Encoding::kRaw)
        bytes += Heap::usable_size(reinterpret_cast<Blob*>(entry.word()));
      return bytes;
    case Type::kList:
      return bytes + list::memory_bytes(entry.value());
    case Type::kHash:
      return bytes + hash_memory(entry.value(), samples);
    case Type::kSet:
      return bytes + set_memory(entry.value(), samples);
    case Type::kZset:
      return bytes + zset_memory(entry.value(), samples);
    case Type::kStream:
      return bytes + StreamValue::of(entry.value()).memory(samples);
  }
  return bytes;
}

const char* encoding_name(const Entry& entry) {
  switch (entry.encoding()) {
    case Encoding::kInt:
      return "int";
    case Encoding::kInline:
    case Encoding::kRaw:
      return entry.string().bytes.size() <= kEmbstrReportMax && !(entry.flags & Entry::kReportsRaw) ? "embstr"
                                                                                                    : "raw";
    case Encoding::kListpack:
      return "listpack";
    case Encoding::kQuicklist:
      return "quicklist";
    case Encoding::kIntset:
      return "intset";
    case Encoding::kTable:
      return "hashtable";
    case Encoding::kTree:
      return "skiplist";
    case Encoding::kTimed:
      return plain_hash(entry.value()).encoding == Encoding::kListpack ? "listpackex" : "hashtable";
    case Encoding::kStream:
      return "stream";
  }
  return "raw";
}

}  // namespace strata
