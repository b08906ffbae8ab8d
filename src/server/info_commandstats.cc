// INFO's figures for each command and each kind of error.

#include <cmath>
#include <map>

#include "server/info.h"
#include "server/server.h"

namespace strata {
namespace {

// One command's counters over all threads.
struct CommandTotals {
  uint64_t calls = 0;
  uint64_t microseconds_q10 = 0;
  uint64_t rejected = 0;
  uint64_t failed = 0;
  uint64_t buckets[LatencyHistogram::kBuckets] = {};
  uint64_t timed = 0;
};

CommandTotals totals_of(Server& server, uint32_t index) {
  CommandTotals totals;
  for (auto& worker : server.workers()) {
    const CommandCounters& counters = worker->metrics().commands[index];
    totals.calls += counters.calls.get();
    totals.microseconds_q10 += counters.microseconds_q10.get();
    totals.rejected += counters.rejected.get();
    totals.failed += counters.failed.get();
    for (int i = 0; i < LatencyHistogram::kBuckets; ++i) {
      totals.buckets[i] += counters.latency.buckets[i].get();
      totals.timed += counters.latency.buckets[i].get();
    }
  }
  return totals;
}

// The upper end of the bucket that holds the percentile.
double percentile(const CommandTotals& totals, double percent) {
  auto wanted = static_cast<uint64_t>(std::ceil(static_cast<double>(totals.timed) * percent / 100));
  uint64_t seen = 0;
  for (int i = 0; i < LatencyHistogram::kBuckets; ++i) {
    seen += totals.buckets[i];
    if (seen >= wanted && seen > 0) return std::ldexp(1.0, i);
  }
  return 0;
}

}  // namespace

void info_commandstats(InfoText& out, const InfoSource& source) {
  const Registry& registry = source.server.registry();
  out.section("Commandstats");
  for (uint32_t i = 0; i < registry.count(); ++i) {
    CommandTotals totals = totals_of(source.server, i);
    if (totals.calls == 0 && totals.rejected == 0 && totals.failed == 0) continue;
    double us = static_cast<double>(totals.microseconds_q10) / 1024;
    out.line(
        "cmdstat_" + registry.at(i).full_name,
        fmt::format("calls={},usec={},usec_per_call={:.2f},rejected_calls={},failed_calls={}", totals.calls,
                    static_cast<uint64_t>(us), totals.calls == 0 ? 0 : us / static_cast<double>(totals.calls),
                    totals.rejected, totals.failed));
  }
}

void info_errorstats(InfoText& out, const InfoSource& source) {
  std::map<std::string, uint64_t> errors;
  for (auto& worker : source.server.workers()) {
    std::lock_guard lock(worker->metrics().errors_mutex);
    for (const auto& [code, count] : worker->metrics().errors) errors[code] += count;
  }
  out.section("Errorstats");
  for (const auto& [code, count] : errors) out.line("errorstat_" + code, fmt::format("count={}", count));
}

void info_latencystats(InfoText& out, const InfoSource& source) {
  const Registry& registry = source.server.registry();
  const Options& o = source.server.options();
  out.section("Latencystats");
  if (!o.latency_tracking.load(std::memory_order_relaxed)) return;
  for (uint32_t i = 0; i < registry.count(); ++i) {
    CommandTotals totals = totals_of(source.server, i);
    if (totals.timed == 0) continue;
    std::string text;
    for (double percent : o.latency_percentiles) {
      text += fmt::format("{}p{:g}={:.3f}", text.empty() ? "" : ",", percent, percentile(totals, percent));
    }
    out.line("latency_percentiles_usec_" + registry.at(i).full_name, text);
  }
}

}  // namespace strata
