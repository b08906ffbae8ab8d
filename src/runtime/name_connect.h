// Connects to a host by name without stopping the loop: names are looked up on a thread of their own.
//
//   NameConnect connecting(loop, "db.example.com", 6379);
//   Result<Socket> socket = co_await connecting;      // still connecting, see Stream::open()
//
// A look-up may take as long as its servers do not answer, and cannot be stopped. cancel() therefore only
// stops waiting for it: the thread goes on alone, finds nobody, and ends. kNotFound: there is no such name;
// kCancelled.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "platform/socket.h"
#include "runtime/event_loop.h"
#include "runtime/task.h"

namespace strata {

class [[nodiscard]] NameConnect final : public Operation, private PostedWork {
 public:
  NameConnect(EventLoop& loop, std::string_view host, uint16_t port);
  NameConnect(const NameConnect&) = delete;
  NameConnect& operator=(const NameConnect&) = delete;

  Result<Socket> await_resume() { return std::move(result_); }
  void cancel() override;

 private:
  struct Shared;
  static void look_up(const std::shared_ptr<Shared>& shared);

  bool start() override;
  void refuse() override;
  void run() override;

  std::shared_ptr<Shared> shared_;
  Result<Socket> result_ = fail(Errc::kCancelled, "connect");
};

// Whether this is an address, for which nothing is looked up.
bool is_numeric_host(std::string_view host);

}  // namespace strata
