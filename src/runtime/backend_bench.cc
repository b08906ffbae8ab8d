// Server CPU per message of a ping-pong over loopback TCP: this layer with each back end, against a
// bare epoll loop (wait, recv, send) in the same run. "Time" is CPU time of the server's thread.
//
//   runtime_bench --benchmark_repetitions=9 --benchmark_enable_random_interleaving=true

#include <benchmark/benchmark.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/assert.h"
#include "platform/clock.h"
#include "platform/socket.h"
#include "runtime/stream.h"

namespace strata {
namespace {

constexpr size_t kMessageBytes = 64;
constexpr size_t kMessages = 20'000;  // per iteration

enum Variant : int64_t { kBare, kEpollLoop, kUringLoop };

// Ready sockets of a bare epoll set, by index.
class Poller {
 public:
  explicit Poller(const std::vector<Socket>& sockets) : epoll_fd_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (size_t i = 0; i < sockets.size(); ++i) {
      epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
      STRATA_ASSERT(::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, sockets[i].handle().fd, &event) == 0);
    }
  }
  ~Poller() { ::close(epoll_fd_); }
  template <typename Ready>
  void wait(Ready ready) {
    const int count = ::epoll_wait(epoll_fd_, events_, 256, -1);
    for (int i = 0; i < count; ++i) ready(events_[i].data.u64);
  }

 private:
  int epoll_fd_;
  epoll_event events_[256];
};

// Sends `pipeline` messages on every connection and waits for them, `rounds` times, each
// connection at its own pace.
void drive_clients(const std::vector<Socket>& sockets, size_t pipeline, size_t rounds) {
  const std::string burst(kMessageBytes * pipeline, 'x');
  std::string buffer(64 * 1024, '\0');
  std::vector<size_t> missing(sockets.size(), burst.size());
  std::vector<size_t> rounds_left(sockets.size(), rounds);
  Poller poller(sockets);
  size_t under_way = sockets.size();
  for (const Socket& socket : sockets) STRATA_ASSERT(send_some(socket.handle(), burst).has_value());
  while (under_way > 0) {
    poller.wait([&](size_t i) {
      auto received = receive_some(sockets[i].handle(), MutableBytes(buffer));
      if (!received) return;
      missing[i] -= *received;
      if (missing[i] > 0) return;
      missing[i] = burst.size();
      if (--rounds_left[i] == 0) {
        --under_way;
      } else {
        STRATA_ASSERT(send_some(sockets[i].handle(), burst).has_value());
      }
    });
  }
}

void serve_bare(const std::vector<Socket>& sockets, size_t bytes_left) {
  std::string buffer(64 * 1024, '\0');
  Poller poller(sockets);
  while (bytes_left > 0) {
    poller.wait([&](size_t i) {
      auto received = receive_some(sockets[i].handle(), MutableBytes(buffer));
      if (!received) return;
      (void)send_some(sockets[i].handle(), Bytes(buffer).substr(0, *received));
      bytes_left -= *received;
    });
  }
}

// As a server uses the layer: replies collect during the turn and leave at its end.
class EchoServer {
 public:
  explicit EchoServer(EventLoop& loop) : loop_(loop), scope_(loop) {
    loop.set_turn_end([this] { return flush(); });
  }
  void add(Socket socket) {
    connections_.push_back(std::make_unique<Connection>(*this));
    connections_.back()->stream = std::move(*Stream::open(loop_, std::move(socket)));
    scope_.spawn(serve(*connections_.back()));
  }
  void shutdown() { scope_.shutdown(); }
  size_t sent_bytes() const { return sent_bytes_; }

 private:
  struct Connection final : SendCompletion {
    explicit Connection(EchoServer& owner) : server(owner) {}
    void on_sent(Result<size_t> sent) override {
      server.sent_bytes_ += sent.value_or(0);
      sending.clear();
      if (!output.empty()) server.dirty_.push_back(this);
    }
    EchoServer& server;
    std::unique_ptr<Stream> stream;
    std::string output;
    std::string sending;
    Bytes slice;
  };

  Task<void> serve(Connection& connection) {
    while (true) {
      auto received = co_await connection.stream->receive();
      if (!received || received->empty()) co_return;
      if (connection.output.empty() && !connection.stream->is_sending()) dirty_.push_back(&connection);
      connection.output.append(*received);
    }
  }

  bool flush() {
    for (size_t i = 0; i < dirty_.size(); ++i) {
      Connection& connection = *dirty_[i];
      connection.sending.swap(connection.output);
      connection.slice = connection.sending;
      connection.stream->start_send({&connection.slice, 1}, &connection);
    }
    dirty_.clear();
    return false;
  }

  EventLoop& loop_;
  TaskScope scope_;
  size_t sent_bytes_ = 0;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> dirty_;
};

struct Connections {
  std::vector<Socket> servers;
  std::vector<Socket> clients;
};

Connections connect_all(size_t count) {
  Connections all;
  Socket listener = std::move(*listen_tcp({.address = "127.0.0.1"}));
  const uint16_t port = local_address(listener.handle())->port;
  for (size_t i = 0; i < count; ++i) {
    all.clients.push_back(std::move(*connect_tcp("127.0.0.1", port, ConnectMode::kBlocking)));
    (void)wait_ready(listener.handle(), Readiness::kReadable, -1);
    all.servers.push_back(std::move(*accept_connection(listener.handle())));
    (void)set_nodelay(all.clients.back().handle(), true);
    (void)set_nodelay(all.servers.back().handle(), true);
    (void)set_nonblocking(all.clients.back().handle(), true);
  }
  return all;
}

int64_t serve_with_loop(IoBackend backend, const std::vector<Socket>& sockets, size_t bytes) {
  EventLoopOptions options;
  options.backend = backend;
  auto loop = EventLoop::create(options);
  STRATA_ASSERT(loop.has_value());
  EchoServer echo(**loop);
  for (const Socket& socket : sockets) echo.add(Socket(SocketHandle{::dup(socket.handle().fd)}));
  const int64_t began_us = thread_cpu_us();
  (*loop)->run_until([&] { return echo.sent_bytes() == bytes; });
  const int64_t cpu_us = thread_cpu_us() - began_us;
  echo.shutdown();
  return cpu_us;
}

void ping_pong(benchmark::State& state) {
  const auto variant = static_cast<Variant>(state.range(0));
  const auto connection_count = static_cast<size_t>(state.range(1));
  const auto pipeline = static_cast<size_t>(state.range(2));
  const size_t rounds = kMessages / (connection_count * pipeline);
  const size_t bytes = rounds * connection_count * pipeline * kMessageBytes;
  const Connections all = connect_all(connection_count);
  int64_t total_us = 0;
  for (auto _ : state) {
    int64_t cpu_us = 0;
    std::thread server([&] {
      if (variant == kBare) {
        const int64_t began_us = thread_cpu_us();
        serve_bare(all.servers, bytes);
        cpu_us = thread_cpu_us() - began_us;
      } else {
        cpu_us = serve_with_loop(variant == kEpollLoop ? IoBackend::kEpoll : IoBackend::kUring, all.servers,
                                 bytes);
      }
    });
    drive_clients(all.clients, pipeline, rounds);
    server.join();
    state.SetIterationTime(static_cast<double>(cpu_us) / 1e6);
    total_us += cpu_us;
  }
  const auto messages = static_cast<double>(state.iterations()) * static_cast<double>(bytes) / kMessageBytes;
  state.counters["us_per_message"] = static_cast<double>(total_us) / messages;
}

BENCHMARK(ping_pong)
    ->ArgNames({"variant", "connections", "pipeline"})
    ->ArgsProduct({{kBare, kEpollLoop, kUringLoop}, {1, 50}, {1, 16}})
    ->ArgsProduct({{kBare, kEpollLoop, kUringLoop}, {1000}, {1}})
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(3);

}  // namespace
}  // namespace strata
