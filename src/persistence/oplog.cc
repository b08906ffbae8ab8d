#include "persistence/oplog.h"

#include <utility>

#include "base/no_memory.h"
#include "persistence/oplog_impl.h"

namespace strata {

OpLog::OpLog(LogRing ring) : ring_(std::move(ring)) {}
OpLog::~OpLog() = default;

Result<std::unique_ptr<OpLog>> OpLog::open(FileSystem& fs, const AofLocation& location,
                                           const OpLogOptions& options, const AofReport& recovered) {
  TRY_ASSIGN(LogRing ring, LogRing::create(options.ring));
  return without_throwing("no memory to begin the log", [&]() -> Result<std::unique_ptr<OpLog>> {
    std::unique_ptr<OpLog> log(new OpLog(std::move(ring)));
    log->impl_ = std::make_unique<Impl>(fs, location, options, log->ring_, log->is_behind_);
    TRY(log->impl_->open(recovered));
    return log;
  });
}

Result<std::unique_ptr<OpLog>> OpLog::make_off(FileSystem& fs, const AofLocation& location,
                                               const OpLogOptions& options) {
  TRY_ASSIGN(LogRing ring, LogRing::create(options.ring));
  return without_throwing("no memory for a log", [&]() -> Result<std::unique_ptr<OpLog>> {
    std::unique_ptr<OpLog> log(new OpLog(std::move(ring)));
    log->impl_ = std::make_unique<Impl>(fs, location, options, log->ring_, log->is_behind_);
    return log;
  });
}

uint64_t OpLog::append_record(RecordBuilder& builder) {
  const Bytes record = builder.finish();
  if (record.empty()) return appended_sequence();
  return ring_.append(builder.first_db(), builder.last_db(), record);
}

uint64_t OpLog::append_group(uint16_t db, std::span<const std::span<const Bytes>> commands) {
  RecordBuilder builder;
  for (std::span<const Bytes> args : commands) builder.add(db, args);
  return append_record(builder);
}

uint64_t OpLog::acknowledged_sequence() const {
  return policy() == SyncPolicy::kAlways ? durable_sequence() : written_sequence();
}

void OpLog::commit_inline() { impl_->commit_inline(); }
void OpLog::commit_alone() { impl_->commit_alone(); }
void OpLog::request_sync(uint64_t sequence) { impl_->request_sync(sequence); }
void OpLog::request_write() { impl_->request_write(); }
uint64_t OpLog::written_sequence() const { return impl_->writer().written_sequence(); }
uint64_t OpLog::durable_sequence() const { return impl_->writer().durable_sequence(); }
bool OpLog::syncs_quickly() const { return impl_->syncs_quickly(); }
bool OpLog::failed() const { return impl_->writer().failed(); }
Error OpLog::failure() const { return impl_->writer().failure(); }
SyncPolicy OpLog::policy() const { return impl_->policy(); }
void OpLog::look_at_clock() { impl_->look_at_clock(); }
void OpLog::set_policy(SyncPolicy policy) { impl_->set_policy(policy); }
void OpLog::set_retention(uint64_t seconds) { impl_->set_retention(seconds); }
void OpLog::set_names_times(bool names) { impl_->set_names_times(names); }
OpLogStats OpLog::stats() const { return impl_->stats(); }
void OpLog::set_on_progress(std::function<void()> callback) { impl_->set_on_progress(std::move(callback)); }
void OpLog::set_on_no_filler(std::function<void(const Error&)> callback) {
  impl_->set_on_no_filler(std::move(callback));
}
OpLog::Standing OpLog::standing() const { return impl_->standing(); }
bool OpLog::is_durable(uint64_t sequence) const {
  return impl_->counts() && sequence <= impl_->writer().durable_sequence();
}
void OpLog::begin() { impl_->begin(); }
Status OpLog::end() { return impl_->end(); }
void OpLog::start() { impl_->start(); }
Status OpLog::stop() { return impl_->stop(); }
Status OpLog::rotate() { return impl_->rotate(); }
void OpLog::mark_rotation() { impl_->mark_rotation(); }
void OpLog::forget_rotation() { impl_->forget_rotation(); }
Status OpLog::resume(std::string_view temporary) { return impl_->resume(temporary); }
Status OpLog::adopt_base(std::string_view temporary, uint64_t first_increment) {
  return impl_->adopt_base(temporary, first_increment);
}
void OpLog::step_history() { impl_->look_after_files(); }
Status OpLog::step_sync() { return impl_->sync_once(); }
Status OpLog::step_prefill() { return impl_->prefill_chunk(); }

Status OpLog::step_write() {
  impl_->write_now();
  impl_->notify();
  return impl_->status();
}

}  // namespace strata
