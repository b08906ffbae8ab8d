// What the event loop asks of the operating system, and the two ways to get it: epoll_backend.cc
// and uring_backend.cc.
//
// The shape is that of completions, because readiness turns into completions easily and not the
// other way round: the back end receives into memory of its own and delivers the bytes; sends are
// given to it and it says when they are done.
//
// One turn of the loop is wait(), then deliver(). All calls belong to the loop's thread, except
// wake(). Upcalls come from inside deliver() only (a send may also complete inside start_send()),
// and may call anything here, detach() of any channel included.
//
//   1. At most one receive and one send are pending on a channel.
//   2. After detach() nothing is delivered for the channel, except that a pending send completes
//      with kCancelled, in this turn or a later one: its bytes are in use until then.
//   3. Delivered bytes are valid until the upcall returns.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "platform/socket.h"

namespace strata {

inline constexpr int kAcceptBatch = 64;  // connections taken from one listener in one turn

enum class IoBackend : uint8_t { kAuto, kEpoll, kUring };

// Who is told that a send is over. on_sent() is called exactly once for every start_send(), with
// the number of bytes, which is all of them, or why not. It may destroy the stream.
class SendCompletion {
 public:
  virtual void on_sent(Result<size_t> sent) = 0;

 protected:
  ~SendCompletion() = default;
};

enum class ForesightPass : uint8_t { kFirst, kSecond };

// Who is told about a socket.
class IoHandler {
 public:
  // Ends the receive that start_receive() began; no bytes mean the end of the stream.
  virtual void on_received(Result<Bytes> bytes) = 0;
  // A hint: these bytes will probably be delivered soon. Where several streams have input, each is told in
  // two passes before the first of them gets its own, so that the cache misses that all of them will have can
  // overlap: first where the data begins, then where that leads.
  virtual void on_foreseen(Bytes bytes, ForesightPass pass) {
    (void)bytes;
    (void)pass;
  }
  // The other side is gone or has finished sending, and nobody is receiving. At most once.
  virtual void on_hangup() = 0;
  // A connection for a listener, or why there is none (kOutOfMemory: out of descriptors).
  virtual void on_accepted(Result<Socket> socket) = 0;

 protected:
  ~IoHandler() = default;
};

// A socket as its back end keeps it; each has more of its own. Belongs to the back end, and may be
// looked at from attach to detach.
struct IoChannel {
  uint64_t sent_bytes = 0;            // taken by the kernel so far: a stalled client makes no progress
  SendCompletion* sending = nullptr;  // null when no send is pending
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual const char* name() const = 0;  // "epoll", "io_uring"

  // Hands queued work to the kernel and sleeps until something happened, for at most timeout_us
  // (negative: for ever; 0: not at all). Returns how many events are ready.
  virtual size_t wait(int64_t timeout_us) = 0;
  virtual void deliver() = 0;
  // Ends a wait() of the loop's thread, now or next. Any thread, signal handlers too.
  virtual void wake() = 0;

  // Take ownership of the socket, which must be non-blocking.
  virtual Result<IoChannel*> attach_stream(Socket socket, IoHandler& handler) = 0;
  virtual Result<IoChannel*> attach_listener(Socket socket, IoHandler& handler) = 0;
  virtual void detach(IoChannel* channel) = 0;  // closes the socket

  // True when bytes, the end or an error are there already: `ready` is the result then, valid until
  // the next call for this channel. Otherwise on_received() follows, once.
  virtual bool start_receive(IoChannel* channel, Result<Bytes>& ready) = 0;
  virtual void stop_receive(IoChannel* channel) = 0;  // no on_received() comes any more
  virtual void watch_hangup(IoChannel* channel, bool on) = 0;

  // Sends what the socket takes at once. No send may be pending.
  virtual Result<size_t> try_send(IoChannel* channel, std::span<const Bytes> slices) = 0;
  // `slices` and the bytes they name must stay valid until the completion. No send may be pending.
  virtual void start_send(IoChannel* channel, std::span<const Bytes> slices, SendCompletion* completion) = 0;
  // The pending send, if any, completes with kCancelled later; part of its bytes may have gone out.
  virtual void cancel_send(IoChannel* channel) = 0;

  virtual void set_accepting(IoChannel* channel, bool on) = 0;
};

struct BackendOptions {
  size_t receive_buffer_bytes = 128 * 1024;  // epoll: the loop's one buffer
  unsigned uring_buffer_count = 512;         // io_uring: provided buffers, a power of two
  unsigned uring_buffer_bytes = 8 * 1024;
  unsigned uring_queue_entries = 1024;  // submissions that fit between two waits without a system call
};

Result<std::unique_ptr<Backend>> make_epoll_backend(const BackendOptions& options);
// kUnsupported, with the reason in the text, where io_uring is missing, too old or not permitted.
Result<std::unique_ptr<Backend>> make_uring_backend(const BackendOptions& options);

}  // namespace strata
