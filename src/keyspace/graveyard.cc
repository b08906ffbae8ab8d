#include "keyspace/graveyard.h"

#include "memory/heap.h"

namespace strata {

TurnGate::TurnGate(size_t thread_count) : thread_count_(thread_count), slots_(new Slot[thread_count]) {}

bool TurnGate::passed(uint64_t stamp) const {
  for (size_t i = 0; i < thread_count_; ++i) {
    if (slots_[i].reached.load(std::memory_order_seq_cst) < stamp) return false;
  }
  return true;
}

Graveyard::~Graveyard() {
  for (const Grave& grave : graves_) heap_->free(grave.block);
}

void Graveyard::bury(void* block) {
  if (gate_->thread_count() == 1) {
    heap_->free(block);
  } else {
    graves_.push_back({block, gate_->stamp()});
  }
}

void Graveyard::clear_passed() {
  size_t freed = 0;
  while (freed < graves_.size() && gate_->passed(graves_[freed].stamp)) heap_->free(graves_[freed++].block);
  graves_.erase(graves_.begin(), graves_.begin() + static_cast<ptrdiff_t>(freed));
}

}  // namespace strata
