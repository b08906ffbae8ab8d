#include "client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>

namespace stress {
namespace {

constexpr size_t kReceiveBytes = 256 * 1024;

int64_t clock_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

int64_t to_number(std::string_view text) {
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

template <typename Args>
std::string encode_args(const Args& args) {
  std::string out = "*" + std::to_string(args.size()) + "\r\n";
  for (std::string_view arg : args) {
    out.append("$").append(std::to_string(arg.size())).append("\r\n").append(arg).append("\r\n");
  }
  return out;
}

}  // namespace

std::string encode(std::span<const std::string> args) { return encode_args(args); }
std::string encode(std::initializer_list<std::string_view> args) { return encode_args(args); }

int64_t Reply::number() const { return type == ':' ? integer : to_number(text); }

std::string Reply::describe() const {
  if (is_null) return "null";
  if (type == ':') return ":" + std::to_string(integer);
  if (type != '*') return std::string(1, type) + text.substr(0, 200);
  std::string out = "[";
  for (const Reply& element : elements) out += element.describe() + " ";
  return out + "]";
}

Client::Client(uint16_t port, int receive_buffer) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return;
  if (receive_buffer > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    close();
    return;
  }
  int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Client::~Client() { close(); }

void Client::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void Client::reset() {
  linger abrupt{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &abrupt, sizeof abrupt);
  close();
}

void Client::finish_sending() { ::shutdown(fd_, SHUT_WR); }

bool Client::send(std::string_view bytes) {
  int64_t deadline = clock_ms() + kReplyDeadlineMs;
  while (!bytes.empty()) {
    ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
      deadline = clock_ms() + kReplyDeadlineMs;
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) return false;
    pollfd poll{.fd = fd_, .events = POLLIN | POLLOUT, .revents = 0};
    ::poll(&poll, 1, 1000);
    if ((poll.revents & POLLIN) && !receive(0)) return false;
    if (clock_ms() > deadline) {
      ADD_FAILURE() << "the server takes no bytes";
      return false;
    }
  }
  return true;
}

size_t Client::send_without_reading(std::string_view bytes, int64_t patience_ms) {
  size_t total = 0;
  while (total < bytes.size()) {
    ssize_t sent = ::send(fd_, bytes.data() + total, bytes.size() - total, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      total += static_cast<size_t>(sent);
      continue;
    }
    pollfd poll{.fd = fd_, .events = POLLOUT, .revents = 0};
    if (::poll(&poll, 1, static_cast<int>(patience_ms)) <= 0) break;
    if (poll.revents & (POLLERR | POLLHUP)) break;
  }
  return total;
}

bool Client::receive(int64_t patience_ms) {
  if (fd_ < 0) return false;
  if (begin_ == input_.size()) {
    input_.clear();
    begin_ = 0;
  } else if (begin_ > input_.size() / 2 && begin_ > kReceiveBytes) {
    input_.erase(0, begin_);
    begin_ = 0;
  }
  pollfd poll{.fd = fd_, .events = POLLIN, .revents = 0};
  int ready = ::poll(&poll, 1, static_cast<int>(patience_ms));
  if (ready <= 0) return false;
  size_t size = input_.size();
  input_.resize(size + kReceiveBytes);
  ssize_t got = ::recv(fd_, input_.data() + size, kReceiveBytes, 0);
  input_.resize(size + static_cast<size_t>(got > 0 ? got : 0));
  return got > 0;
}

bool Client::read_line(std::string_view& line, int64_t patience_ms) {
  size_t from = begin_;
  for (;;) {
    size_t end = input_.find("\r\n", from);
    if (end != std::string::npos) {
      line = std::string_view(input_).substr(begin_, end - begin_);
      begin_ = end + 2;
      return true;
    }
    size_t seen = input_.size() - begin_;
    if (!receive(patience_ms)) return false;
    from = begin_ + (seen == 0 ? 0 : seen - 1);
  }
}

bool Client::parse(Reply& reply, int64_t patience_ms) {
  std::string_view line;
  if (!read_line(line, patience_ms) || line.empty()) return false;
  char type = line[0];
  line.remove_prefix(1);
  int64_t number = to_number(line);
  if (type == '+' || type == '-' || type == ',' || type == '#') {
    reply.text = line;
  } else if (type == ':') {
    reply.integer = number;
  } else if (type == '_' || ((type == '$' || type == '*') && number < 0)) {
    reply.is_null = true;
  } else if (type == '$') {
    size_t need = static_cast<size_t>(number) + 2;
    while (input_.size() - begin_ < need) {
      if (!receive(patience_ms)) return false;
    }
    reply.text.assign(input_, begin_, need - 2);
    begin_ += need;
  } else if (type == '*') {
    reply.elements.resize(static_cast<size_t>(number));
    for (Reply& element : reply.elements) {
      if (!parse(element, patience_ms)) return false;
    }
  } else {
    ADD_FAILURE() << "not RESP: " << type << line.substr(0, 80);
    return false;
  }
  reply.type = type;
  return true;
}

Reply Client::try_read(int64_t patience_ms) {
  Reply reply;
  if (!parse(reply, patience_ms)) reply.type = Reply::kLost;
  return reply;
}

Reply Client::read() {
  Reply reply = try_read(kReplyDeadlineMs);
  if (reply.is_lost()) ADD_FAILURE() << "a reply is lost";
  return reply;
}

Reply Client::call(std::initializer_list<std::string_view> args) {
  if (!send(encode(args))) return {};
  return read();
}

Reply Client::call(const Strings& args) {
  if (!send(encode(args))) return {};
  return read();
}

std::string Client::read_raw(size_t most, int64_t patience_ms) {
  if (begin_ == input_.size()) {
    pollfd poll{.fd = fd_, .events = POLLIN, .revents = 0};
    if (::poll(&poll, 1, static_cast<int>(patience_ms)) <= 0) return {};
    std::string bytes(most, '\0');
    ssize_t got = ::recv(fd_, bytes.data(), most, 0);
    bytes.resize(static_cast<size_t>(got > 0 ? got : 0));
    return bytes;
  }
  std::string bytes = input_.substr(begin_, most);
  begin_ += bytes.size();
  return bytes;
}

}  // namespace stress
