// An echo server: everything a program needs to serve TCP with src/runtime. `echo [port]`

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "runtime/listener.h"
#include "runtime/stream.h"

using namespace strata;

static Task<void> echo(std::unique_ptr<Stream> stream) {
  while (true) {
    auto received = co_await stream->receive();
    if (!received || received->empty()) co_return;
    const std::string bytes(*received);  // the view is the loop's; sending may have to wait
    auto sent = co_await stream->send_all(bytes);
    if (!sent) co_return;
  }
}

static Status serve(uint16_t port) {
  TRY_ASSIGN(auto loop, EventLoop::create({}));
  TaskScope clients(*loop);
  TRY_ASSIGN(Socket socket, listen_tcp({.address = "127.0.0.1", .port = port}));
  TRY_ASSIGN(auto listener, Listener::open(*loop, std::move(socket), [&](Socket accepted) {
               auto stream = Stream::open(*loop, std::move(accepted));
               if (stream) clients.spawn(echo(std::move(*stream)));
             }));
  TRY_ASSIGN(SocketAddress address, local_address(listener->handle()));
  std::printf("echo on %s (%s)\n", address.text.c_str(), loop->backend_name());
  std::fflush(stdout);
  loop->run();
  clients.shutdown();
  return {};
}

int main(int argc, char** argv) {
  const Status status = serve(argc > 1 ? static_cast<uint16_t>(std::atoi(argv[1])) : 7007);
  if (!status) std::fprintf(stderr, "echo: %s\n", status.error().what);
  return status ? 0 : 1;
}
