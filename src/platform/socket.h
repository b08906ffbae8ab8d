// Sockets: TCP and Unix streams, listeners, and the calls an event loop makes on them.
//
// Every call is one system call or a few, on a plain handle that somebody else owns; nothing here
// allocates but address texts. Handles made here are close-on-exec. Any thread may call; two threads
// on one handle have the meaning the operating system gives that.
//
// Errors: kWouldBlock where a non-blocking call has nothing to do now, kClosed when the other side
// is gone (os_error is 0 for an orderly end), kAddressInUse when somebody else listens, kNotFound
// when the address is not this machine's or a name does not resolve, kUnsupported when the address
// family is missing, kPermission, kOutOfMemory when descriptors or kernel memory ran out.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"

namespace strata {

// What the event loop back ends hand to the operating system. Does not own.
struct SocketHandle {
  int fd = -1;
  explicit operator bool() const { return fd >= 0; }
  bool operator==(const SocketHandle&) const = default;
};

void close_socket(SocketHandle handle);

// Owns a handle.
class Socket {
 public:
  Socket() = default;
  explicit Socket(SocketHandle handle) : handle_(handle) {}
  Socket(Socket&& other) noexcept : handle_(other.release()) {}
  Socket& operator=(Socket&& other) noexcept {
    if (this != &other) {
      close();
      handle_ = other.release();
    }
    return *this;
  }
  ~Socket() { close(); }

  explicit operator bool() const { return static_cast<bool>(handle_); }
  SocketHandle handle() const { return handle_; }
  SocketHandle release() {
    SocketHandle handle = handle_;
    handle_ = {};
    return handle;
  }
  void close() {
    if (handle_) close_socket(release());
  }

 private:
  SocketHandle handle_;
};

// One end of a connection, in the form of CLIENT LIST: "127.0.0.1:1234", "[::1]:6379", "/path:0".
// Both ends of a Unix connection carry the listener's path, as in Redis.
struct SocketAddress {
  std::string text;
  std::string host;   // without port and brackets; the path of a Unix socket
  uint16_t port = 0;  // 0 for a Unix socket
  bool is_unix = false;
  bool is_loopback = false;  // 127.0.0.0/8, ::1, or a Unix socket: what protected mode lets in
};

struct TcpListenOptions {
  std::string_view address;  // numeric or a name; "*" is every IPv4 address, "::*" every IPv6 one
  uint16_t port = 0;         // 0: any free one, see local_address()
  int backlog = 511;
};

struct UnixListenOptions {
  std::string_view path;
  uint32_t permissions = 0;  // for example 0700; 0 leaves what the umask gives
  int backlog = 511;
};

// Listeners are non-blocking. SO_REUSEADDR is set, so that a restart need not wait for old
// connections; SO_REUSEPORT is not, so a second server on the port fails with kAddressInUse.
// An IPv6 listener takes IPv6 only; listen on both families for both.
Result<Socket> listen_tcp(const TcpListenOptions& options);
// A socket file left by an earlier server is removed; a file of another kind is kAddressInUse.
Result<Socket> listen_unix(const UnixListenOptions& options);

// The next waiting connection, non-blocking. Connections that died while they waited are skipped.
Result<Socket> accept_connection(SocketHandle listener);

enum class ConnectMode : uint8_t {
  kBlocking,     // returns a connected, blocking socket
  kNonBlocking,  // returns a non-blocking one at once; writable and connect_result() say when and how
};
Result<Socket> connect_tcp(std::string_view host, uint16_t port, ConnectMode mode);
Result<Socket> connect_unix(std::string_view path, ConnectMode mode);
Status connect_result(SocketHandle handle);

// Two connected non-blocking streams.
Result<std::pair<Socket, Socket>> socket_pair();

Result<SocketAddress> peer_address(SocketHandle handle);
Result<SocketAddress> local_address(SocketHandle handle);

Status set_nonblocking(SocketHandle handle, bool on);
Status set_nodelay(SocketHandle handle, bool on);
// Probes after `interval_s` of silence, three times a third of it apart, as tcp-keepalive; 0: off.
Status set_keepalive(SocketHandle handle, int interval_s);
// Kernel buffer sizes; 0 leaves one alone. For tests that need a full socket soon.
Status set_buffer_bytes(SocketHandle handle, int send_bytes, int receive_bytes);
// How long a blocking receive or send waits before kWouldBlock; 0 is for ever.
Status set_timeout_ms(SocketHandle handle, int timeout_ms);

// The most parts one send_some() takes; more are left for the next call. 4 KiB of stack.
inline constexpr size_t kMaxGather = 256;

// Sends what the socket takes now and returns how many bytes that was: part of `parts`, or all.
// Never raises SIGPIPE.
Result<size_t> send_some(SocketHandle handle, std::span<const Bytes> parts);
Result<size_t> send_some(SocketHandle handle, Bytes bytes);
// At least one byte, or an error; the end of the stream is kClosed. `out` must not be empty.
Result<size_t> receive_some(SocketHandle handle, MutableBytes out);

// For blocking users such as tests and tools: everything, or an error.
Status send_all(SocketHandle handle, Bytes bytes);

enum class ShutdownHow : uint8_t { kReceive, kSend, kBoth };
void shutdown_socket(SocketHandle handle, ShutdownHow how);

enum class Readiness : uint8_t { kReadable, kWritable };
// False after timeout_ms (-1: for ever). An error or hang-up on the socket counts as ready.
Result<bool> wait_ready(SocketHandle handle, Readiness what, int timeout_ms);

}  // namespace strata
