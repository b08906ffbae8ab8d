// A connected TCP or Unix socket on an event loop.
//
// Receiving: co_await receive() gives a view into a buffer that belongs to the loop and is shared by
// all its streams, so an idle stream holds none. The view is valid until the task next suspends;
// whoever wants to keep bytes copies them. While nobody awaits receive() the stream is not read, and
// the other side feels it (back-pressure).
//
// Sending: slices are gathered. try_send() sends what fits now; start_send() sends everything, at
// once or with the next wait (with io_uring, all the sends of a turn share one system call).
//
//   1. One receive and one send may be pending. Both may be at the same time.
//   2. Results: kClosed when the other side is gone, kCancelled after close() or cancelled scopes.
//   3. close() may be called anywhere, also inside callbacks of this stream. It never calls or
//      resumes anybody: a pending receive and a pending send end with kCancelled afterwards. The
//      bytes of a pending send stay in use until its completion is called.
//
// All calls belong to the loop's thread. Costs some 100 bytes, plus the back end's 100.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "platform/socket.h"
#include "runtime/event_loop.h"
#include "runtime/task.h"

namespace strata {

class Stream;

class [[nodiscard]] ReceiveOperation final : public Operation, private PostedWork {
 public:
  explicit ReceiveOperation(Stream& stream) : stream_(stream) {}
  Result<Bytes> await_resume() const { return result_; }
  void cancel() override;

 private:
  friend class Stream;
  bool start() override;
  void refuse() override { result_ = fail(Errc::kCancelled, "receive"); }
  void run() override { finish(); }
  void complete(Result<Bytes> result) {
    result_ = result;
    finish();
  }
  void end_cancelled();

  Stream& stream_;
  Result<Bytes> result_;
};

class [[nodiscard]] SendOperation final : public Operation, private SendCompletion {
 public:
  SendOperation(Stream& stream, Bytes bytes) : stream_(&stream), bytes_(bytes) {}
  Status await_resume() const { return result_; }
  void cancel() override;

 private:
  bool start() override;
  void refuse() override { result_ = fail(Errc::kCancelled, "send"); }
  void on_sent(Result<size_t> sent) override;

  friend class Stream;

  Stream* stream_;  // null once the stream is closed
  Bytes bytes_;
  Status result_;
  bool is_starting_ = false;
  bool is_done_ = false;
};

// Who wants to know what a stream will deliver soon, to prefetch what that will need
// (IoHandler::on_foreseen).
class Foresight {
 public:
  virtual void on_foreseen(Bytes bytes, ForesightPass pass) = 0;

 protected:
  ~Foresight() = default;
};

class Stream final : private IoHandler {
 public:
  // Takes a connected socket (accepted by any loop) and makes it non-blocking and, for TCP, without
  // Nagle's delay. On error it is closed.
  static Result<std::unique_ptr<Stream>> open(EventLoop& loop, Socket socket);
  // A stream that is still connecting: what is sent first waits for that, and ends with the error when it
  // fails. Nothing may be received before. Names are looked up at once, which may take its
  // time; name_connect.h is for them.
  static Result<std::unique_ptr<Stream>> connect(EventLoop& loop, std::string_view host, uint16_t port);
  ~Stream() { close(); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Result<Bytes>; no bytes mean that the other side has finished sending.
  ReceiveOperation receive() { return ReceiveOperation(*this); }

  // Returns how many bytes were taken, perhaps 0. No send may be pending.
  Result<size_t> try_send(std::span<const Bytes> slices);
  // Sends all of it. `slices`, the bytes and `completion` must live until on_sent(), which may come
  // before this returns. No send may be pending.
  void start_send(std::span<const Bytes> slices, SendCompletion* completion);
  // Status, after everything is with the kernel. `bytes` must live until then.
  SendOperation send_all(Bytes bytes) { return SendOperation(*this, bytes); }
  bool is_sending() const { return channel_ != nullptr && channel_->sending != nullptr; }
  // Bytes the kernel took so far: a client that does not read shows as no progress.
  uint64_t sent_bytes() const { return channel_ != nullptr ? channel_->sent_bytes : 0; }

  // Called once when the other side is gone or has finished sending while nobody receives: so a
  // server notices that the client of a blocked command has left. Null turns it off.
  void set_hangup_callback(std::function<void()> callback);

  // Must outlive the stream; null turns it off.
  void set_foresight(Foresight* foresight) { foresight_ = foresight; }

  void close();
  bool is_open() const { return channel_ != nullptr; }
  EventLoop& loop() const { return loop_; }
  SocketHandle handle() const { return handle_; }  // for peer_address(), set_keepalive() and the like

 private:
  friend class ReceiveOperation;
  friend class SendOperation;

  explicit Stream(EventLoop& loop) : loop_(loop) {}
  void on_received(Result<Bytes> bytes) override;
  void on_foreseen(Bytes bytes, ForesightPass pass) override {
    if (foresight_ != nullptr) foresight_->on_foreseen(bytes, pass);
  }
  void on_hangup() override;
  void on_accepted(Result<Socket> socket) override;

  EventLoop& loop_;
  IoChannel* channel_ = nullptr;
  SocketHandle handle_;
  ReceiveOperation* receiver_ = nullptr;
  SendOperation* sender_ = nullptr;
  std::function<void()> hangup_;
  Foresight* foresight_ = nullptr;
};

}  // namespace strata
