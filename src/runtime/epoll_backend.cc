// The epoll back end: level-triggered, and sparing with epoll_ctl.
//
// A stream is registered for input once. An event with nobody receiving disarms it, and the next
// receive arms it again, so the common case (a server that receives again within the turn) costs one
// recv per request and nothing else. A ready stream is received from once per turn: if there is
// more, the level-triggered event comes again next turn, after everybody else had theirs. Streams
// that are ready together are received from in groups, and told of it before any of them gets its bytes.
//
//   1. registered == the event mask the kernel has for the socket.
//   2. A channel that dies leaves no pointer behind in the events still to be delivered.

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "platform/thread.h"
#include "runtime/backend.h"
#include "runtime/send_cursor.h"

namespace strata {

namespace {

constexpr int kEventsPerWait = 256;
constexpr int kGroupMax = 16;  // about as many cache misses as a core keeps in flight

struct EpollChannel final : IoChannel {
  EpollChannel(Socket owned, IoHandler& owner, bool listens)
      : socket(std::move(owned)), handler(owner), is_listener(listens) {}

  Socket socket;
  IoHandler& handler;
  SendCursor cursor;
  uint32_t registered = 0;
  bool is_listener;
  bool is_receiving = false;
  bool is_accepting = false;
  bool watches_hangup = false;
  std::string unclaimed;  // received in a group after which nobody was receiving any more
  std::string claimed;    // the same, while the next receive looks at it
};

class EpollBackend final : public Backend {
 public:
  EpollBackend(int epoll_fd, WakeEvent wake_event, size_t buffer_bytes)
      : epoll_fd_(epoll_fd), wake_(std::move(wake_event)), buffer_(buffer_bytes) {}
  ~EpollBackend() override {
    finish_cancelled_sends();
    ::close(epoll_fd_);
  }
  Status watch_wake_event();

  const char* name() const override { return "epoll"; }
  size_t wait(int64_t timeout_us) override;
  void deliver() override;
  void wake() override { wake_.signal(); }

  Result<IoChannel*> attach_stream(Socket socket, IoHandler& handler) override;
  Result<IoChannel*> attach_listener(Socket socket, IoHandler& handler) override;
  void detach(IoChannel* channel) override;
  bool start_receive(IoChannel* channel, Result<Bytes>& ready) override;
  void stop_receive(IoChannel* channel) override { of(channel).is_receiving = false; }
  void watch_hangup(IoChannel* channel, bool on) override;
  Result<size_t> try_send(IoChannel* channel, std::span<const Bytes> slices) override;
  void start_send(IoChannel* channel, std::span<const Bytes> slices, SendCompletion* completion) override;
  void cancel_send(IoChannel* channel) override;
  void set_accepting(IoChannel* channel, bool on) override;

 private:
  static EpollChannel& of(IoChannel* channel) { return *static_cast<EpollChannel*>(channel); }
  Result<IoChannel*> attach(std::unique_ptr<EpollChannel> channel, uint32_t events);
  void update(EpollChannel& channel, uint32_t events);
  static uint32_t wanted_events(const EpollChannel& channel, uint32_t keep = 0);
  bool still_alive() const { return events_[position_].data.ptr != nullptr; }
  void on_event(EpollChannel& channel, uint32_t events);
  void on_stream_event(EpollChannel& channel, uint32_t events);
  Result<Bytes> receive_into(EpollChannel& channel, MutableBytes room);
  void hand_over(EpollChannel& channel, Result<Bytes> received);
  bool may_join_group(const epoll_event& event) const;
  bool deliver_group();
  void accept_batch(EpollChannel& channel);
  bool send_on(EpollChannel& channel, Result<size_t>& result);
  void continue_send(EpollChannel& channel);
  void finish_cancelled_sends();

  int epoll_fd_;
  WakeEvent wake_;
  std::vector<char> buffer_;
  std::vector<SendCompletion*> cancelled_sends_;
  int ready_count_ = 0;
  int position_ = 0;
  epoll_event events_[kEventsPerWait];
  Result<Bytes> arrivals_[kGroupMax];
};

Status EpollBackend::watch_wake_event() {
  epoll_event event{.events = EPOLLIN, .data = {.ptr = &wake_}};
  if (::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_.handle(), &event) == 0) return {};
  return fail_os(Errc::kOutOfMemory, errno, "epoll_ctl: cannot watch the wake event");
}

size_t EpollBackend::wait(int64_t timeout_us) {
  if (!cancelled_sends_.empty()) timeout_us = 0;
  int count;
  if (timeout_us <= 0) {
    count = ::epoll_wait(epoll_fd_, events_, kEventsPerWait, timeout_us < 0 ? -1 : 0);
  } else {
    const timespec timeout{.tv_sec = timeout_us / 1'000'000, .tv_nsec = timeout_us % 1'000'000 * 1000};
    count = ::epoll_pwait2(epoll_fd_, events_, kEventsPerWait, &timeout, nullptr);
    if (count < 0 && errno == ENOSYS) {
      count = ::epoll_wait(epoll_fd_, events_, kEventsPerWait, static_cast<int>((timeout_us + 999) / 1000));
    }
  }
  STRATA_ASSERT(count >= 0 || errno == EINTR, "epoll_wait");
  ready_count_ = count < 0 ? 0 : count;
  return static_cast<size_t>(ready_count_);
}

void EpollBackend::deliver() {
  for (position_ = 0; position_ < ready_count_; ++position_) {
    const epoll_event event = events_[position_];
    if (event.data.ptr == nullptr || deliver_group()) continue;
    if (event.data.ptr == &wake_) {
      wake_.drain();
    } else {
      on_event(*static_cast<EpollChannel*>(event.data.ptr), event.events);
    }
  }
  ready_count_ = 0;
  finish_cancelled_sends();
}

Result<IoChannel*> EpollBackend::attach_stream(Socket socket, IoHandler& handler) {
  return attach(std::make_unique<EpollChannel>(std::move(socket), handler, false), EPOLLIN);
}

Result<IoChannel*> EpollBackend::attach_listener(Socket socket, IoHandler& handler) {
  return attach(std::make_unique<EpollChannel>(std::move(socket), handler, true), EPOLLONESHOT);
}

Result<IoChannel*> EpollBackend::attach(std::unique_ptr<EpollChannel> channel, uint32_t events) {
  epoll_event event{.events = events, .data = {.ptr = channel.get()}};
  if (::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, channel->socket.handle().fd, &event) != 0) {
    return fail_os(Errc::kOutOfMemory, errno, "epoll_ctl: cannot watch another socket");
  }
  channel->registered = events;
  return channel.release();
}

void EpollBackend::detach(IoChannel* dying) {
  EpollChannel& channel = of(dying);
  for (int i = position_; i < ready_count_; ++i) {
    if (events_[i].data.ptr == &channel) events_[i].data.ptr = nullptr;
  }
  if (channel.sending != nullptr) cancelled_sends_.push_back(channel.sending);
  // close() alone would leave the registration if a child process shares the socket for a moment.
  ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, channel.socket.handle().fd, nullptr);
  delete &channel;
}

// EPOLLERR and EPOLLHUP cannot be switched off, but a one-shot registration falls silent after one
// event: so EPOLLONESHOT alone means "nothing wanted", also on a socket that has hung up.
// `keep` is input that stays armed until it disturbs: the next receive is likely to want it.
uint32_t EpollBackend::wanted_events(const EpollChannel& channel, uint32_t keep) {
  uint32_t events = keep;
  if (channel.is_receiving || channel.is_accepting) events |= EPOLLIN;
  if (channel.watches_hangup) events |= EPOLLRDHUP;
  if (channel.sending != nullptr) events |= EPOLLOUT;
  return events != 0 ? events : static_cast<uint32_t>(EPOLLONESHOT);
}

void EpollBackend::update(EpollChannel& channel, uint32_t events) {
  if (channel.registered == events) return;
  epoll_event event{.events = events, .data = {.ptr = &channel}};
  const int status = ::epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, channel.socket.handle().fd, &event);
  STRATA_ASSERT(status == 0, "epoll_ctl of a registered socket");
  channel.registered = events;
}

bool EpollBackend::start_receive(IoChannel* receiver, Result<Bytes>& ready) {
  EpollChannel& channel = of(receiver);
  if (!channel.unclaimed.empty()) [[unlikely]] {
    channel.claimed = std::exchange(channel.unclaimed, {});
    ready = Bytes(channel.claimed);
    return true;
  }
  if (!channel.claimed.empty()) [[unlikely]]
    channel.claimed = {};
  channel.is_receiving = true;
  if ((channel.registered & EPOLLIN) == 0) update(channel, wanted_events(channel));
  return false;
}

void EpollBackend::watch_hangup(IoChannel* watched, bool on) {
  EpollChannel& channel = of(watched);
  channel.watches_hangup = on;
  if (on) update(channel, wanted_events(channel, channel.registered & EPOLLIN));
}

void EpollBackend::on_event(EpollChannel& channel, uint32_t events) {
  if (channel.is_listener) {
    if (channel.is_accepting) accept_batch(channel);
    return;
  }
  on_stream_event(channel, events);
}

void EpollBackend::on_stream_event(EpollChannel& channel, uint32_t events) {
  if (channel.sending != nullptr && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
    continue_send(channel);
    if (!still_alive()) return;
  }
  if ((events & ~uint32_t{EPOLLOUT}) == 0) return;
  if (channel.is_receiving) {
    hand_over(channel, receive_into(channel, MutableBytes(buffer_)));
    return;
  }
  const bool hung_up = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  const bool tell = hung_up && std::exchange(channel.watches_hangup, channel.watches_hangup && !hung_up);
  update(channel, wanted_events(channel));
  if (tell) channel.handler.on_hangup();
}

// No bytes mean the end of the stream; kWouldBlock that there is nothing yet.
Result<Bytes> EpollBackend::receive_into(EpollChannel& channel, MutableBytes room) {
  Result<size_t> received = receive_some(channel.socket.handle(), room);
  if (received) return Bytes(room.data(), *received);
  if (received.error().code == Errc::kClosed && received.error().os_error == 0) return Bytes();
  return std::unexpected(received.error());
}

void EpollBackend::hand_over(EpollChannel& channel, Result<Bytes> received) {
  if (!received && received.error().code == Errc::kWouldBlock) return;
  channel.is_receiving = false;
  channel.handler.on_received(received);
}

bool EpollBackend::may_join_group(const epoll_event& event) const {
  if (event.data.ptr == nullptr || event.data.ptr == &wake_ || event.events != EPOLLIN) return false;
  const EpollChannel& channel = *static_cast<const EpollChannel*>(event.data.ptr);
  return !channel.is_listener && channel.is_receiving;
}

// From position_ on, streams that only have input: receives from all of them, tells all of them, and then
// delivers. False, and nothing done, where there are not at least two.
bool EpollBackend::deliver_group() {
  const int begin = position_;
  if (begin + 1 >= ready_count_ || !may_join_group(events_[begin]) || !may_join_group(events_[begin + 1])) {
    return false;
  }
  // A stream may need a lot of room: the group ends where less than half of the buffer is left.
  MutableBytes room(buffer_);
  int end = begin;
  for (; end < ready_count_ && end - begin < kGroupMax && room.size() >= buffer_.size() / 2; ++end) {
    if (!may_join_group(events_[end])) break;
    Result<Bytes>& arrival = arrivals_[end - begin];
    arrival = receive_into(*static_cast<EpollChannel*>(events_[end].data.ptr), room);
    if (arrival) room = room.subspan(arrival->size());
  }
  for (const ForesightPass pass : {ForesightPass::kFirst, ForesightPass::kSecond}) {
    for (int i = begin; i < end; ++i) {
      const Result<Bytes>& arrival = arrivals_[i - begin];
      if (arrival) static_cast<EpollChannel*>(events_[i].data.ptr)->handler.on_foreseen(*arrival, pass);
    }
  }
  for (position_ = begin; position_ < end; ++position_) {
    if (!still_alive()) continue;
    EpollChannel& channel = *static_cast<EpollChannel*>(events_[position_].data.ptr);
    const Result<Bytes>& arrival = arrivals_[position_ - begin];
    if (channel.is_receiving) {
      hand_over(channel, arrival);
    } else if (arrival) {
      // An earlier one of the group stopped this receive. The end of a stream would be seen again.
      channel.unclaimed.append(*arrival);
    }
  }
  position_ = end - 1;
  return true;
}

Result<size_t> EpollBackend::try_send(IoChannel* sender, std::span<const Bytes> slices) {
  EpollChannel& channel = of(sender);
  Result<size_t> sent = slices.size() == 1 ? send_some(channel.socket.handle(), slices[0])
                                           : send_some(channel.socket.handle(), slices);
  if (!sent && sent.error().code == Errc::kWouldBlock) return size_t{0};
  if (sent) channel.sent_bytes += *sent;
  return sent;
}

void EpollBackend::start_send(IoChannel* sender, std::span<const Bytes> slices, SendCompletion* completion) {
  EpollChannel& channel = of(sender);
  channel.cursor = SendCursor(slices);
  Result<size_t> result;
  if (send_on(channel, result)) {
    completion->on_sent(result);
    return;
  }
  channel.sending = completion;
  update(channel, wanted_events(channel, channel.registered & EPOLLIN));
}

// Sends until everything is gone (true), an error (true) or a full socket (false).
bool EpollBackend::send_on(EpollChannel& channel, Result<size_t>& result) {
  SendCursor& cursor = channel.cursor;
  while (!cursor.at_end()) {
    Result<size_t> sent;
    if (cursor.is_inside_slice() || cursor.slices().size() == 1) {
      sent = send_some(channel.socket.handle(), cursor.first());
    } else {
      sent = send_some(channel.socket.handle(), cursor.slices());
    }
    if (!sent) {
      if (sent.error().code == Errc::kWouldBlock) return false;
      result = sent;
      return true;
    }
    channel.sent_bytes += *sent;
    cursor.advance(*sent);
  }
  result = cursor.total();
  return true;
}

void EpollBackend::continue_send(EpollChannel& channel) {
  Result<size_t> result;
  if (!send_on(channel, result)) return;
  SendCompletion* completion = std::exchange(channel.sending, nullptr);
  update(channel, wanted_events(channel, channel.registered & EPOLLIN));
  completion->on_sent(result);
}

void EpollBackend::cancel_send(IoChannel* sender) {
  EpollChannel& channel = of(sender);
  if (channel.sending == nullptr) return;
  cancelled_sends_.push_back(std::exchange(channel.sending, nullptr));
  update(channel, wanted_events(channel, channel.registered & EPOLLIN));
}

void EpollBackend::finish_cancelled_sends() {
  while (!cancelled_sends_.empty()) {
    SendCompletion* completion = cancelled_sends_.back();
    cancelled_sends_.pop_back();
    completion->on_sent(fail(Errc::kCancelled, "send"));
  }
}

void EpollBackend::set_accepting(IoChannel* listener, bool on) {
  EpollChannel& channel = of(listener);
  channel.is_accepting = on;
  update(channel, wanted_events(channel));
}

void EpollBackend::accept_batch(EpollChannel& channel) {
  for (int i = 0; i < kAcceptBatch; ++i) {
    Result<Socket> socket = accept_connection(channel.socket.handle());
    if (!socket && socket.error().code == Errc::kWouldBlock) return;
    const bool failed = !socket;
    channel.handler.on_accepted(std::move(socket));
    if (failed || !still_alive() || !channel.is_accepting) return;
  }
}

}  // namespace

Result<std::unique_ptr<Backend>> make_epoll_backend(const BackendOptions& options) {
  TRY_ASSIGN(WakeEvent wake_event, WakeEvent::create());
  const int epoll_fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) return fail_os(Errc::kOutOfMemory, errno, "epoll_create1");
  auto backend =
      std::make_unique<EpollBackend>(epoll_fd, std::move(wake_event), options.receive_buffer_bytes);
  TRY(backend->watch_wake_event());
  return backend;
}

}  // namespace strata
