// One client's connection: a coroutine that receives, executes, and waits where it must.
//
// Everything here runs on the worker's thread, but for a queued job, which may run inside other threads'
// turns; the connection waits meanwhile and executes nothing else, so a client's commands take effect in
// their order.
//
// Replies collect in `output` and leave once a turn, in flush(). While the log is on, replies wait for the
// sequence that their commands reached: a mark says from which byte on the output waits for which sequence.
// With save points the reply to FLUSHALL waits for the empty dump in the same way.

#pragma once

#include <deque>
#include <memory>
#include <string>

#include "protocol/output.h"
#include "protocol/reply.h"
#include "protocol/request_parser.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "server/input_buffer.h"
#include "server/options.h"
#include "server/session.h"

namespace strata {

class QueuedJob;

// Why a connection does not execute at the moment.
enum class Stall : uint8_t {
  kNone,
  kJob,         // a command waits for its shards, or for work elsewhere
  kOutputFull,  // the client does not read
  kLogCredit,   // the log is behind
  kPaused,      // SHUTDOWN saves first
};

class Connection final : private SendCompletion, private Foresight {
 public:
  Connection(Worker& worker, std::unique_ptr<Stream> stream);
  ~Connection();

  Task<void> serve();

  // Sends what may be sent. Called once a turn while dirty, and when the log or the socket made progress.
  void flush();
  // From the end of a job or of another wait: goes on executing.
  void resume();
  void stall(Stall reason) { stall_ = reason; }
  Stall stall_reason() const { return stall_; }

  // Ends the connection: at once, or after what is already in the output has been sent.
  void close_now();
  void close_after_reply();
  bool closing() const { return closing_; }
  bool ending() const { return closing_ || close_after_reply_; }
  // Above this a client is neither read nor executed for, until half of it has been sent.
  static constexpr size_t kOutputPauseBytes = 1 << 20;
  bool is_over_output_limit() const { return output_.size() > kOutputPauseBytes; }

  // From here on the output waits for `sequence` of the log, as the session's durability_now means it.
  void wait_for_log(uint64_t from_byte, uint64_t sequence);
  void wait_for_dump(uint64_t from_byte, uint64_t number);
  // What the oldest bytes wait for has happened, or they wait for nothing.
  bool is_log_wait_over() const;
  // The coroutine has ended: destroys the connection, as soon as no send uses its output any more.
  void retire();

  // True when a send is pending of which the client has taken no byte for longer than that. Asked now and
  // then.
  bool is_stuck(int64_t now_ms, int64_t stall_ms);
  // The last reply was sent, and the client has had its time to read it and to end its side.
  bool is_drained(int64_t now_ms) const { return is_draining_ && now_ms > drained_until_ms_; }

  // client-output-buffer-limit, looked at by the worker's cron.
  bool exceeds(const OutputLimit& limit, int64_t now_ms);

  Session& session() { return session_; }
  Reply& reply() { return reply_; }
  Output& output() { return output_; }
  Worker& worker() { return worker_; }
  RequestParser& parser() { return parser_; }
  Stream& stream() { return *stream_; }
  QueuedJob* job() { return job_.get(); }
  QueuedJob& make_job();

  Connection* next = nullptr;  // the worker's list of all its connections
  Connection* previous = nullptr;
  bool is_dirty = false;       // in the worker's list to be flushed
  bool is_log_waiter = false;  // in the worker's list of those that wait for the log

 private:
  struct Mark {
    uint64_t from_byte;
    uint64_t sequence;  // of the log; or the number of an empty dump
    Durability level;
    bool is_for_dump = false;
  };
  bool is_met(const Mark& mark) const;
  bool waits_in_vain() const;
  // Waits for resume().
  struct Resumption final : public Operation, public PostedWork {
    explicit Resumption(Connection& connection) : connection_(connection) {}
    void await_resume() const {}
    void cancel() override;
    bool start() override;
    void refuse() override {}
    void run() override { finish(); }
    Connection& connection_;
  };

  void receive(Bytes bytes);
  uint64_t sendable_bytes();
  void fail_log_waiters();
  void end_sending();
  void on_sent(Result<size_t> sent) override;
  void on_foreseen(Bytes bytes, ForesightPass pass) override;
  void publish_sizes();

  static constexpr int64_t kDrainMs = 2000;
  static constexpr size_t kSlicesPerSend = 64;
  static constexpr size_t kFewSlices = 4;
  static constexpr size_t kFewSlicesBytes = 32 * 1024;

  Worker& worker_;
  std::unique_ptr<Stream> stream_;
  Session session_;
  Output output_;
  Reply reply_;
  RequestParser parser_;
  InputBuffer pending_input_;  // what could not be executed yet
  std::deque<Mark> marks_;
  std::unique_ptr<QueuedJob> job_;
  Resumption* waiting_ = nullptr;
  Key foreseen_;  // of what will be received next; not its name, whose bytes go away
  Bytes few_slices_[kFewSlices];
  std::unique_ptr<Bytes[]> many_slices_;
  uint64_t sent_bytes_seen_ = 0;  // when is_stuck() last saw progress
  int64_t sent_bytes_seen_ms_ = 0;
  Stall stall_ = Stall::kNone;
  int64_t over_soft_limit_since_ms_ = 0;  // 0: below it
  bool runnable_input_ = false;           // pending input may hold whole commands
  bool closing_ = false;
  bool close_after_reply_ = false;
  bool has_unread_commands_ = false;  // perhaps; with close_after_reply_
  bool is_draining_ = false;          // everything was sent; what is received is thrown away
  int64_t drained_until_ms_ = 0;
  bool is_send_pending_ = false;  // the output's bytes are in use; also after the stream was closed
  bool is_retired_ = false;
};

}  // namespace strata
