// For the tests of this layer: loops on threads of their own, and blocking clients.

#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "platform/socket.h"
#include "runtime/listener.h"
#include "runtime/stream.h"

namespace strata {

inline std::unique_ptr<EventLoop> make_loop(IoBackend backend, int64_t spin_us = 0) {
  EventLoopOptions options;
  options.backend = backend;
  options.spin_us = spin_us;
  auto loop = EventLoop::create(options);
  if (!loop) ADD_FAILURE() << loop.error().what;
  return loop ? std::move(*loop) : nullptr;
}

// A value or a failed test.
template <typename T>
T must(Result<T> result) {
  if (!result) {
    ADD_FAILURE() << error_name(result.error().code) << " " << result.error().what;
    std::abort();
  }
  return std::move(*result);
}
inline void must(Status status) { ASSERT_TRUE(status.has_value()) << status.error().what; }

// Turns that often without waiting for anything.
inline void turn_times(EventLoop& loop, uint64_t times) {
  const uint64_t until = loop.turns() + times;
  loop.run_until([&] {
    loop.limit_sleep(loop.now_us() + 200);
    return loop.turns() >= until;
  });
}

enum class Transport { kTcp, kUnix };

// Serves every connection with a task, on a thread of its own. Destroyed: cancels and joins.
class TestServer {
 public:
  using Serve = std::function<Task<void>(std::unique_ptr<Stream>)>;

  TestServer(IoBackend backend, Serve serve, Transport transport = Transport::kTcp, int64_t spin_us = 0)
      : loop_(make_loop(backend, spin_us)), scope_(*loop_), serve_(std::move(serve)) {
    Socket socket;
    if (transport == Transport::kTcp) {
      socket = must(listen_tcp({.address = "127.0.0.1", .port = 0}));
      port_ = must(local_address(socket.handle())).port;
    } else {
      path_ = testing::TempDir() + "runtime_test_" + std::to_string(reinterpret_cast<uintptr_t>(this));
      socket = must(listen_unix({.path = path_}));
    }
    listener_ = must(Listener::open(*loop_, std::move(socket), [this](Socket accepted) {
      scope_.spawn(serve_(must(Stream::open(*loop_, std::move(accepted)))));
    }));
    thread_ = std::thread([this] {
      loop_->run();
      listener_.reset();
      scope_.shutdown();
    });
  }
  ~TestServer() {
    loop_->stop();
    thread_.join();
    if (!path_.empty()) std::remove(path_.c_str());
  }

  Socket connect() {
    Socket socket = path_.empty() ? must(connect_tcp("127.0.0.1", port_, ConnectMode::kBlocking))
                                  : must(connect_unix(path_, ConnectMode::kBlocking));
    must(set_timeout_ms(socket.handle(), 20'000));
    return socket;
  }
  EventLoop& loop() { return *loop_; }
  TaskScope& scope() { return scope_; }
  Listener& listener() { return *listener_; }

  // Runs on the loop's thread and waits for it.
  void on_loop(std::function<void()> work) {
    std::atomic<bool> done{false};
    loop_->post([&] {
      work();
      done = true;
      done.notify_one();
    });
    done.wait(false);
  }

 private:
  std::unique_ptr<EventLoop> loop_;
  TaskScope scope_;
  Serve serve_;
  uint16_t port_ = 0;
  std::string path_;
  std::unique_ptr<Listener> listener_;
  std::thread thread_;
};

inline Task<void> serve_echo(std::unique_ptr<Stream> stream) {
  while (true) {
    auto received = co_await stream->receive();
    if (!received || received->empty()) co_return;
    const std::string bytes(*received);
    auto sent = co_await stream->send_all(bytes);
    if (!sent) co_return;
  }
}

// Reads exactly that many bytes; fewer at the end of the stream or on an error.
inline std::string read_exactly(SocketHandle handle, size_t bytes) {
  std::string out(bytes, '\0');
  size_t have = 0;
  while (have < bytes) {
    auto count = receive_some(handle, MutableBytes(out.data() + have, bytes - have));
    if (!count) break;
    have += *count;
  }
  out.resize(have);
  return out;
}

inline bool reads_end(SocketHandle handle) {
  char byte;
  auto count = receive_some(handle, MutableBytes(&byte, 1));
  return !count && count.error().code == Errc::kClosed;
}

inline std::string backend_test_name(const testing::TestParamInfo<IoBackend>& backend) {
  return backend.param == IoBackend::kEpoll ? "Epoll" : "Uring";
}

}  // namespace strata
