#include "keyspace/field_timers.h"

namespace strata {
namespace {

// Fields that cannot go yet, because the hash is latched or being saved, are looked at again after this.
constexpr int64_t kRetryMs = 10;

}  // namespace

void FieldTimers::note(Bytes key, int64_t first_ms, int64_t now_ms) {
  auto found = timers_.find(key);
  if (found == timers_.end()) {
    found = timers_.emplace(std::string(key), Timer{{}, std::string(key)}).first;
  } else if (found->second.link.deadline_ms == first_ms) {
    return;
  } else {
    wheel_.remove(found->second.link);
  }
  found->second.link.deadline_ms = first_ms;
  wheel_.add(found->second.link, now_ms);
}

void FieldTimers::forget(Bytes key) {
  auto found = timers_.find(key);
  if (found == timers_.end()) return;
  wheel_.remove(found->second.link);
  timers_.erase(found);
}

void FieldTimers::clear() {
  wheel_.clear();
  timers_.clear();
}

bool FieldTimers::advance(int64_t now_ms, size_t budget, FunctionRef<bool(Bytes key)> expire) {
  return wheel_.advance(now_ms, budget, [&](ExpiryLink& link) {
    const std::string key = reinterpret_cast<Timer&>(link).key;  // the timer may go
    wheel_.add(link, now_ms);                                    // for note() and forget() to take out
    if (expire(key)) return;
    wheel_.remove(link);
    wheel_.postpone(link, now_ms + kRetryMs);
  });
}

}  // namespace strata
