// PFADD, PFCOUNT, PFMERGE and what looks into them. A HyperLogLog is an ordinary string (data/hyperloglog.h),
// so its bytes may be anybody's.

#include "data/hyperloglog.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include "commands/bits.h"
#include "commands/groups.h"
#include "text/ascii.h"

namespace strata {
namespace {

using hyperloglog::Union;

// False: not the header of one, which was replied.
bool check_sketch(Context& context, Bytes bytes) {
  if (hyperloglog::is_sketch(bytes)) return true;
  context.reply().error("WRONGTYPE Key is not a valid HyperLogLog string value.");
  return false;
}

void reply_corrupt(Context& context) { context.reply().error("INVALIDOBJ Corrupted HLL object detected"); }

// Replaces the key's string by the sketch, in the string's place. False: no memory, which was replied.
bool write_sketch(Context& context, const Key& key, Entry* entry, Bytes sketch) {
  Database& database = context.database(key);
  if (!entry) {
    Result<Entry*> created = database.set_string(key, sketch, kNoDeadline, false);
    if (!context.check(created)) return false;
    // Redis says "raw" of it.
    static_cast<void>(database.edit_string(key, *created, sketch.size()));
    return true;
  }
  Result<MutableBytes> edited = database.edit_string(key, entry, sketch.size());
  if (!context.check(edited)) return false;
  std::memcpy(edited->data(), sketch.data(), sketch.size());
  return true;
}

// Registers of a dense sketch are raised where they lie.
void add_to_dense(Context& context, const Key& key, Entry* entry, Bytes sketch) {
  bool is_raised = false;
  for (Bytes element : context.args().subspan(2)) {
    const hyperloglog::Place place = hyperloglog::place_of(element);
    if (!is_raised) {
      if (hyperloglog::dense_register(sketch, place.index) >= place.value) continue;
      Result<MutableBytes> edited = context.database(key).edit_string(key, entry, sketch.size());
      if (!context.check(edited)) return;
      sketch = {edited->data(), edited->size()};
      is_raised = true;
      hyperloglog::forget_count(edited->data());
    }
    hyperloglog::raise_dense(const_cast<char*>(sketch.data()), place);
  }
  if (is_raised) context.changed(key);
  context.reply().integer(is_raised);
}

void pfadd(Context& context) {
  const Key key = context.key(1);
  Entry* entry;
  if (!context.find_for_write(key, Type::kString, entry)) return;
  const StringBytes string(entry);
  if (entry && !check_sketch(context, string.bytes())) return;
  if (entry && !hyperloglog::is_sparse(string.bytes()))
    return add_to_dense(context, key, entry, string.bytes());
  if (string.bytes().size() > hyperloglog::kSparseBytesMax) return reply_corrupt(context);
  std::string sketch = entry ? std::string(string.bytes()) : hyperloglog::create();
  bool is_changed = entry == nullptr;
  for (Bytes element : context.args().subspan(2)) {
    Result<bool> raised = hyperloglog::raise(sketch, hyperloglog::place_of(element),
                                             static_cast<size_t>(context.options().hll_sparse_max_bytes));
    if (!raised) return reply_corrupt(context);
    is_changed |= *raised;
  }
  if (is_changed) {
    if (!write_sketch(context, key, entry, sketch)) return;
    context.changed(key);
  }
  context.reply().integer(is_changed);
}

// The count goes into the header for the next time, if there is memory. PFCOUNT is then logged like a command
// that writes, so that who loads the log has the same bytes.
void count_one(Context& context) {
  const Key key = context.key(1);
  Entry* entry;
  if (!context.find(key, Type::kString, entry)) return;
  if (!entry) return context.reply().integer(0);
  const StringBytes string(entry);
  const Bytes sketch = string.bytes();
  if (!check_sketch(context, sketch)) return;
  if (hyperloglog::has_cached_count(sketch))
    return context.reply().integer(static_cast<int64_t>(hyperloglog::cached_count(sketch)));
  Result<uint64_t> count = hyperloglog::count(sketch);
  if (!count) return reply_corrupt(context);
  Result<MutableBytes> edited = context.database(key).edit_string(key, entry, sketch.size());
  if (edited) {
    hyperloglog::cache_count(edited->data(), *count);
    context.changed(key);
  }
  context.reply().integer(static_cast<int64_t>(*count));
}

// Adds the sketches of all keys from args[first] on. False: an error was replied.
bool unite(Context& context, size_t first, Union& all, bool& is_any_dense) {
  for (size_t i = first; i < context.argc(); ++i) {
    Entry* entry;
    if (!context.find(context.key(i), Type::kString, entry)) return false;
    if (!entry) continue;
    const StringBytes string(entry);
    if (!check_sketch(context, string.bytes())) return false;
    is_any_dense |= !hyperloglog::is_sparse(string.bytes());
    if (!all.add(string.bytes())) return reply_corrupt(context), false;
  }
  return true;
}

void pfcount(Context& context) {
  if (context.argc() == 2) return count_one(context);
  auto all = std::make_unique<Union>();
  bool is_any_dense = false;
  if (unite(context, 1, *all, is_any_dense)) context.reply().integer(static_cast<int64_t>(all->count()));
}

void pfmerge(Context& context) {
  auto all = std::make_unique<Union>();
  bool is_any_dense = false;
  if (!unite(context, 1, *all, is_any_dense)) return;
  const Key target = context.key(1);
  Entry* entry = context.find_for_write(target);
  std::string sketch = entry ? std::string(StringBytes(entry).bytes()) : hyperloglog::create();
  if (is_any_dense && !hyperloglog::make_dense(sketch)) return reply_corrupt(context);
  for (uint32_t i = 0; i < hyperloglog::kRegisters; ++i) {
    const uint8_t value = all->registers()[i];
    if (value > 0 && !hyperloglog::raise(sketch, {i, value},
                                         static_cast<size_t>(context.options().hll_sparse_max_bytes))) {
      return reply_corrupt(context);
    }
  }
  hyperloglog::forget_count(sketch.data());
  if (!write_sketch(context, target, entry, sketch)) return;
  context.changed(target);
  context.reply().ok();
}

// ---- Debugging -------------------------------------------------------------------------------------

// Makes the key's sketch dense; false: an error was replied.
bool make_dense(Context& context, const Key& key, Entry* entry, std::string& sketch) {
  if (!hyperloglog::is_sparse(sketch)) return true;
  if (!hyperloglog::make_dense(sketch)) return reply_corrupt(context), false;
  if (!write_sketch(context, key, entry, sketch)) return false;
  context.changed(key);
  return true;
}

// "Z:495 v:2,1 z:3 …"
void reply_runs(Context& context, Bytes sketch) {
  if (!hyperloglog::is_sparse(sketch)) return context.reply().error("ERR HLL encoding is not sparse");
  std::string text;
  Status read = hyperloglog::visit_runs(sketch, [&](hyperloglog::Run run, uint8_t value, uint32_t length) {
    if (!text.empty()) text += ' ';
    if (run == hyperloglog::Run::kValue) {
      text += "v:" + std::to_string(value) + "," + std::to_string(length);
    } else {
      text += (run == hyperloglog::Run::kZero ? "z:" : "Z:") + std::to_string(length);
    }
  });
  if (!read) return reply_corrupt(context);
  context.reply().bulk(text);
}

void reply_registers(Context& context, Bytes dense) {
  context.reply().array(hyperloglog::kRegisters);
  for (uint32_t i = 0; i < hyperloglog::kRegisters; ++i) {
    context.reply().integer(hyperloglog::dense_register(dense, i));
  }
}

void pfdebug(Context& context) {
  const Key key = context.key(2);
  Entry* entry;
  if (!context.find_for_write(key, Type::kString, entry)) return;
  if (!entry) return context.reply().error("ERR The specified key does not exist");
  const StringBytes string(entry);
  if (!check_sketch(context, string.bytes())) return;
  if (string.bytes().size() > hyperloglog::kSparseBytesMax) return reply_corrupt(context);
  std::string sketch(string.bytes());
  const bool was_sparse = hyperloglog::is_sparse(sketch);
  if (context.is_word(1, "GETREG")) {
    if (make_dense(context, key, entry, sketch)) reply_registers(context, sketch);
  } else if (context.is_word(1, "DECODE")) {
    reply_runs(context, sketch);
  } else if (context.is_word(1, "ENCODING")) {
    context.reply().simple(was_sparse ? "sparse" : "dense");
  } else if (context.is_word(1, "TODENSE")) {
    if (make_dense(context, key, entry, sketch)) context.reply().integer(was_sparse);
  } else {
    context.reply().error("ERR Unknown PFDEBUG subcommand '", context.arg(1), "'");
  }
}

// A sketch that becomes dense on the way has the registers of a plain array, and estimates within five times
// its standard error.
Bytes self_test() {
  constexpr uint64_t kElements = 100'000;
  constexpr double kErrorMax = 5 * 1.04 / 128;
  auto model = std::make_unique<Union>();
  std::string sketch = hyperloglog::create();
  for (uint64_t i = 1; i <= kElements; ++i) {
    const hyperloglog::Place place = hyperloglog::place_of({reinterpret_cast<const char*>(&i), sizeof(i)});
    model->raise(place);
    if (!hyperloglog::raise(sketch, place, 3000)) return "TESTFAILED a register could not be raised";
    if ((i & (i - 1)) != 0 && i != kElements) continue;
    Result<uint64_t> count = hyperloglog::count(sketch);
    if (!count || *count != model->count()) return "TESTFAILED sparse and dense registers differ";
    const double error = std::abs(static_cast<double>(*count) - static_cast<double>(i));
    if (error > std::ceil(kErrorMax * static_cast<double>(i)))
      return "TESTFAILED the estimate is too far off";
  }
  return {};
}

void pfselftest(Context& context) {
  const Bytes failure = self_test();
  failure.empty() ? context.reply().ok() : context.reply().error(failure);
}

constexpr KeySpec kMerged[] = {
    {.flags = kKeyRW | kKeyAccess | kKeyInsert},
    {.flags = kKeyRO | kKeyAccess, .index = 2, .last = -1},
};
// PFCOUNT writes its count into the string.
constexpr KeySpec kCounted[] = {{.flags = kKeyRW | kKeyAccess, .last = -1}};
constexpr KeySpec kDebugged[] = {{.flags = kKeyRW | kKeyAccess, .index = 2}};

// clang-format off
constexpr Command kHyperLogLogCommands[] = {
    {.name = "pfadd", .syntax = "key [element [element ...]]", .flags = kWrite | kDenyOom | kFast,
     .keys = kFirstKeyInsert, .acl = kAclHyperLogLog, .since = "2.8.9", .complexity = "O(1) to add every element.",
     .summary = "Adds the specified elements to the specified HyperLogLog.", .run = pfadd},
    {.name = "pfcount", .syntax = "key [key ...]", .flags = kReadOnly, .keys = kCounted,
     .acl = kAclHyperLogLog, .since = "2.8.9",
     .complexity = "O(1) with a very small average constant time when called with a single key. O(N) with N being the "
                   "number of keys, and much bigger constant times, when called with multiple keys.",
     .summary = "Return the approximated cardinality of the set(s) observed by the HyperLogLog at key(s).",
     .run = pfcount},
    {.name = "pfmerge", .syntax = "destkey [sourcekey [sourcekey ...]]", .flags = kWrite | kDenyOom,
     .keys = kMerged, .acl = kAclHyperLogLog, .since = "2.8.9",
     .complexity = "O(N) to merge N HyperLogLogs, but with high constant times.",
     .summary = "Merge N different HyperLogLogs into a single one.", .run = pfmerge},
    {.name = "pfdebug", .syntax = "subcommand key", .flags = kWrite | kDenyOom | kAdmin, .keys = kDebugged,
     .acl = kAclHyperLogLog, .since = "2.8.9", .complexity = "N/A",
     .summary = "Internal commands for debugging HyperLogLog values", .run = pfdebug},
    {.name = "pfselftest", .flags = kAdmin | kConnection, .acl = kAclHyperLogLog, .since = "2.8.9",
     .complexity = "N/A", .summary = "An internal command for testing HyperLogLog values", .run = pfselftest},
};
// clang-format on
static_assert(well_formed(kHyperLogLogCommands));

}  // namespace

const CommandGroup kHyperLogLogGroup = {"hyperloglog", kHyperLogLogCommands};

}  // namespace strata
