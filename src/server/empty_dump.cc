#include "server/empty_dump.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/no_memory.h"
#include "platform/clock.h"
#include "platform/file_system.h"
#include "platform/thread.h"
#include "server/log_lines.h"
#include "server/server.h"
#include "server/worker.h"

namespace strata {

EmptyDump::~EmptyDump() {
  if (thread_.joinable()) thread_.join();
}

EmptyDump::Order EmptyDump::make_order(uint64_t changes, uint64_t cancelled_save) const {
  const Options& o = server_.options();
  Order order{wanted() + 1, changes, cancelled_save, dump_path(o), rdb_save_options(o)};
  order.options.aux.used_memory_bytes = server_.keyspace().used_bytes();
  return order;
}

uint64_t EmptyDump::write_soon(uint64_t changes, uint64_t cancelled_save) {
  const Status accepted = without_throwing("no memory to save", [&]() -> Status {
    accept(make_order(changes, cancelled_save));
    return {};
  });
  if (accepted) return wanted();
  log_warning(fmt::format("Failed saving the DB: {}", describe(accepted.error())));
  return 0;
}

void EmptyDump::accept(Order order) {
  std::lock_guard lock(mutex_);
  const uint64_t number = order.number;
  const bool replaces_last = !orders_.empty() && orders_.back().path == order.path;
  if (replaces_last) {
    order.cancelled_save = std::max(order.cancelled_save, orders_.back().cancelled_save);
    orders_.back() = std::move(order);
  } else {
    orders_.push_back(std::move(order));
  }
  if (!is_running_) {
    if (thread_.joinable()) thread_.join();  // it has ended
    thread_ = std::thread([this] { run(); });
    is_running_ = true;
  }
  wanted_.store(number, std::memory_order_release);
  changed_.notify_all();
}

void EmptyDump::run() {
  name_this_thread("strata-flushed");
  std::unique_lock lock(mutex_);
  while (!orders_.empty()) {
    const Order order = std::move(orders_.front());
    orders_.pop_front();
    lock.unlock();
    write(order);
    lock.lock();
    written_.store(order.number, std::memory_order_release);
    changed_.notify_all();
    for (auto& worker : server_.workers()) worker->log_progressed();
  }
  is_running_ = false;
}

void EmptyDump::write(const Order& order) {
  server_.background_save().wait_for(order.cancelled_save);
  const Result<RdbSaveReport> report = rdb_save_empty(real_file_system(), order.path, order.options);
  if (!report) return log_warning(fmt::format("Failed saving the DB: {}", describe(report.error())));
  SaveState& state = server_.save_state();
  state.changes_at_last_save = order.changes;
  state.last_save_s = system_clock().wall_us() / 1'000'000;
  state.last_ok = true;
  server_.note_save_result(true);
  log_notice("DB saved on disk");
}

void EmptyDump::wait_for(uint64_t number, const std::function<bool()>& is_unwanted) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return has_written(number) || is_unwanted(); });
}

}  // namespace strata
