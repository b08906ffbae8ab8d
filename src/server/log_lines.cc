#include "server/log_lines.h"

#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <mutex>
#include <system_error>

namespace strata {
namespace {

// The level as Redis's one character: . debug, - verbose, * notice, # warning.
class LevelMark final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    switch (message.level) {
      case spdlog::level::trace:
        out.push_back('.');
        break;
      case spdlog::level::debug:
        out.push_back('-');
        break;
      case spdlog::level::warn:
        out.push_back('#');
        break;
      default:
        out.push_back('*');
    }
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<LevelMark>(); }
};

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::trace;
    case LogLevel::kVerbose:
      return spdlog::level::debug;
    case LogLevel::kNotice:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kNothing:
      break;
  }
  return spdlog::level::off;
}

std::shared_ptr<spdlog::logger> make_logger(spdlog::sink_ptr sink) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<LevelMark>('*').set_pattern("%P:M %d %b %Y %H:%M:%S.%e %* %v");
  sink->set_formatter(std::move(formatter));
  auto logger = std::make_shared<spdlog::logger>("strata", std::move(sink));
  logger->flush_on(spdlog::level::trace);
  return logger;
}

// Replaced by CONFIG SET logfile while others write: they keep the one they hold.
std::mutex mutex;
std::shared_ptr<spdlog::logger>& logger() {
  static auto instance = make_logger(std::make_shared<spdlog::sinks::stdout_sink_mt>());
  return instance;
}
LogLevel current_level = LogLevel::kNotice;

std::shared_ptr<spdlog::logger> held_logger() {
  std::lock_guard lock(mutex);
  return logger();
}

}  // namespace

void log_line(LogLevel level, std::string_view text) {
  held_logger()->log(spdlog_level(level), spdlog::string_view_t(text.data(), text.size()));
}

void set_log_level(LogLevel level) {
  std::lock_guard lock(mutex);
  current_level = level;
  logger()->set_level(spdlog_level(level));
}

Status set_log_file(const std::string& path) {
  spdlog::sink_ptr sink;
  try {
    if (path.empty()) {
      sink = std::make_shared<spdlog::sinks::stdout_sink_mt>();
    } else {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
    }
  } catch (const spdlog::spdlog_ex&) {
    return fail_os(Errc::kIo, errno, "cannot open the log file");
  }
  auto fresh = make_logger(std::move(sink));
  std::lock_guard lock(mutex);
  fresh->set_level(spdlog_level(current_level));
  logger() = std::move(fresh);
  return {};
}

void flush_log_lines() { held_logger()->flush(); }

std::string describe(const Error& error) {
  std::string text = *error.what ? error.what : error_text(error.code);
  if (error.os_error != 0) {
    text.append(": ").append(std::system_category().message(error.os_error));
  } else if (*error.what) {
    text.append(" (").append(error_text(error.code)).append(")");
  }
  if (error.offset != 0) text.append(fmt::format(" at offset {}", error.offset));
  return text;
}

}  // namespace strata
