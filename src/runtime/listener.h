// A listening TCP or Unix socket on an event loop.
//
// Connections arrive in batches, through a callback, on the loop of the listener; they are plain
// sockets then and may be handed to any other loop (loop.post(), then Stream::open() there). pause()
// leaves further connections in the kernel's queue, and resume() takes them again: back-pressure.
//
// Out of descriptors or kernel memory: the error callback is told, and accepting stops for
// kAcceptRetryMs, instead of spinning on a socket that stays readable. Other errors are told too.
//
// close() may be called anywhere, inside the callbacks too (destroying the listener there may not).
// All calls belong to the loop's thread.

#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "base/result.h"
#include "platform/socket.h"
#include "runtime/event_loop.h"

namespace strata {

inline constexpr int64_t kAcceptRetryMs = 100;

class Listener final : private IoHandler {
 public:
  using AcceptCallback = std::function<void(Socket)>;
  using ErrorCallback = std::function<void(const Error&)>;

  // `socket` comes from listen_tcp() or listen_unix(); accepting begins at once.
  static Result<std::unique_ptr<Listener>> open(EventLoop& loop, Socket socket, AcceptCallback accepted,
                                                ErrorCallback failed = nullptr);
  ~Listener() { close(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  void pause();
  void resume();
  bool is_paused() const { return is_paused_; }
  void close();
  bool is_open() const { return channel_ != nullptr; }
  SocketHandle handle() const { return handle_; }  // for local_address()

 private:
  Listener(EventLoop& loop, AcceptCallback accepted, ErrorCallback failed);
  void on_received(Result<Bytes> bytes) override;
  void on_hangup() override;
  void on_accepted(Result<Socket> socket) override;

  EventLoop& loop_;
  AcceptCallback accepted_;
  ErrorCallback failed_;
  Timer retry_;
  IoChannel* channel_ = nullptr;
  SocketHandle handle_;
  bool is_paused_ = false;
  std::deque<Socket> waiting_;  // io_uring may deliver a few more after pause(); resume() hands them out
};

}  // namespace strata
