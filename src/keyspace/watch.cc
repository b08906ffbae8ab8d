#include "keyspace/watch.h"

#include <algorithm>
#include <cstring>

namespace strata {

std::string WatchTable::name_of(uint16_t db, Bytes key) {
  std::string name(sizeof db, '\0');
  std::memcpy(name.data(), &db, sizeof db);
  name.append(key);
  return name;
}

uint16_t WatchTable::name_db(const std::string& name) {
  uint16_t db;
  std::memcpy(&db, name.data(), sizeof db);
  return db;
}

void WatchTable::add(uint16_t db, Bytes key, WatchMark* mark) {
  auto& marks = marks_[name_of(db, key)];
  if (std::find(marks.begin(), marks.end(), mark) == marks.end()) marks.push_back(mark);
}

void WatchTable::remove(uint16_t db, Bytes key, WatchMark* mark) {
  auto found = marks_.find(name_of(db, key));
  if (found == marks_.end()) return;
  std::erase(found->second, mark);
  if (found->second.empty()) marks_.erase(found);
}

void WatchTable::touch_slow(uint16_t db, Bytes key) {
  auto found = marks_.find(name_of(db, key));
  if (found == marks_.end()) return;
  for (WatchMark* mark : found->second) mark->touched.store(true, std::memory_order_release);
}

}  // namespace strata
