#include "platform/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <memory>

#include "base/assert.h"
#include "platform/posix/os_error.h"

namespace strata {
namespace {

static_assert(kMaxGather <= IOV_MAX);

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

Status set_option(int fd, int level, int name, int value, const char* what) {
  if (::setsockopt(fd, level, name, &value, sizeof value) < 0) return fail_errno(what);
  return {};
}

Result<AddressList> resolve(std::string_view host, uint16_t port, bool passive) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0);
  std::string name(host);
  if (name == "*") name = "0.0.0.0";
  if (name == "::*") name = "::";
  addrinfo* found = nullptr;
  int error = ::getaddrinfo(name.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error == EAI_MEMORY) return fail(Errc::kOutOfMemory, "resolve address");
  if (error == EAI_SYSTEM) return fail_errno("resolve address");
  if (error != 0) return fail(Errc::kNotFound, "resolve address");
  return AddressList(found, &freeaddrinfo);
}

// A Unix address holds its path in a fixed array, so long paths cannot be bound at all.
Result<sockaddr_un> unix_address(std::string_view path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return fail(Errc::kInvalidArgument, "unix socket path is empty or too long");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Result<Socket> new_socket(int family, int extra_flags) {
  int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | extra_flags, 0);
  if (fd < 0) return fail_errno("create socket");
  return Socket(SocketHandle{fd});
}

Result<Socket> listen_on(const addrinfo& address, int backlog) {
  TRY_ASSIGN(Socket socket, new_socket(address.ai_family, SOCK_NONBLOCK));
  int fd = socket.handle().fd;
  if (address.ai_family == AF_INET6) {
    TRY(set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1, "set v6only"));
  }
  TRY(set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1, "set reuseaddr"));
  if (::bind(fd, address.ai_addr, address.ai_addrlen) < 0) return fail_errno("bind");
  if (::listen(fd, backlog) < 0) return fail_errno("listen");
  return socket;
}

Result<Socket> connect_to(int family, const sockaddr* address, socklen_t size, ConnectMode mode) {
  bool blocking = mode == ConnectMode::kBlocking;
  TRY_ASSIGN(Socket socket, new_socket(family, blocking ? 0 : SOCK_NONBLOCK));
  int fd = socket.handle().fd;
  if (::connect(fd, address, size) == 0) return socket;
  if (errno == EINPROGRESS && !blocking) return socket;
  if (errno != EINTR) return fail_errno("connect");
  // An interrupted connect goes on in the background; calling it again would fail.
  if (blocking) {
    TRY(wait_ready(socket.handle(), Readiness::kWritable, -1));
    TRY(connect_result(socket.handle()));
  }
  return socket;
}

SocketAddress describe(const sockaddr_storage& storage, socklen_t size) {
  SocketAddress address;
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    address.host = text;
    address.port = ntohs(v4.sin_port);
    address.is_loopback = (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
    address.text = address.host + ":" + std::to_string(address.port);
  } else if (storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    address.host = text;
    address.port = ntohs(v6.sin6_port);
    address.is_loopback = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
    address.text = "[" + address.host + "]:" + std::to_string(address.port);
  } else {
    const auto& local = reinterpret_cast<const sockaddr_un&>(storage);
    size_t path_bytes = size > offsetof(sockaddr_un, sun_path) ? size - offsetof(sockaddr_un, sun_path) : 0;
    address.host.assign(local.sun_path, ::strnlen(local.sun_path, path_bytes));
    address.is_unix = true;
    address.is_loopback = true;
    address.text = address.host + ":0";
  }
  return address;
}

using AddressCall = int (*)(int, sockaddr*, socklen_t*);

// A Unix client has no name of its own, so `other` gives the listener's path for either end.
Result<SocketAddress> address_of(SocketHandle handle, AddressCall call, AddressCall other) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (call(handle.fd, reinterpret_cast<sockaddr*>(&storage), &size) < 0) return fail_errno("socket address");
  SocketAddress address = describe(storage, size);
  if (!address.is_unix || !address.host.empty()) return address;
  storage = {};
  size = sizeof storage;
  if (other(handle.fd, reinterpret_cast<sockaddr*>(&storage), &size) < 0) return address;
  return describe(storage, size);
}

}  // namespace

void close_socket(SocketHandle handle) {
  // The descriptor is gone even when close() is interrupted; closing twice could hit another's.
  if (handle) ::close(handle.fd);
}

Result<Socket> listen_tcp(const TcpListenOptions& options) {
  TRY_ASSIGN(AddressList addresses, resolve(options.address, options.port, true));
  Result<Socket> last = fail(Errc::kNotFound, "resolve address");
  for (const addrinfo* address = addresses.get(); address != nullptr; address = address->ai_next) {
    last = listen_on(*address, options.backlog);
    if (last) return last;
  }
  return last;
}

Result<Socket> listen_unix(const UnixListenOptions& options) {
  TRY_ASSIGN(sockaddr_un address, unix_address(options.path));
  TRY_ASSIGN(Socket socket, new_socket(AF_UNIX, SOCK_NONBLOCK));
  struct stat existing{};
  if (::lstat(address.sun_path, &existing) == 0 && S_ISSOCK(existing.st_mode)) ::unlink(address.sun_path);
  int fd = socket.handle().fd;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) return fail_errno("bind");
  // Permissions are set before listen(), so nobody connects under those of the umask.
  if (options.permissions != 0 && ::chmod(address.sun_path, options.permissions) < 0) {
    auto error = fail_errno("set permissions of unix socket");
    ::unlink(address.sun_path);
    return error;
  }
  if (::listen(fd, options.backlog) < 0) return fail_errno("listen");
  return socket;
}

Result<Socket> accept_connection(SocketHandle listener) {
  for (;;) {
    int fd = ::accept4(listener.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) return Socket(SocketHandle{fd});
    // Errors of the connection that was waiting, not of the listener; accept(2) lists them.
    bool its_own = errno == ECONNABORTED || errno == EINTR || errno == EPROTO || errno == ENETDOWN ||
                   errno == EHOSTDOWN || errno == EHOSTUNREACH || errno == ENETUNREACH;
    if (!its_own) return fail_errno("accept");
  }
}

Result<Socket> connect_tcp(std::string_view host, uint16_t port, ConnectMode mode) {
  TRY_ASSIGN(AddressList addresses, resolve(host, port, false));
  Result<Socket> last = fail(Errc::kNotFound, "resolve address");
  for (const addrinfo* address = addresses.get(); address != nullptr; address = address->ai_next) {
    last = connect_to(address->ai_family, address->ai_addr, address->ai_addrlen, mode);
    if (last) return last;
  }
  return last;
}

Result<Socket> connect_unix(std::string_view path, ConnectMode mode) {
  TRY_ASSIGN(sockaddr_un address, unix_address(path));
  return connect_to(AF_UNIX, reinterpret_cast<sockaddr*>(&address), sizeof address, mode);
}

Status connect_result(SocketHandle handle) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(handle.fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) return fail_errno("connect");
  if (error != 0) return fail_os(errc_from_errno(error), error, "connect");
  return {};
}

Result<std::pair<Socket, Socket>> socket_pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0) {
    return fail_errno("create socket pair");
  }
  return std::pair(Socket(SocketHandle{fds[0]}), Socket(SocketHandle{fds[1]}));
}

Result<SocketAddress> peer_address(SocketHandle handle) {
  return address_of(handle, &::getpeername, &::getsockname);
}

Result<SocketAddress> local_address(SocketHandle handle) {
  return address_of(handle, &::getsockname, &::getpeername);
}

Status set_nonblocking(SocketHandle handle, bool on) {
  int flags = ::fcntl(handle.fd, F_GETFL);
  if (flags < 0) return fail_errno("get socket flags");
  flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  if (::fcntl(handle.fd, F_SETFL, flags) < 0) return fail_errno("set socket flags");
  return {};
}

Status set_nodelay(SocketHandle handle, bool on) {
  return set_option(handle.fd, IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0, "set nodelay");
}

Status set_keepalive(SocketHandle handle, int interval_s) {
  TRY(set_option(handle.fd, SOL_SOCKET, SO_KEEPALIVE, interval_s > 0 ? 1 : 0, "set keepalive"));
  if (interval_s <= 0) return {};
  constexpr int kProbes = 3;
  TRY(set_option(handle.fd, IPPROTO_TCP, TCP_KEEPIDLE, interval_s, "set keepalive time"));
  int between_s = std::max(1, interval_s / kProbes);
  TRY(set_option(handle.fd, IPPROTO_TCP, TCP_KEEPINTVL, between_s, "set keepalive interval"));
  return set_option(handle.fd, IPPROTO_TCP, TCP_KEEPCNT, kProbes, "set keepalive count");
}

Status set_buffer_bytes(SocketHandle handle, int send_bytes, int receive_bytes) {
  if (send_bytes > 0) {
    TRY(set_option(handle.fd, SOL_SOCKET, SO_SNDBUF, send_bytes, "set send buffer"));
  }
  if (receive_bytes > 0) {
    TRY(set_option(handle.fd, SOL_SOCKET, SO_RCVBUF, receive_bytes, "set receive buffer"));
  }
  return {};
}

Status set_timeout_ms(SocketHandle handle, int timeout_ms) {
  timeval time{.tv_sec = timeout_ms / 1000, .tv_usec = (timeout_ms % 1000) * 1000};
  for (int name : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    if (::setsockopt(handle.fd, SOL_SOCKET, name, &time, sizeof time) < 0) return fail_errno("set timeout");
  }
  return {};
}

Result<size_t> send_some(SocketHandle handle, std::span<const Bytes> parts) {
  iovec vectors[kMaxGather];
  size_t count = std::min(parts.size(), kMaxGather);
  for (size_t i = 0; i < count; ++i) {
    vectors[i] = {.iov_base = const_cast<char*>(parts[i].data()), .iov_len = parts[i].size()};
  }
  msghdr message{};
  message.msg_iov = vectors;
  message.msg_iovlen = count;
  ssize_t sent = retry_interrupted([&] { return ::sendmsg(handle.fd, &message, MSG_NOSIGNAL); });
  if (sent < 0) return fail_errno("send");
  return static_cast<size_t>(sent);
}

Result<size_t> send_some(SocketHandle handle, Bytes bytes) {
  ssize_t sent =
      retry_interrupted([&] { return ::send(handle.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL); });
  if (sent < 0) return fail_errno("send");
  return static_cast<size_t>(sent);
}

Result<size_t> receive_some(SocketHandle handle, MutableBytes out) {
  STRATA_ASSERT(!out.empty());
  ssize_t received = retry_interrupted([&] { return ::recv(handle.fd, out.data(), out.size(), 0); });
  if (received < 0) return fail_errno("receive");
  if (received == 0) return fail(Errc::kClosed, "end of stream");
  return static_cast<size_t>(received);
}

Status send_all(SocketHandle handle, Bytes bytes) {
  while (!bytes.empty()) {
    Result<size_t> sent = send_some(handle, bytes);
    if (!sent) return std::unexpected(sent.error());
    bytes.remove_prefix(*sent);
  }
  return {};
}

void shutdown_socket(SocketHandle handle, ShutdownHow how) {
  constexpr int kHow[] = {SHUT_RD, SHUT_WR, SHUT_RDWR};
  ::shutdown(handle.fd, kHow[static_cast<size_t>(how)]);
}

Result<bool> wait_ready(SocketHandle handle, Readiness what, int timeout_ms) {
  pollfd poll_entry{};
  poll_entry.fd = handle.fd;
  poll_entry.events = what == Readiness::kReadable ? POLLIN : POLLOUT;
  // An interrupted wait starts over: its callers are tests and tools, for whom that is near enough.
  int ready = retry_interrupted([&] { return ::poll(&poll_entry, 1, timeout_ms); });
  if (ready < 0) return fail_errno("poll");
  return ready > 0;
}

}  // namespace strata
