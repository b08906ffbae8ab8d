#include "server/connection.h"

#include <utility>

#include "platform/clock.h"
#include "platform/socket.h"
#include "server/dispatcher.h"
#include "server/empty_dump.h"
#include "server/server.h"
#include "server/worker.h"

namespace strata {
Connection::Connection(Worker& worker, std::unique_ptr<Stream> stream)
    : worker_(worker), stream_(std::move(stream)), reply_(output_) {
  session_.server = &worker.server();
  session_.worker = &worker;
  session_.connection = this;
  stream_->set_foresight(this);
}

Connection::~Connection() = default;

void Connection::Resumption::cancel() {
  settle();
  if (connection_.waiting_ == this) connection_.waiting_ = nullptr;
  loop().defer(this);
}

bool Connection::Resumption::start() {
  connection_.waiting_ = this;
  return true;
}

QueuedJob& Connection::make_job() {
  job_ = std::make_unique<QueuedJob>(*this);
  stall_ = Stall::kJob;
  return *job_;
}

// A queued job refers to this connection, so the coroutine does not end before the job has.
Task<void> Connection::serve() {
  while (stall_ == Stall::kJob || !closing_) {
    bool must_wait = stall_ != Stall::kNone || (close_after_reply_ && !is_draining_);
    if (must_wait) {
      Resumption resumption(*this);
      co_await resumption;
      continue;
    }
    if (runnable_input_ && !is_draining_) {
      receive({});
      continue;
    }
    auto received = co_await stream_->receive();
    // Who has finished sending may still read what was executed in this turn.
    bool leaves_in_peace = received && received->empty() && !output_.empty();
    if (leaves_in_peace) {
      close_after_reply();
      continue;
    }
    if (!received || received->empty()) break;
    if (!close_after_reply_) receive(*received);
  }
  closing_ = true;
  worker_.remove(*this);
}

void Connection::resume() {
  job_.reset();
  // What a job brought may be too much, and on a hot shard there is one job after the other.
  if (is_over_output_limit() && !closing_) {
    stall_ = Stall::kOutputFull;
    worker_.mark_dirty(*this);
    return;
  }
  stall_ = Stall::kNone;
  if (waiting_) worker_.loop().defer(std::exchange(waiting_, nullptr));
}

void Connection::on_foreseen(Bytes bytes, ForesightPass pass) {
  if (pass == ForesightPass::kFirst) {
    foreseen_ = {};
    if (!pending_input_.empty()) return;
    if (Bytes key = peek_second_argument(bytes); key.data())
      foreseen_ = worker_.dispatcher().foresee(key, session_);
  } else if (foreseen_.hash != 0) {
    worker_.dispatcher().foresee_entry(foreseen_, session_);
  }
}

void Connection::receive(Bytes bytes) {
  if (!bytes.empty()) {
    session_.active_at_ms.store(worker_.loop().wall_ms(), std::memory_order_relaxed);
    session_.total_input_bytes.store(
        session_.total_input_bytes.load(std::memory_order_relaxed) + bytes.size(), std::memory_order_relaxed);
    worker_.metrics().input_bytes.add(bytes.size());
    worker_.metrics().reads_processed.add();
  }
  runnable_input_ = false;
  if (pending_input_.empty()) {
    const size_t consumed = worker_.dispatcher().run(*this, bytes);
    if (consumed < bytes.size() && !closing_ && !pending_input_.append(bytes.substr(consumed), 0))
      return close_now();
  } else {
    if (!pending_input_.append(bytes, parser_.needed_bytes())) return close_now();
    const size_t waiting = pending_input_.size();
    if (waiting < parser_.needed_bytes()) return publish_sizes();
    if (waiting > worker_.server().options().client_query_buffer_limit.load(std::memory_order_relaxed))
      return close_now();
    pending_input_.consume(worker_.dispatcher().run(*this, pending_input_.bytes()));
  }
  // Stopped by a stall: what is left may hold whole commands. Else it is the beginning of one.
  if (stall_ != Stall::kNone) runnable_input_ = !pending_input_.empty();
  if (is_over_output_limit() && stall_ == Stall::kNone) stall_ = Stall::kOutputFull;
  if (!output_.empty() || close_after_reply_) worker_.mark_dirty(*this);
  publish_sizes();
}

void Connection::wait_for_log(uint64_t from_byte, uint64_t sequence) {
  const Durability level = session_.durability_now;
  if (level == Durability::kDisk) worker_.want_sync(sequence);
  if (level == Durability::kMemory) worker_.want_write();
  // Bytes leave in their order: a mark that comes later and asks for no more has no effect.
  if (!marks_.empty()) {
    const Mark& last = marks_.back();
    const bool is_as_strong = last.level == level || last.level == Durability::kDisk;
    if (!last.is_for_dump && is_as_strong && last.sequence >= sequence) return;
  }
  marks_.push_back({from_byte, sequence, level});
}

void Connection::wait_for_dump(uint64_t from_byte, uint64_t number) {
  marks_.push_back({from_byte, number, Durability::kDisk, true});
}

bool Connection::is_met(const Mark& mark) const {
  if (mark.is_for_dump) return worker_.server().empty_dump().has_written(mark.sequence);
  const OpLog& log = *worker_.server().log_switch().last_log();
  switch (mark.level) {
    case Durability::kNone:
      return true;
    case Durability::kMemory:
      return mark.sequence <= log.written_sequence();
    case Durability::kDisk:
      return log.is_durable(mark.sequence);
    case Durability::kPolicy:
      break;
  }
  if (mark.sequence <= log.acknowledged_sequence()) return true;
  // A log that could not be begun never counted.
  return log.failed() && log.standing() == OpLog::Standing::kBeginning;
}

// What it still waits for will not come. Of a dump one hears in any case.
bool Connection::waits_in_vain() const {
  if (marks_.front().is_for_dump) return false;
  const OpLog& log = *worker_.server().log_switch().last_log();
  return log.failed() || log.standing() == OpLog::Standing::kOff;
}

bool Connection::is_log_wait_over() const { return marks_.empty() || is_met(marks_.front()); }

uint64_t Connection::sendable_bytes() {
  if (marks_.empty()) return output_.size();
  while (!marks_.empty() && is_met(marks_.front())) marks_.pop_front();
  if (marks_.empty()) return output_.size();
  return marks_.front().from_byte - output_.consumed_total();
}

void Connection::flush() {
  if (closing_ || is_send_pending_ || is_draining_) return;
  uint64_t sendable = sendable_bytes();
  if (!marks_.empty()) {
    if (waits_in_vain()) return fail_log_waiters();
    worker_.wait_for_log(*this);
  }
  if (sendable == 0) {
    if (close_after_reply_ && output_.empty()) end_sending();
    return;
  }
  std::span<Bytes> slices(few_slices_);
  if (output_.allocated_bytes() > kFewSlicesBytes) {
    if (!many_slices_) many_slices_ = std::make_unique<Bytes[]>(kSlicesPerSend);
    slices = {many_slices_.get(), kSlicesPerSend};
  }
  size_t count = output_.gather(slices, sendable);
  is_send_pending_ = true;
  sent_bytes_seen_ms_ = worker_.loop().wall_ms();
  stream_->start_send(slices.first(count), this);
}

// The log failed: what waits for it is not known to be durable. Replies that promised it are replaced by the
// error, and the connection ends, because its client can no longer tell which of its commands took effect.
void Connection::fail_log_waiters() {
  marks_.clear();
  output_.clear();
  reply_.error("MISCONF Errors writing to the AOF file: this write is not known to be durable");
  has_unread_commands_ = true;
  close_after_reply();
  flush();
}

// Closing a socket that holds unread bytes resets the connection, and the other side loses replies that it
// has not read yet. So when more commands may be on their way, only the sending side ends; what comes is
// thrown away until the client ends its side, or has had its time.
void Connection::end_sending() {
  if (!has_unread_commands_) return close_now();
  is_draining_ = true;
  drained_until_ms_ = worker_.loop().wall_ms() + kDrainMs;
  shutdown_socket(stream_->handle(), ShutdownHow::kSend);
  if (stall_ == Stall::kNone && waiting_) worker_.loop().defer(std::exchange(waiting_, nullptr));
}

bool Connection::is_stuck(int64_t now_ms, int64_t stall_ms) {
  if (!is_send_pending_ || stream_->sent_bytes() != sent_bytes_seen_) {
    sent_bytes_seen_ = stream_->sent_bytes();
    sent_bytes_seen_ms_ = now_ms;
  }
  return now_ms - sent_bytes_seen_ms_ > stall_ms;
}

void Connection::retire() {
  if (is_send_pending_) {
    is_retired_ = true;
  } else {
    worker_.loop().post([this] { delete this; });
  }
}

void Connection::on_sent(Result<size_t> sent) {
  is_send_pending_ = false;
  if (is_retired_) {
    worker_.loop().post([this] { delete this; });
    return;
  }
  if (!sent) return close_now();
  output_.consume(*sent);
  worker_.metrics().output_bytes.add(*sent);
  worker_.metrics().writes_processed.add();
  session_.total_output_bytes.store(session_.total_output_bytes.load(std::memory_order_relaxed) + *sent,
                                    std::memory_order_relaxed);
  if (output_.empty()) {
    many_slices_.reset();
    if (close_after_reply_) return end_sending();
  } else {
    worker_.mark_dirty(*this);
  }
  if (stall_ == Stall::kOutputFull && output_.size() < kOutputPauseBytes / 2) resume();
  publish_sizes();
}

void Connection::publish_sizes() {
  // A queued job may be using the transaction.
  size_t transaction_bytes = stall_ == Stall::kJob ? 0 : session_.transaction.memory_bytes;
  session_.input_bytes.store(pending_input_.size(), std::memory_order_relaxed);
  session_.output_bytes.store(output_.size(), std::memory_order_relaxed);
  session_.memory_bytes.store(sizeof(Connection) + pending_input_.allocated_bytes() +
                                  output_.allocated_bytes() + transaction_bytes + parser_.allocated_bytes(),
                              std::memory_order_relaxed);
}

bool Connection::exceeds(const OutputLimit& limit, int64_t now_ms) {
  size_t bytes = output_.allocated_bytes();
  if (limit.hard_bytes > 0 && bytes > limit.hard_bytes) return true;
  if (limit.soft_bytes == 0 || bytes <= limit.soft_bytes) {
    over_soft_limit_since_ms_ = 0;
    return false;
  }
  if (over_soft_limit_since_ms_ == 0) over_soft_limit_since_ms_ = now_ms;
  return now_ms - over_soft_limit_since_ms_ > limit.soft_seconds * 1000;
}

void Connection::close_now() {
  if (closing_) return;
  closing_ = true;
  stream_->close();
  end_wait(session_, WaitEnd::kGone);
  if (stall_ != Stall::kJob && waiting_) resume();
}

void Connection::close_after_reply() {
  close_after_reply_ = true;
  worker_.mark_dirty(*this);
}

}  // namespace strata
