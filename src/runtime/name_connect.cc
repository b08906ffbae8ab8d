#include "runtime/name_connect.h"

#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "platform/thread.h"

namespace strata {

// What the thread and the loop have in common.
struct NameConnect::Shared {
  EventLoop* loop;
  const std::string host;
  const uint16_t port;

  std::mutex mutex;
  NameConnect* waiting = nullptr;  // null: nobody waits any more. Guarded by the mutex, as is all below.
  bool is_posted = false;
  Result<Socket> result = fail(Errc::kCancelled, "connect");
};

NameConnect::NameConnect(EventLoop& loop, std::string_view host, uint16_t port)
    : shared_(new Shared{.loop = &loop, .host = std::string(host), .port = port, .mutex = {}}) {}

// The loop outlives its waiting tasks, and nobody stops waiting while this holds the mutex: post() is safe.
void NameConnect::look_up(const std::shared_ptr<Shared>& shared) {
  name_this_thread("strata-names");
  Result<Socket> socket = connect_tcp(shared->host, shared->port, ConnectMode::kNonBlocking);
  std::lock_guard lock(shared->mutex);
  if (shared->waiting == nullptr) return;
  shared->result = std::move(socket);
  shared->is_posted = true;
  shared->loop->post(static_cast<PostedWork*>(shared->waiting));
}

bool NameConnect::start() {
  shared_->waiting = this;
  try {
    std::thread([shared = shared_] { look_up(shared); }).detach();
  } catch (const std::system_error&) {
    result_ = fail(Errc::kOutOfMemory, "thread for names");
    return false;
  }
  return true;
}

void NameConnect::refuse() { result_ = fail(Errc::kCancelled, "connect"); }

void NameConnect::cancel() {
  std::lock_guard lock(shared_->mutex);
  if (std::exchange(shared_->waiting, nullptr) == nullptr) return;
  if (shared_->is_posted) return;  // run() is on its way
  settle();
  loop().defer(this);
}

void NameConnect::run() {
  {
    std::lock_guard lock(shared_->mutex);
    if (std::exchange(shared_->waiting, nullptr) != nullptr) result_ = std::move(shared_->result);
  }
  finish();
}

bool is_numeric_host(std::string_view host) {
  return host.find(':') != host.npos || host.find_first_not_of("0123456789.") == host.npos;
}

}  // namespace strata
