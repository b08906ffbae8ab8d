#include "runtime/listener.h"

#include <utility>

#include "base/assert.h"

namespace strata {

Listener::Listener(EventLoop& loop, AcceptCallback accepted, ErrorCallback failed)
    : loop_(loop), accepted_(std::move(accepted)), failed_(std::move(failed)), retry_(loop, [this] {
        if (is_open() && !is_paused_) loop_.backend().set_accepting(channel_, true);
      }) {}

Result<std::unique_ptr<Listener>> Listener::open(EventLoop& loop, Socket socket, AcceptCallback accepted,
                                                 ErrorCallback failed) {
  STRATA_DASSERT(loop.is_loop_thread());
  TRY(set_nonblocking(socket.handle(), true));
  std::unique_ptr<Listener> listener(new Listener(loop, std::move(accepted), std::move(failed)));
  listener->handle_ = socket.handle();
  TRY_ASSIGN(listener->channel_, loop.backend().attach_listener(std::move(socket), *listener));
  loop.backend().set_accepting(listener->channel_, true);
  return listener;
}

void Listener::pause() {
  if (is_paused_) return;
  is_paused_ = true;
  retry_.cancel();
  if (is_open()) loop_.backend().set_accepting(channel_, false);
}

void Listener::resume() {
  if (!is_paused_) return;
  is_paused_ = false;
  if (!is_open()) return;
  loop_.backend().set_accepting(channel_, true);
  // The callback may pause again.
  while (!waiting_.empty() && !is_paused_) {
    Socket socket = std::move(waiting_.front());
    waiting_.pop_front();
    accepted_(std::move(socket));
  }
}

void Listener::close() {
  if (!is_open()) return;
  retry_.cancel();
  waiting_.clear();
  handle_ = {};
  loop_.backend().detach(std::exchange(channel_, nullptr));
}

void Listener::on_accepted(Result<Socket> socket) {
  if (!socket) {
    loop_.backend().set_accepting(channel_, false);
    if (!is_paused_) retry_.start(kAcceptRetryMs);
    const Error error = socket.error();
    if (failed_) failed_(error);
    return;
  }
  if (is_paused_) {
    waiting_.push_back(std::move(*socket));
    return;
  }
  accepted_(std::move(*socket));
}

void Listener::on_received(Result<Bytes>) { STRATA_ASSERT(false, "a listener receives nothing"); }
void Listener::on_hangup() {}

}  // namespace strata
