#include "server/slow_log.h"

#include <algorithm>

#include "server/session.h"
#include "text/ascii.h"

namespace strata {

namespace {

// What follows AUTH and AUTH2 in MIGRATE is nobody's business.
std::vector<bool> secrets_of(std::span<const Bytes> args) {
  std::vector<bool> secret(args.size());
  if (!iequals(args[0], "migrate")) return secret;
  for (size_t i = 6; i < args.size(); ++i) {
    if (iequals(args[i], "KEYS")) break;
    const size_t words = iequals(args[i], "AUTH") ? 1 : iequals(args[i], "AUTH2") ? 2 : 0;
    for (size_t n = 0; n < words && i + 1 < args.size(); ++n) secret[++i] = true;
  }
  return secret;
}

}  // namespace

void SlowLog::add(std::span<const Bytes> args, uint64_t duration_us, int64_t now_ms, const Session& session) {
  SlowLogEntry entry{0, now_ms / 1000, duration_us, {}, session.peer_address, session.name};
  size_t shown = std::min(args.size(), kArgumentsMax);
  const std::vector<bool> secret = secrets_of(args);
  for (size_t i = 0; i < shown; ++i) {
    if (shown != args.size() && i == shown - 1) {
      entry.args.push_back("... (" + std::to_string(args.size() - shown + 1) + " more arguments)");
    } else if (secret[i]) {
      entry.args.emplace_back("(redacted)");
    } else if (args[i].size() > kArgumentBytesMax) {
      entry.args.push_back(std::string(args[i].substr(0, kArgumentBytesMax)) + "... (" +
                           std::to_string(args[i].size() - kArgumentBytesMax) + " more bytes)");
    } else {
      entry.args.emplace_back(args[i]);
    }
  }
  std::lock_guard lock(mutex_);
  if (max_length_ == 0) return;
  entry.id = next_id_++;
  entries_.push_front(std::move(entry));
  while (entries_.size() > max_length_) entries_.pop_back();
}

std::vector<SlowLogEntry> SlowLog::newest(size_t count) const {
  std::lock_guard lock(mutex_);
  return {entries_.begin(), entries_.begin() + static_cast<ptrdiff_t>(std::min(count, entries_.size()))};
}

size_t SlowLog::length() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

void SlowLog::reset() {
  std::lock_guard lock(mutex_);
  entries_.clear();
}

void SlowLog::set_max_length(size_t length) {
  std::lock_guard lock(mutex_);
  max_length_ = length;
  while (entries_.size() > max_length_) entries_.pop_back();
}

}  // namespace strata
