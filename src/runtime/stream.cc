#include "runtime/stream.h"

#include <utility>

#include "base/assert.h"

namespace strata {

bool ReceiveOperation::start() {
  if (!stream_.is_open()) {
    refuse();
    return false;
  }
  STRATA_ASSERT(stream_.receiver_ == nullptr, "two tasks receive from one stream");
  if (stream_.loop_.backend().start_receive(stream_.channel_, result_)) return false;
  stream_.receiver_ = this;
  return true;
}

void ReceiveOperation::cancel() {
  stream_.receiver_ = nullptr;
  stream_.loop_.backend().stop_receive(stream_.channel_);
  end_cancelled();
}

void ReceiveOperation::end_cancelled() {
  refuse();
  settle();
  loop().defer(this);
}

bool SendOperation::start() {
  if (!stream_->is_open()) {
    refuse();
    return false;
  }
  is_starting_ = true;
  stream_->sender_ = this;
  stream_->start_send({&bytes_, 1}, this);
  is_starting_ = false;
  return !is_done_;
}

// The bytes are in use until the completion comes, so the task waits for it.
void SendOperation::cancel() {
  if (stream_ != nullptr) stream_->loop_.backend().cancel_send(stream_->channel_);
}

void SendOperation::on_sent(Result<size_t> sent) {
  if (stream_ != nullptr) stream_->sender_ = nullptr;
  if (!sent) result_ = std::unexpected(sent.error());
  is_done_ = true;
  if (!is_starting_) finish();
}

Result<std::unique_ptr<Stream>> Stream::open(EventLoop& loop, Socket socket) {
  STRATA_DASSERT(loop.is_loop_thread());
  TRY(set_nonblocking(socket.handle(), true));
  (void)set_nodelay(socket.handle(), true);  // Unix sockets have no Nagle to turn off
  std::unique_ptr<Stream> stream(new Stream(loop));
  stream->handle_ = socket.handle();
  TRY_ASSIGN(stream->channel_, loop.backend().attach_stream(std::move(socket), *stream));
  ++loop.stream_count_;
  return stream;
}

Result<std::unique_ptr<Stream>> Stream::connect(EventLoop& loop, std::string_view host, uint16_t port) {
  TRY_ASSIGN(Socket socket, connect_tcp(host, port, ConnectMode::kNonBlocking));
  return open(loop, std::move(socket));
}

Result<size_t> Stream::try_send(std::span<const Bytes> slices) {
  if (!is_open()) return fail(Errc::kCancelled, "send on a closed stream");
  STRATA_ASSERT(!is_sending(), "two sends on one stream");
  return loop_.backend().try_send(channel_, slices);
}

void Stream::start_send(std::span<const Bytes> slices, SendCompletion* completion) {
  if (!is_open()) {
    completion->on_sent(fail(Errc::kCancelled, "send on a closed stream"));
    return;
  }
  STRATA_ASSERT(!is_sending(), "two sends on one stream");
  loop_.backend().start_send(channel_, slices, completion);
}

void Stream::set_hangup_callback(std::function<void()> callback) {
  hangup_ = std::move(callback);
  if (is_open()) loop_.backend().watch_hangup(channel_, hangup_ != nullptr);
}

void Stream::close() {
  if (!is_open()) return;
  STRATA_DASSERT(loop_.is_loop_thread());
  IoChannel* channel = std::exchange(channel_, nullptr);
  handle_ = {};
  if (sender_ != nullptr) std::exchange(sender_, nullptr)->stream_ = nullptr;
  if (receiver_ != nullptr) std::exchange(receiver_, nullptr)->end_cancelled();
  --loop_.stream_count_;
  loop_.backend().detach(channel);
}

void Stream::on_received(Result<Bytes> bytes) { std::exchange(receiver_, nullptr)->complete(bytes); }

// The callback may destroy the stream, and with it the function that is running.
void Stream::on_hangup() {
  auto callback = std::exchange(hangup_, nullptr);
  if (callback) callback();
}

void Stream::on_accepted(Result<Socket>) { STRATA_ASSERT(false, "a stream accepts nothing"); }

}  // namespace strata
