// A Redis client that does what well-behaved ones do not: split anywhere, read slowly, leave in the middle.
//
// One thread at a time. What goes wrong on the wire (no reply in time, end of the stream) is a reply of type
// kLost.

#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stress {

using Strings = std::vector<std::string>;

struct Reply {
  static constexpr char kLost = '!';
  char type = kLost;
  bool is_null = false;
  int64_t integer = 0;
  std::string text;
  std::vector<Reply> elements;

  bool is_error() const { return type == '-'; }
  bool is_lost() const { return type == kLost; }
  // A string that holds a number, an integer, or 0 for null.
  int64_t number() const;
  std::string describe() const;
};

std::string encode(std::span<const std::string> args);
std::string encode(std::initializer_list<std::string_view> args);

class Client {
 public:
  // `receive_buffer`: bytes of the socket's buffer, 0 for the system's choice.
  explicit Client(uint16_t port, int receive_buffer = 0);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  bool is_connected() const { return fd_ >= 0; }

  // Sends everything, taking in replies meanwhile, as a server with a full output asks for.
  bool send(std::string_view bytes);
  // Sends what goes without reading anything; returns how much.
  size_t send_without_reading(std::string_view bytes, int64_t patience_ms);
  // One reply; fails the test when none comes within the deadline.
  Reply read();
  // The same, quietly: the server may be gone.
  Reply try_read(int64_t patience_ms);
  Reply call(std::initializer_list<std::string_view> args);
  Reply call(const Strings& args);
  // Bytes as they come, at most `most`; empty at the end or after the patience.
  std::string read_raw(size_t most, int64_t patience_ms);
  void close();
  void reset();  // closes with a RST
  void finish_sending();

 private:
  // At least one more byte into input_. False: none came.
  bool receive(int64_t patience_ms);
  bool read_line(std::string_view& line, int64_t patience_ms);
  bool parse(Reply& reply, int64_t patience_ms);

  int fd_ = -1;
  std::string input_;
  size_t begin_ = 0;
};

// How long a reply may take on a busy machine under a sanitizer before it counts as lost.
inline constexpr int64_t kReplyDeadlineMs = 60'000;

}  // namespace stress
