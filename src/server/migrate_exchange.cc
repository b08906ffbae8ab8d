#include "server/migrate_exchange.h"

#include <algorithm>

#include "text/numbers.h"

namespace strata {
namespace {

void append_header(std::string& out, char type, size_t n) {
  char digits[kI64TextBytes];
  out.push_back(type);
  out.append(digits, print_u64(n, digits));
  out.append("\r\n");
}

}  // namespace

void MigrateExchange::command(std::initializer_list<Bytes> words) {
  append_header(request_, '*', words.size());
  for (Bytes word : words) {
    append_header(request_, '$', word.size());
    request_.append(word);
    request_.append("\r\n");
  }
}

void MigrateExchange::begin(Bytes user, Bytes password, int64_t db) {
  if (!password.empty()) {
    user.empty() ? command({"AUTH", password}) : command({"AUTH", user, password});
    ++preliminaries_;
  }
  char digits[kI64TextBytes];
  command({"SELECT", Bytes(digits, print_i64(db, digits))});
  ++preliminaries_;
}

void MigrateExchange::add(Bytes key, int64_t ttl_ms, Bytes payload, bool replace) {
  char digits[kI64TextBytes];
  const Bytes ttl(digits, print_i64(ttl_ms, digits));
  replace ? command({"RESTORE", key, ttl, payload, "REPLACE"}) : command({"RESTORE", key, ttl, payload});
  ++keys_;
}

MigrateExchange::State MigrateExchange::take(Bytes bytes) {
  while (!bytes.empty() && arrived_.size() < keys_) {
    const size_t end = bytes.find('\n');
    line_.append(bytes.substr(0, end));
    if (line_.size() > kLineBytesMax) return State::kMalformed;
    if (end == Bytes::npos) break;
    bytes.remove_prefix(end + 1);
    const bool is_reply = line_.size() > 1 && line_.ends_with('\r') && (line_[0] == '+' || line_[0] == '-');
    if (!is_reply) return State::kMalformed;
    finish_line();
  }
  return arrived_.size() == keys_ ? State::kDone : State::kMore;
}

void MigrateExchange::finish_line() {
  line_.pop_back();
  const bool is_error = line_[0] == '-';
  if (is_error && error_.empty()) error_ = line_.substr(1);
  line_.clear();
  if (preliminaries_ > 0) {
    --preliminaries_;
    is_ready_ &= !is_error;
  } else {
    // Where SELECT was refused the key went to another database: it does not count as there.
    arrived_.push_back(is_ready_ && !is_error);
  }
}

}  // namespace strata
