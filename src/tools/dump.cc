#include "tools/dump.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "persistence/rdb_reader.h"
#include "text/quote.h"

namespace strata {
namespace {

const char* type_name(RdbType type) {
  switch (type) {
    case RdbType::kString:
      return "string";
    case RdbType::kList:
    case RdbType::kListZiplist:
    case RdbType::kListQuicklist:
    case RdbType::kListQuicklist2:
      return "list";
    case RdbType::kSet:
    case RdbType::kSetIntset:
    case RdbType::kSetListpack:
      return "set";
    case RdbType::kZset:
    case RdbType::kZset2:
    case RdbType::kZsetZiplist:
    case RdbType::kZsetListpack:
      return "zset";
    default:
      return "hash";
  }
}

struct Counts {
  uint64_t keys = 0;
  uint64_t bytes = 0;
};

struct Big {
  uint64_t bytes;
  std::string key;
  uint16_t db;
  const char* type;
};

bool is_bigger(const Big& a, const Big& b) { return a.bytes > b.bytes; }

}  // namespace

Result<nlohmann::json> describe_dump(FileSystem& fs, const std::string& path, size_t biggest_count) {
  TRY_ASSIGN(File file, fs.open(path, OpenMode::kRead));
  TRY_ASSIGN(const uint64_t size, file.size());
  RdbReader reader(file, 0, size);
  std::map<std::string, Counts> types;
  std::set<uint16_t> databases;
  std::vector<Big> biggest;  // a heap, the smallest first
  uint64_t keys = 0;
  uint64_t deadlines = 0;
  for (RdbRecord record{};;) {
    TRY_ASSIGN(const bool more, reader.next(&record));
    if (!more) break;
    const char* type = type_name(record.type);
    const uint64_t bytes = record.key.size() + record.payload.size();
    ++keys;
    deadlines += record.deadline_ms != kRdbNoDeadline;
    databases.insert(record.db);
    Counts& of_type = types[type];
    ++of_type.keys;
    of_type.bytes += bytes;
    if (biggest.size() == biggest_count && (biggest_count == 0 || bytes <= biggest.front().bytes)) continue;
    if (biggest.size() == biggest_count) {
      std::pop_heap(biggest.begin(), biggest.end(), is_bigger);
      biggest.pop_back();
    }
    biggest.push_back({bytes, quote(record.key), record.db, type});
    std::push_heap(biggest.begin(), biggest.end(), is_bigger);
  }
  std::sort(biggest.begin(), biggest.end(), is_bigger);
  nlohmann::json out = {{"path", path}, {"databases", databases.size()}, {"keys", keys}};
  out["keys_with_expiry"] = deadlines;
  out["types"] = nlohmann::json::object();
  for (const auto& [type, counts] : types)
    out["types"][type] = {{"keys", counts.keys}, {"bytes", counts.bytes}};
  out["biggest"] = nlohmann::json::array();
  for (const Big& big : biggest) {
    out["biggest"].push_back(
        {{"key", big.key}, {"database", big.db}, {"type", big.type}, {"bytes", big.bytes}});
  }
  return out;
}

std::string dump_text(const nlohmann::json& dump) {
  std::string out = fmt::format("{} keys in {} databases, {} with expiry\n", dump["keys"].get<uint64_t>(),
                                dump["databases"].get<uint64_t>(), dump["keys_with_expiry"].get<uint64_t>());
  for (const auto& [type, counts] : dump["types"].items()) {
    out += fmt::format("  {:8} {:>12} keys {:>16} bytes stored\n", type, counts["keys"].get<uint64_t>(),
                       counts["bytes"].get<uint64_t>());
  }
  out += "biggest:\n";
  for (const nlohmann::json& big : dump["biggest"]) {
    out += fmt::format("  {:>12} bytes  {:8} db{} {}\n", big["bytes"].get<uint64_t>(),
                       big["type"].get<std::string>(), big["database"].get<uint64_t>(),
                       big["key"].get<std::string>());
  }
  return out;
}

}  // namespace strata
