#include "server/info.h"

#include "commands/context.h"
#include "server/server.h"
#include "server/server_tables.h"
#include "text/ascii.h"

namespace strata {
namespace {

struct NamedSection {
  const char* name;
  InfoSection write;
  bool is_default;
};

constexpr NamedSection kSections[] = {
    {"server", info_server, true},
    {"clients", info_clients, true},
    {"memory", info_memory, true},
    {"persistence", info_persistence, true},
    {"stats", info_stats, true},
    {"replication", info_replication, true},
    {"cpu", info_cpu, true},
    {"modules", info_modules, true},
    {"commandstats", info_commandstats, false},
    {"errorstats", info_errorstats, true},
    {"latencystats", info_latencystats, false},
    {"cluster", info_cluster, true},
    {"keyspace", info_keyspace, true},
    {"strata", info_strata, true},
};

bool is_wanted(const NamedSection& section, std::span<const Bytes> names) {
  if (names.empty()) return section.is_default;
  for (Bytes name : names) {
    if (iequals(name, section.name) || iequals(name, "all") || iequals(name, "everything")) return true;
    if (iequals(name, "default") && section.is_default) return true;
  }
  return false;
}

}  // namespace

void InfoText::bytes(std::string_view name, uint64_t value) {
  constexpr struct {
    uint64_t unit;
    const char* letter;
  } kUnits[] = {
      {1ull << 50, "P"}, {1ull << 40, "T"}, {1ull << 30, "G"}, {1ull << 20, "M"}, {1ull << 10, "K"}};
  line(name, value);
  std::string human = fmt::format("{}B", value);
  for (const auto& [unit, letter] : kUnits) {
    if (value < unit) continue;
    human = fmt::format("{:.2f}{}", static_cast<double>(value) / static_cast<double>(unit), letter);
    break;
  }
  line(fmt::format("{}_human", name), human);
}

// INFO [section [section ...]]
void info(Context& context) {
  Server& server = *context.session()->server;
  InfoText out;
  InfoSource source{server, context.now_ms()};
  // Passwords aside, options are read by other threads only while nothing changes them.
  std::lock_guard lock(server.configuration_mutex());
  for (const NamedSection& section : kSections) {
    if (is_wanted(section, context.args().subspan(1))) section.write(out, source);
  }
  context.reply().verbatim(out.text());
}

}  // namespace strata
