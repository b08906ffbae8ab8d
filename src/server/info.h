// INFO: sections of "name:value" lines, with Redis's names in Redis's order.
//
// Figures of other threads are read while they change: each is true for some moment of the call, together
// they need not add up.

#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace strata {

class Server;

class InfoText {
 public:
  void section(std::string_view title) {
    if (!text_.empty()) text_ += "\r\n";
    text_.append("# ").append(title).append("\r\n");
  }
  template <typename T>
  void line(std::string_view name, const T& value) {
    fmt::format_to(std::back_inserter(text_), "{}:{}\r\n", name, value);
  }
  // As "1.50M" beside the number itself.
  void bytes(std::string_view name, uint64_t value);
  void ratio(std::string_view name, double value) { line(name, fmt::format("{:.2f}", value)); }
  void percent(std::string_view name, double value) { line(name, fmt::format("{:.2f}%", value)); }
  void microseconds(std::string_view name, int64_t us) {
    line(name, fmt::format("{}.{:06}", us / 1000000, us % 1000000));
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// What an INFO takes in at its beginning.
struct InfoSource {
  Server& server;
  int64_t now_ms;
};

using InfoSection = void (*)(InfoText&, const InfoSource&);

void info_server(InfoText& out, const InfoSource& source);
void info_clients(InfoText& out, const InfoSource& source);
void info_memory(InfoText& out, const InfoSource& source);
void info_persistence(InfoText& out, const InfoSource& source);
void info_stats(InfoText& out, const InfoSource& source);
void info_replication(InfoText& out, const InfoSource& source);
void info_cpu(InfoText& out, const InfoSource& source);
void info_modules(InfoText& out, const InfoSource& source);
void info_commandstats(InfoText& out, const InfoSource& source);
void info_errorstats(InfoText& out, const InfoSource& source);
void info_latencystats(InfoText& out, const InfoSource& source);
void info_cluster(InfoText& out, const InfoSource& source);
void info_keyspace(InfoText& out, const InfoSource& source);
void info_strata(InfoText& out, const InfoSource& source);

}  // namespace strata
