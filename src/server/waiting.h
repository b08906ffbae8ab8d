// A client that waits for keys, or for the log: the queued job of its blocked command, as the shards know it.
//
//   handler: Context::block() ──> QueuedJob::begin_block()   at home, inside the shards: registers, timer
//   claim() by …                      then
//     a push (serving.cc)               serve(), the reply is in the job        kServed
//     the timer                         BlockedCommand::time_out()              kTimedOut
//     the log, for WAITAOF (worker.cc)  the same                               kTimedOut
//     CLIENT UNBLOCK                    the same, or an error                   kTimedOut, kUnblocked
//     CLIENT KILL, the client's leaving nothing                                 kGone
//                                     └─> QueuedJob::end_block() at home, and the job's replies arrive
//
// Where time alone can serve (BlockedCommand::wake_at_ms), a timer at home has the keys looked at again as
// after a push. The time may become earlier with every change of a key: whoever looks then tells home.
//
// Only who has claimed the waiter touches its job. The waiter itself lives until its last registration is
// taken out, which may be after the job and even the connection have gone.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "commands/blocking.h"
#include "keyspace/waiters.h"
#include "runtime/event_loop.h"

namespace strata {

class QueuedJob;
class Worker;
struct Session;

enum class WaitEnd : uint8_t { kServed, kTimedOut, kUnblocked, kGone };

class BlockedWaiter final : public KeyWaiter, public std::enable_shared_from_this<BlockedWaiter> {
 public:
  BlockedWaiter(Worker& home, QueuedJob& job, BlockRequest request, std::vector<std::string> keys,
                std::vector<std::string> other_keys);

  // Claims it and sends its job home with that end. False: somebody else was first. Any thread; the caller
  // makes sure that the waiter is there.
  bool end(WaitEnd how);
  // After claim().
  void end_claimed(WaitEnd how);

  // Its keys are looked at again at that time, or earlier. Any thread, inside the shard of one of its keys.
  void wake_by(int64_t at_ms);
  // At home, when the wait has ended: it is not woken any more.
  void disarm();

  const BlockRequest& request() const { return request_; }
  const std::vector<std::string>& keys() const { return keys_; }              // it waits for
  const std::vector<std::string>& other_keys() const { return other_keys_; }  // needed to serve it
  QueuedJob& job() { return job_; }

 private:
  struct Rearm;
  void arm();

  const BlockRequest request_;
  const std::vector<std::string> keys_;
  const std::vector<std::string> other_keys_;
  Worker& home_;
  QueuedJob& job_;
  const uint16_t db_;
  std::atomic<int64_t> wake_at_ms_{kNeverMs};
  bool has_ended_ = false;       // home's
  std::unique_ptr<Timer> wake_;  // home's
};

// CLIENT UNBLOCK and KILL, and a connection that closes. At the session's home, or with the clients mutex of
// its worker held. True: the client was waiting, and this has ended it.
bool end_wait(Session& session, WaitEnd how);

}  // namespace strata
