// The io_uring back end: multishot accepts and receives into provided buffers, sends as submissions,
// one system call per turn for everything.
//
// A stream's receive stays armed in the kernel. What arrives while nobody receives is copied aside,
// and above kHeldBytesMax the receive is cancelled, so that the other side feels it; the next
// receive() takes the copy first. A provided buffer goes back to the ring when its upcall returns.
//
// A multishot receive that took data does not look again when the end of the stream came along with the data
// (seen with Linux 6.18): it waits for a wake-up that has been. So a poll for the hang-up lies beside it, and
// when that fires the receive is cancelled and armed anew, which finds the end.
//
//   1. in_flight counts the submissions of a channel whose last completion has not come. A detached
//      channel (handler == nullptr) lives, and its descriptor stays open, until that is zero: no
//      completion finds a dead channel, and no queued submission finds a reused descriptor.
//   2. The ring belongs to the thread that waits first (SINGLE_ISSUER); before, submissions queue up.
//   3. Gather lists live until the submission (IORING_FEAT_SUBMIT_STABLE), bytes until the completion.

#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <new>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "platform/thread.h"
#include "runtime/backend.h"
#include "runtime/send_cursor.h"

namespace strata {

namespace {

constexpr size_t kHeldBytesMax = 64 * 1024;
constexpr int kBufferGroup = 0;
constexpr unsigned kCompletionEntries = 8192;
constexpr size_t kBufferAlignment = 4096;
constexpr int kDrainRoundsMax = 100;  // of the destructor, a millisecond each

// In the low bits of a submission's user data; the channel's address is in the others.
enum class Op : uint64_t { kReceive, kSend, kAccept, kHangup, kWake, kIgnored };
constexpr uint64_t kOpMask = 7;

// What came for a stream while nobody received.
struct HeldInput {
  std::string bytes;
  std::string lent;  // the previous `bytes`, given to the receiver
  bool has_end = false;
  Result<Bytes> end = Bytes();
};

struct alignas(16) UringChannel final : IoChannel {
  UringChannel(Socket owned, IoHandler& owner) : socket(std::move(owned)), handler(&owner) {}

  Socket socket;
  uint32_t in_flight = 0;
  IoHandler* handler;
  SendCursor cursor;
  std::unique_ptr<HeldInput> held;
  bool is_receiving = false;
  bool receive_armed = false;
  bool receive_cancelled = false;
  bool is_accepting = false;
  bool accept_armed = false;
  bool watches_hangup = false;
  bool hangup_armed = false;
  bool hangup_seen = false;
  bool send_cancelled = false;
};

struct Gather {
  msghdr message;
  iovec parts[kMaxGather];
};

Error socket_error(int os_error, const char* what) {
  switch (os_error) {
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN:
    case ETIMEDOUT:
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
      return Error{Errc::kClosed, os_error, what, 0};
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
      return Error{Errc::kOutOfMemory, os_error, what, 0};
    default:
      return Error{Errc::kIo, os_error, what, 0};
  }
}

// Memory the kernel receives into, in equal pieces.
class BufferRing {
 public:
  Status create(io_uring& ring, unsigned count, unsigned bytes) {
    count_ = count;
    bytes_ = bytes;
    ring_ = static_cast<io_uring_buf_ring*>(allocate_pages(count * sizeof(io_uring_buf)));
    memory_ = static_cast<char*>(allocate_pages(size_t{count} * bytes));
    if (ring_ == nullptr || memory_ == nullptr) return fail(Errc::kOutOfMemory, "io_uring receive buffers");
    io_uring_buf_ring_init(ring_);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<uint64_t>(ring_);
    registration.ring_entries = count;
    registration.bgid = kBufferGroup;
    const int status = io_uring_register_buf_ring(&ring, &registration, 0);
    if (status != 0)
      return fail_os(Errc::kUnsupported, -status, "io_uring: no provided buffers (Linux 5.19)");
    for (unsigned id = 0; id < count; ++id) put_back(id);
    return {};
  }
  ~BufferRing() {
    std::free(memory_);
    std::free(ring_);
  }
  char* data(unsigned id) const { return memory_ + size_t{id} * bytes_; }
  void put_back(unsigned id) {
    io_uring_buf_ring_add(ring_, data(id), bytes_, static_cast<uint16_t>(id), io_uring_buf_ring_mask(count_),
                          0);
    io_uring_buf_ring_advance(ring_, 1);
  }

 private:
  static void* allocate_pages(size_t bytes) {
    return std::aligned_alloc(kBufferAlignment,
                              (bytes + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment);
  }

  io_uring_buf_ring* ring_ = nullptr;
  char* memory_ = nullptr;
  unsigned count_ = 0;
  unsigned bytes_ = 0;
};

class UringBackend final : public Backend {
 public:
  explicit UringBackend(WakeEvent wake_event) : wake_(std::move(wake_event)) {}
  ~UringBackend() override;
  Status create(const BackendOptions& options);

  const char* name() const override { return "io_uring"; }
  size_t wait(int64_t timeout_us) override;
  void deliver() override;
  void wake() override { wake_.signal(); }

  Result<IoChannel*> attach_stream(Socket socket, IoHandler& handler) override {
    return new UringChannel(std::move(socket), handler);
  }
  Result<IoChannel*> attach_listener(Socket socket, IoHandler& handler) override {
    return new UringChannel(std::move(socket), handler);
  }
  void detach(IoChannel* channel) override;
  bool start_receive(IoChannel* channel, Result<Bytes>& ready) override;
  void stop_receive(IoChannel* channel) override { of(channel).is_receiving = false; }
  void watch_hangup(IoChannel* channel, bool on) override;
  Result<size_t> try_send(IoChannel* channel, std::span<const Bytes> slices) override;
  void start_send(IoChannel* channel, std::span<const Bytes> slices, SendCompletion* completion) override;
  void cancel_send(IoChannel* channel) override;
  void set_accepting(IoChannel* channel, bool on) override;

 private:
  static UringChannel& of(IoChannel* channel) { return *static_cast<UringChannel*>(channel); }
  io_uring_sqe* next_entry();
  int submit_and_wait(int64_t timeout_us);
  void enable();
  void label(io_uring_sqe* entry, UringChannel& channel, Op op);
  void arm_wake();
  void arm_receive(UringChannel& channel);
  void arm_accept(UringChannel& channel);
  void arm_hangup(UringChannel& channel);
  void cancel(UringChannel& channel, Op op);
  void queue_send(UringChannel& channel);
  Gather& next_gather();
  void release(UringChannel& channel);

  void on_completion(uint64_t user_data, int32_t result, uint32_t flags);
  void on_receive(UringChannel& channel, int32_t result, uint32_t flags);
  void on_input(UringChannel& channel, Bytes bytes);
  void on_input_end(UringChannel& channel, Result<Bytes> end);
  void on_send(UringChannel& channel, int32_t result);
  void on_accept(UringChannel& channel, int32_t result, uint32_t flags);
  void on_hangup(UringChannel& channel);
  void tell_hangup(UringChannel& channel);

  io_uring ring_{};
  bool has_ring_ = false;
  bool is_enabled_ = false;
  WakeEvent wake_;
  BufferRing buffers_;
  std::vector<std::unique_ptr<Gather>> gathers_;  // the first gathers_used_ are in unsubmitted entries
  size_t gathers_used_ = 0;
  std::unordered_set<UringChannel*> detached_;
};

Status UringBackend::create(const BackendOptions& options) {
  io_uring_params parameters{};
  parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED |
                     IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
  parameters.cq_entries = std::max(kCompletionEntries, 2 * options.uring_queue_entries);
  const int status = io_uring_queue_init_params(options.uring_queue_entries, &ring_, &parameters);
  switch (-status) {
    case 0:
      break;
    case ENOSYS:
      return fail_os(Errc::kUnsupported, ENOSYS, "this kernel has no io_uring");
    case EPERM:
    case EACCES:
      return fail_os(Errc::kUnsupported, -status,
                     "io_uring is not permitted here (seccomp, or sysctl kernel.io_uring_disabled)");
    case EINVAL:
      return fail_os(Errc::kUnsupported, EINVAL, "io_uring of this kernel is too old (6.1 is needed)");
    default:
      return fail_os(Errc::kUnsupported, -status, "io_uring cannot be set up");
  }
  has_ring_ = true;
  TRY(buffers_.create(ring_, options.uring_buffer_count, options.uring_buffer_bytes));
  arm_wake();
  return {};
}

// Detached channels have completions to come, whose sends someone waits for. If the loop's thread is
// gone already, the kernel refuses us the ring, and closing it cancels everything.
UringBackend::~UringBackend() {
  for (int round = 0; !detached_.empty() && round < kDrainRoundsMax; ++round) {
    if (submit_and_wait(1000) == -EEXIST) break;
    deliver();
  }
  if (has_ring_) io_uring_queue_exit(&ring_);
  for (UringChannel* channel : detached_) {
    if (channel->sending != nullptr) channel->sending->on_sent(fail(Errc::kCancelled, "send"));
    delete channel;
  }
}

void UringBackend::enable() {
  if (is_enabled_) return;
  is_enabled_ = true;
  // io_uring_enable_rings() is declared but not exported by liburing 2.3.
  const int status =
      io_uring_register(static_cast<unsigned>(ring_.ring_fd), IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
  STRATA_ASSERT(status == 0, "io_uring: the ring cannot be enabled");
}

io_uring_sqe* UringBackend::next_entry() {
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  while (entry == nullptr) {
    enable();
    io_uring_submit(&ring_);
    gathers_used_ = 0;
    entry = io_uring_get_sqe(&ring_);
  }
  return entry;
}

int UringBackend::submit_and_wait(int64_t timeout_us) {
  enable();
  int status;
  if (timeout_us == 0 || io_uring_cq_ready(&ring_) > 0) {
    status = io_uring_submit_and_get_events(&ring_);
  } else if (timeout_us < 0) {
    status = io_uring_submit_and_wait(&ring_, 1);
  } else {
    __kernel_timespec timeout{};
    timeout.tv_sec = timeout_us / 1'000'000;
    timeout.tv_nsec = timeout_us % 1'000'000 * 1000;
    io_uring_cqe* first = nullptr;
    status = io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr);
  }
  if (io_uring_sq_ready(&ring_) == 0) gathers_used_ = 0;
  return status;
}

size_t UringBackend::wait(int64_t timeout_us) {
  const int status = submit_and_wait(timeout_us);
  const bool usual =
      status >= 0 || status == -ETIME || status == -EINTR || status == -EAGAIN || status == -EBUSY;
  STRATA_ASSERT(usual, "io_uring_enter: a loop with io_uring stays on the thread that first ran it");
  return io_uring_cq_ready(&ring_);
}

void UringBackend::deliver() {
  // Only what is there now: an upcall may cause more, which has to wait its turn.
  for (unsigned count = io_uring_cq_ready(&ring_); count > 0; --count) {
    io_uring_cqe* completion = nullptr;
    if (io_uring_peek_cqe(&ring_, &completion) != 0) return;
    const uint64_t user_data = completion->user_data;
    const int32_t result = completion->res;
    const uint32_t flags = completion->flags;
    io_uring_cqe_seen(&ring_, completion);
    on_completion(user_data, result, flags);
  }
}

void UringBackend::on_completion(uint64_t user_data, int32_t result, uint32_t flags) {
  const Op op = static_cast<Op>(user_data & kOpMask);
  const bool is_last = (flags & IORING_CQE_F_MORE) == 0;
  if (op == Op::kIgnored) return;
  if (op == Op::kWake) {
    wake_.drain();
    if (is_last) arm_wake();
    return;
  }
  UringChannel& channel = *reinterpret_cast<UringChannel*>(user_data & ~kOpMask);
  // When more completions come, hold the channel through the upcalls; else this one's count does.
  if (!is_last) ++channel.in_flight;
  switch (op) {
    case Op::kReceive:
      on_receive(channel, result, flags);
      break;
    case Op::kSend:
      on_send(channel, result);
      break;
    case Op::kAccept:
      on_accept(channel, result, flags);
      break;
    case Op::kHangup:
      on_hangup(channel);
      break;
    default:
      break;
  }
  release(channel);
}

void UringBackend::label(io_uring_sqe* entry, UringChannel& channel, Op op) {
  io_uring_sqe_set_data64(entry, reinterpret_cast<uint64_t>(&channel) | static_cast<uint64_t>(op));
  ++channel.in_flight;
}

void UringBackend::release(UringChannel& channel) {
  --channel.in_flight;
  if (channel.handler != nullptr || channel.in_flight > 0) return;
  detached_.erase(&channel);
  delete &channel;
}

void UringBackend::detach(IoChannel* dying) {
  UringChannel& channel = of(dying);
  channel.handler = nullptr;
  if (channel.in_flight == 0) {
    delete &channel;
    return;
  }
  detached_.insert(&channel);
  // One by one: cancelling by descriptor makes the kernel walk everything that is pending on the ring.
  if (channel.receive_armed) cancel(channel, Op::kReceive);
  if (channel.accept_armed) cancel(channel, Op::kAccept);
  if (channel.hangup_armed) cancel(channel, Op::kHangup);
  if (channel.sending != nullptr) cancel(channel, Op::kSend);
}

void UringBackend::cancel(UringChannel& channel, Op op) {
  io_uring_sqe* entry = next_entry();
  io_uring_prep_cancel64(entry, reinterpret_cast<uint64_t>(&channel) | static_cast<uint64_t>(op), 0);
  io_uring_sqe_set_data64(entry, static_cast<uint64_t>(Op::kIgnored));
}

void UringBackend::arm_wake() {
  io_uring_sqe* entry = next_entry();
  io_uring_prep_poll_multishot(entry, wake_.handle(), POLLIN);
  io_uring_sqe_set_data64(entry, static_cast<uint64_t>(Op::kWake));
}

// Receiving.

void UringBackend::arm_receive(UringChannel& channel) {
  if (channel.receive_armed) return;
  io_uring_sqe* entry = next_entry();
  io_uring_prep_recv_multishot(entry, channel.socket.handle().fd, nullptr, 0, 0);
  entry->flags |= IOSQE_BUFFER_SELECT;
  entry->buf_group = kBufferGroup;
  label(entry, channel, Op::kReceive);
  channel.receive_armed = true;
  channel.receive_cancelled = false;
  if (!channel.hangup_seen) arm_hangup(channel);
}

bool UringBackend::start_receive(IoChannel* receiver, Result<Bytes>& ready) {
  UringChannel& channel = of(receiver);
  if (channel.held != nullptr) {
    HeldInput& held = *channel.held;
    held.lent = std::exchange(held.bytes, std::string());
    if (!held.lent.empty() || held.has_end) {
      ready = held.lent.empty() ? held.end : Result<Bytes>(Bytes(held.lent));
      return true;
    }
    channel.held.reset();
  }
  channel.is_receiving = true;
  arm_receive(channel);
  return false;
}

void UringBackend::on_receive(UringChannel& channel, int32_t result, uint32_t flags) {
  if ((flags & IORING_CQE_F_MORE) == 0) channel.receive_armed = false;
  if (result > 0) {
    const unsigned buffer = flags >> IORING_CQE_BUFFER_SHIFT;
    if (channel.handler != nullptr)
      on_input(channel, Bytes(buffers_.data(buffer), static_cast<size_t>(result)));
    buffers_.put_back(buffer);
  } else if (channel.handler != nullptr) {
    // Out of buffers is no error: they are back by the next submission.
    const bool goes_on = result == -ENOBUFS || result == -ECANCELED || result == -EAGAIN || result == -EINTR;
    if (result == 0) {
      on_input_end(channel, Bytes());
    } else if (!goes_on) {
      on_input_end(channel, std::unexpected(socket_error(-result, "recv")));
    }
  }
  if (channel.handler == nullptr || channel.receive_armed) return;
  if (channel.is_receiving) {
    arm_receive(channel);
  } else if (channel.watches_hangup) {
    arm_hangup(channel);
  }
}

void UringBackend::on_input(UringChannel& channel, Bytes bytes) {
  if (channel.is_receiving) {
    channel.is_receiving = false;
    channel.handler->on_received(bytes);
    return;
  }
  if (channel.held == nullptr) channel.held = std::make_unique<HeldInput>();
  channel.held->bytes.append(bytes);
  if (channel.held->bytes.size() < kHeldBytesMax || !channel.receive_armed || channel.receive_cancelled)
    return;
  channel.receive_cancelled = true;
  cancel(channel, Op::kReceive);
}

void UringBackend::on_input_end(UringChannel& channel, Result<Bytes> end) {
  if (channel.is_receiving) {
    channel.is_receiving = false;
    channel.handler->on_received(end);
    return;
  }
  if (channel.held == nullptr) channel.held = std::make_unique<HeldInput>();
  channel.held->has_end = true;
  channel.held->end = end;
  tell_hangup(channel);
}

void UringBackend::watch_hangup(IoChannel* watched, bool on) {
  UringChannel& channel = of(watched);
  channel.watches_hangup = on;
  if (on && (!channel.receive_armed || channel.receive_cancelled)) arm_hangup(channel);
}

void UringBackend::arm_hangup(UringChannel& channel) {
  if (channel.hangup_armed) return;
  io_uring_sqe* entry = next_entry();
  io_uring_prep_poll_add(entry, channel.socket.handle().fd, POLLRDHUP);
  label(entry, channel, Op::kHangup);
  channel.hangup_armed = true;
}

void UringBackend::on_hangup(UringChannel& channel) {
  channel.hangup_armed = false;
  channel.hangup_seen = true;
  if (channel.handler == nullptr) return;
  if (channel.receive_armed && !channel.receive_cancelled) {
    channel.receive_cancelled = true;
    cancel(channel, Op::kReceive);
  }
  if (!channel.is_receiving) tell_hangup(channel);
}

void UringBackend::tell_hangup(UringChannel& channel) {
  if (std::exchange(channel.watches_hangup, false)) channel.handler->on_hangup();
}

// Sending.

Result<size_t> UringBackend::try_send(IoChannel* sender, std::span<const Bytes> slices) {
  UringChannel& channel = of(sender);
  Result<size_t> sent = slices.size() == 1 ? send_some(channel.socket.handle(), slices[0])
                                           : send_some(channel.socket.handle(), slices);
  if (!sent && sent.error().code == Errc::kWouldBlock) return size_t{0};
  if (sent) channel.sent_bytes += *sent;
  return sent;
}

void UringBackend::start_send(IoChannel* sender, std::span<const Bytes> slices, SendCompletion* completion) {
  UringChannel& channel = of(sender);
  channel.cursor = SendCursor(slices);
  if (channel.cursor.at_end()) {
    completion->on_sent(size_t{0});
    return;
  }
  channel.sending = completion;
  channel.send_cancelled = false;
  queue_send(channel);
}

void UringBackend::queue_send(UringChannel& channel) {
  const SendCursor& cursor = channel.cursor;
  const int fd = channel.socket.handle().fd;
  io_uring_sqe* entry = next_entry();
  if (cursor.is_inside_slice() || cursor.slices().size() == 1) {
    io_uring_prep_send(entry, fd, cursor.first().data(), cursor.first().size(), MSG_NOSIGNAL);
  } else {
    Gather& gather = next_gather();
    const size_t count = std::min(cursor.slices().size(), kMaxGather);
    for (size_t i = 0; i < count; ++i) {
      const Bytes slice = cursor.slices()[i];
      gather.parts[i] = {const_cast<char*>(slice.data()), slice.size()};
    }
    gather.message = {};
    gather.message.msg_iov = gather.parts;
    gather.message.msg_iovlen = count;
    io_uring_prep_sendmsg(entry, fd, &gather.message, MSG_NOSIGNAL);
  }
  label(entry, channel, Op::kSend);
}

Gather& UringBackend::next_gather() {
  if (gathers_used_ == gathers_.size()) gathers_.push_back(std::make_unique<Gather>());
  return *gathers_[gathers_used_++];
}

void UringBackend::on_send(UringChannel& channel, int32_t result) {
  SendCompletion* completion = channel.sending;
  if (channel.handler == nullptr || channel.send_cancelled) {
    channel.sending = nullptr;
    completion->on_sent(fail(Errc::kCancelled, "send"));
    return;
  }
  if (result >= 0) {
    channel.sent_bytes += static_cast<size_t>(result);
    channel.cursor.advance(static_cast<size_t>(result));
  }
  const bool again = result >= 0 || result == -EAGAIN || result == -EINTR;
  if (again && !channel.cursor.at_end()) {
    queue_send(channel);
    return;
  }
  channel.sending = nullptr;
  if (again) {
    completion->on_sent(channel.cursor.total());
  } else {
    completion->on_sent(std::unexpected(socket_error(-result, "send")));
  }
}

void UringBackend::cancel_send(IoChannel* sender) {
  UringChannel& channel = of(sender);
  if (channel.sending == nullptr || channel.send_cancelled) return;
  channel.send_cancelled = true;
  cancel(channel, Op::kSend);
}

// Accepting.

void UringBackend::arm_accept(UringChannel& channel) {
  if (channel.accept_armed) return;
  io_uring_sqe* entry = next_entry();
  io_uring_prep_multishot_accept(entry, channel.socket.handle().fd, nullptr, nullptr,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
  label(entry, channel, Op::kAccept);
  channel.accept_armed = true;
}

void UringBackend::set_accepting(IoChannel* listener, bool on) {
  UringChannel& channel = of(listener);
  if (channel.is_accepting == on) return;
  channel.is_accepting = on;
  if (on) {
    arm_accept(channel);
  } else if (channel.accept_armed) {
    cancel(channel, Op::kAccept);
  }
}

void UringBackend::on_accept(UringChannel& channel, int32_t result, uint32_t flags) {
  if ((flags & IORING_CQE_F_MORE) == 0) channel.accept_armed = false;
  if (result >= 0) {
    Socket socket(SocketHandle{result});
    if (channel.handler != nullptr) channel.handler->on_accepted(std::move(socket));
  } else if (channel.handler != nullptr) {
    // Other errors are those of the connection that waited, not of the listener.
    const Error error = socket_error(-result, "accept");
    if (error.code == Errc::kOutOfMemory) channel.handler->on_accepted(std::unexpected(error));
  }
  if (channel.handler != nullptr && channel.is_accepting) arm_accept(channel);
}

}  // namespace

Result<std::unique_ptr<Backend>> make_uring_backend(const BackendOptions& options) {
  TRY_ASSIGN(WakeEvent wake_event, WakeEvent::create());
  auto backend = std::make_unique<UringBackend>(std::move(wake_event));
  TRY(backend->create(options));
  return backend;
}

}  // namespace strata
