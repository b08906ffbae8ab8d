// MEMORY. Read from the bottom: the table, then the handlers.

#include "commands/context.h"
#include "commands/help.h"
#include "server/server_tables.h"

namespace strata {
namespace {

constexpr int64_t kSamplesByDefault = 5;
constexpr KeySpec kKey[] = {{.flags = kKeyRO, .index = 2}};

// MEMORY USAGE key [SAMPLES count]
void usage(Context& context) {
  int64_t samples = kSamplesByDefault;
  for (size_t i = 3; i < context.argc(); ++i) {
    if (!context.is_word(i, "SAMPLES") || i + 1 == context.argc()) return context.syntax_error();
    if (!context.parse_integer(++i, samples)) return;
    if (samples < 0) return context.syntax_error();
  }
  Key key = context.key(2);
  Entry* entry = context.find_in(key, context.db());
  if (!entry) return context.reply().null();
  context.reply().integer(static_cast<int64_t>(memory_usage(*entry, static_cast<size_t>(samples))));
}

void help(Context& context) {
  reply_help(context, "MEMORY",
             {"USAGE <key> [SAMPLES <count>]",
              "    Return memory in bytes used by <key> and its value. Nested values are",
              "    sampled up to <count> times (default: 5, 0 means sample all)."});
}

}  // namespace

constexpr Command kMemorySubcommands[] = {
    {.name = "help",
     .flags = kLoading | kStale | kConnection,
     .since = "4.0.0",
     .summary = "Returns helpful text about the different subcommands.",
     .run = help},
    {.name = "usage",
     .syntax = "key [SAMPLES count]",
     .flags = kReadOnly,
     .keys = kKey,
     .since = "4.0.0",
     .complexity = "O(N) where N is the number of samples.",
     .summary = "Estimates the memory usage of a key.",
     .run = usage},
};
static_assert(well_formed(kMemorySubcommands));

}  // namespace strata
