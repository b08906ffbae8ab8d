// Counters of one thread. Only that thread writes them, with plain loads and stores; INFO sums them up. No
// cache line that another thread writes is touched on the hot path.

#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace strata {

// A counter with one writer.
class Counter {
 public:
  void add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }
  void reset() { value_.store(0, std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// How long commands took, in buckets of powers of two of microseconds (bucket n: below 2^n), for percentiles.
struct LatencyHistogram {
  static constexpr int kBuckets = 32;
  Counter buckets[kBuckets];
  void add(uint64_t us, uint64_t count) {
    int bucket = us == 0 ? 0 : static_cast<int>(std::bit_width(us));
    buckets[bucket < kBuckets ? bucket : kBuckets - 1].add(count);
  }
};

struct CommandCounters {
  Counter calls;
  Counter microseconds_q10;  // in 1/1024 us: fast commands take less than one
  Counter rejected;
  Counter failed;
  LatencyHistogram latency;

  void reset() {
    for (Counter* counter : {&calls, &microseconds_q10, &rejected, &failed}) counter->reset();
    for (Counter& bucket : latency.buckets) bucket.reset();
  }
};

struct WorkerMetrics {
  explicit WorkerMetrics(uint32_t count) : commands(new CommandCounters[count]), command_count(count) {}

  std::unique_ptr<CommandCounters[]> commands;
  uint32_t command_count;
  Counter commands_processed;
  Counter connections_received;
  Counter connections_rejected;
  Counter input_bytes;
  Counter output_bytes;
  Counter reads_processed;
  Counter writes_processed;
  Counter queued_for_shard;  // commands that found their shard taken and waited in its queue
  Counter ran_for_others;    // queued commands of other threads run here
  Counter parked_for_log;    // times a connection waited for log credit
  Counter parked_for_log_us;
  Counter unexpected_errors;
  Counter error_replies;
  Counter dump_payload_sanitizations;
  Counter authentication_failures;

  // errorstats, by the error's first word. Errors are rare enough for a lock.
  std::mutex errors_mutex;
  std::unordered_map<std::string, uint64_t> errors;
  static constexpr size_t kErrorKindsMax = 128;

  // CONFIG RESETSTAT. May be called by another thread: what is counted at that moment may survive.
  void reset() {
    for (Counter* counter : {&commands_processed, &connections_received, &connections_rejected, &input_bytes,
                             &output_bytes, &reads_processed, &writes_processed, &queued_for_shard,
                             &ran_for_others, &parked_for_log, &parked_for_log_us, &unexpected_errors,
                             &error_replies, &dump_payload_sanitizations, &authentication_failures}) {
      counter->reset();
    }
    for (uint32_t i = 0; i < command_count; ++i) commands[i].reset();
    std::lock_guard lock(errors_mutex);
    errors.clear();
  }
  void count_error(std::string_view code) {
    error_replies.add();
    std::lock_guard lock(errors_mutex);
    auto found = errors.find(std::string(code));
    if (found != errors.end()) {
      ++found->second;
    } else if (errors.size() < kErrorKindsMax) {
      errors.emplace(code, 1);
    }
  }
};

}  // namespace strata
