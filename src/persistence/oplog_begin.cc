#include "base/crash_point.h"
#include "persistence/oplog_impl.h"

namespace strata {

// While all shards are held. Its threads find nothing to do meanwhile.
void OpLog::Impl::begin() {
  std::scoped_lock one_at_a_time(sync_mutex_);
  STRATA_ASSERT(standing() == Standing::kOff, "a log that is on");
  lock_.lock();
  counts_.store(false, std::memory_order_release);
  writer_.begin_anew();
  unlock();
  policy_ = wanted_policy_.load();  // which may have changed while it had failed
  last_sync_began_us_ = clock_.monotonic_us();
  oldest_history_ = kNoHistory;
  base_bytes_ = 0;
  earlier_bytes_ = 0;
  standing_.store(Standing::kBeginning, std::memory_order_release);
}

// In place of a rotation. The manifest remembers it here, and on disk when there is a base.
Status OpLog::Impl::create_first_increment() {
  TRY_ASSIGN(BeginningLog log, prepare_beginning(fs_, location_, writer_.position()));
  tried_seq_ = std::max(tried_seq_ + 1, log.seq);
  const LogOpening opening{.position = log.position, .salt = splitmix64(salt_state_)};
  increment_seq_ = tried_seq_;
  TRY_ASSIGN(File file, create_increment(fs_, location_, tried_seq_, opening));
  STRATA_CRASH_POINT("beginning.after_increment");
  manifest_ = std::move(log.manifest);
  manifest_.increments.push_back({increment_name(location_, tried_seq_), tried_seq_});
  increment_position_ = opening.position;
  writer_.attach(std::move(file), kOpeningBytes, opening.position, opening.salt);
  return {};
}

// The manifest names it. What fails here is tried again by the next start, and does no harm.
void OpLog::Impl::finish_beginning() {
  STRATA_CRASH_POINT("beginning.after_manifest");
  static_cast<void>(fs_.remove(location_.beginning_path()));
  is_doubt_owed_ = false;
  static_cast<void>(fs_.remove(location_.doubt_path()));
  static_cast<void>(fs_.sync_directory(location_.log_directory()));
  static_cast<void>(remove_orphans(fs_, location_, manifest_));
  come_into_force();
  notify();
}

Status OpLog::Impl::end() {
  std::scoped_lock one_at_a_time(sync_mutex_);
  if (standing() == Standing::kOff) return {};
  const bool is_in_force = standing() == Standing::kInForce;
  Status ended = is_in_force ? sync_locked() : Status{};
  lock_.lock();
  if (is_in_force && ended) ended = writer_.seal();
  STRATA_CRASH_POINT("ending.after_seal");
  writer_.detach();
  unlock();
  if (!is_in_force) {
    static_cast<void>(without_throwing(
        "undoing", [this]() -> Status { return undo_beginning(fs_, location_, increment_seq_), Status(); }));
  }
  standing_.store(Standing::kOff, std::memory_order_release);
  notify();
  return ended;
}

}  // namespace strata
