#include "keyspace/waiters.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace strata {

std::string WaiterTable::name_of(uint16_t db, Bytes key) {
  std::string name(sizeof db, '\0');
  std::memcpy(name.data(), &db, sizeof db);
  name.append(key);
  return name;
}

uint16_t WaiterTable::name_db(const std::string& name) {
  uint16_t db;
  std::memcpy(&db, name.data(), sizeof db);
  return db;
}

void WaiterTable::add(uint16_t db, Bytes key, WaitWish wish, std::shared_ptr<KeyWaiter> waiter) {
  Queue& queue = queues_[name_of(db, key)];
  // One client registers all its keys at once, so if it is here it is the newest.
  auto& registrations = queue.registrations_;
  if (!registrations.empty() && registrations.back().waiter == waiter) return;
  STRATA_ASSERT(static_cast<size_t>(wish.type) < Queue::kTypes);
  registrations.push_back({std::move(waiter), wish});
  ++queue.of_type_[static_cast<size_t>(wish.type)];
  queue.on_deletion_ += wish.on_deletion;
  key_count_.store(static_cast<uint32_t>(queues_.size()), std::memory_order_relaxed);
}

std::list<WaiterTable::Registration>::iterator WaiterTable::erase(Queue& queue,
                                                                  std::list<Registration>::iterator at) {
  --queue.of_type_[static_cast<size_t>(at->wish.type)];
  queue.on_deletion_ -= at->wish.on_deletion;
  return queue.registrations_.erase(at);
}

void WaiterTable::remove(uint16_t db, Bytes key, const KeyWaiter& waiter) {
  Queue* queue = find(db, key);
  if (!queue) return;
  auto& registrations = queue->registrations_;
  auto found = std::find_if(registrations.begin(), registrations.end(),
                            [&](const Registration& other) { return other.waiter.get() == &waiter; });
  if (found != registrations.end()) erase(*queue, found);
  drop_if_empty(db, key);
}

WaiterTable::Queue* WaiterTable::find(uint16_t db, Bytes key) {
  auto found = queues_.find(name_of(db, key));
  return found == queues_.end() ? nullptr : &found->second;
}

void WaiterTable::note_gone(uint16_t db, Bytes key) {
  const Queue* queue = find(db, key);
  if (queue && queue->wants(std::nullopt)) gone_.emplace_back(db, key);
}

void WaiterTable::drop_if_empty(uint16_t db, Bytes key) {
  auto found = queues_.find(name_of(db, key));
  if (found == queues_.end() || !found->second.registrations_.empty()) return;
  queues_.erase(found);
  key_count_.store(static_cast<uint32_t>(queues_.size()), std::memory_order_relaxed);
}

}  // namespace strata
