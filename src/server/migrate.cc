// MIGRATE, as work in slices: the values are encoded inside the shards, the conversation with the other
// server happens on the loop while only the keys are latched, and what has arrived is deleted inside the
// shards again.
//
// The latches are shared: others may read the keys meanwhile, and writes wait. Everything that is to be sent
// is in memory at once, as in Redis. A connection is made for each command.

#include "server/migrate.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "persistence/rdb_dump.h"
#include "runtime/name_connect.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "server/migrate_exchange.h"
#include "server/worker.h"
#include "text/ascii.h"
#include "text/numbers.h"

namespace strata {
namespace {

constexpr int64_t kDefaultTimeoutMs = 1000;
constexpr size_t kSliceBytes = 64 << 10;
constexpr size_t kStepElements = 32;
constexpr size_t kKeyArgument = 3;
constexpr size_t kFirstOption = 6;

struct MigrateOptions {
  std::string host;
  uint16_t port = 0;
  int64_t db = 0;
  int64_t timeout_ms = kDefaultTimeoutMs;
  bool copy = false;
  bool replace = false;
  std::string user;
  std::string password;
  std::vector<size_t> keys;  // indexes of arguments
};

// Where the keys begin when they follow KEYS; 0: they do not.
size_t keys_begin(std::span<const Bytes> args) {
  for (size_t i = kFirstOption; i < args.size(); ++i) {
    if (iequals(args[i], "KEYS")) return i + 1;
    if (iequals(args[i], "AUTH")) i += 1;
    if (iequals(args[i], "AUTH2")) i += 2;
  }
  return 0;
}

bool parse_flags(Context& context, MigrateOptions& options) {
  const size_t count = context.argc();
  for (size_t i = kFirstOption; i < count; ++i) {
    if (context.is_word(i, "COPY")) {
      options.copy = true;
    } else if (context.is_word(i, "REPLACE")) {
      options.replace = true;
    } else if (context.is_word(i, "AUTH") && i + 1 < count) {
      options.password = context.arg(++i);
    } else if (context.is_word(i, "AUTH2") && i + 2 < count) {
      options.user = context.arg(++i);
      options.password = context.arg(++i);
    } else if (context.is_word(i, "KEYS")) {
      if (context.arg(kKeyArgument).empty()) return true;
      context.reply().error(
          "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string");
      return false;
    } else {
      context.syntax_error();
      return false;
    }
  }
  return true;
}

bool parse(Context& context, MigrateOptions& options) {
  if (!parse_flags(context, options)) return false;
  if (!context.parse_integer(5, options.timeout_ms) || !context.parse_integer(4, options.db)) return false;
  if (options.timeout_ms <= 0) options.timeout_ms = kDefaultTimeoutMs;
  options.host = context.arg(1);
  // What is no port is nobody's, and so not connected to (Redis lets the connection fail, too).
  const auto port = parse_i64(context.arg(2));
  options.port = port && *port >= 0 && *port <= UINT16_MAX ? static_cast<uint16_t>(*port) : 0;
  return true;
}

enum class Failure : uint8_t { kNone, kConnecting, kWriting, kReading };

class MigrateWork final : public SlicedWork {
 public:
  explicit MigrateWork(MigrateOptions options) : options_(std::move(options)) {
    exchange_.begin(options_.user, options_.password, options_.db);
  }

  bool step(Context& context) override {
    if (phase_ == Phase::kEncoding) {
      encode_some(context);
      return false;
    }
    finish(context);
    return true;
  }

  bool wait(std::function<void()> resume) override {
    if (phase_ != Phase::kTalking) return false;
    TaskScope& scope = Worker::current()->scope();
    scope.spawn(talk(scope.loop(), std::move(resume)));
    return true;
  }

 private:
  enum class Phase : uint8_t { kEncoding, kTalking, kFinished };

  void encode_some(Context& context) {
    for (size_t produced = 0; produced < kSliceBytes;) {
      if (next_ == options_.keys.size()) {
        phase_ = Phase::kTalking;
        return;
      }
      const Key key = context.key(options_.keys[next_]);
      // The latch keeps it where it is, even past its deadline.
      const Entry* entry = context.database(key).find(key);
      if (!dump_) dump_.emplace(*entry, true);
      const size_t before = dump_->bytes().size();
      const bool is_done = dump_->step(kStepElements);
      produced += dump_->bytes().size() - before;
      if (!is_done) continue;
      const int64_t left_ms =
          entry->has_deadline() ? std::max<int64_t>(1, entry->deadline_ms() - context.now_ms()) : 0;
      exchange_.add(key.name, left_ms, dump_->bytes(), options_.replace);
      dump_.reset();
      ++next_;
    }
  }

  // Ends the conversation when nothing has moved for the timeout.
  struct Watchdog {
    Watchdog(EventLoop& loop, Stream& of, int64_t patience_ms)
        : stream(of), timeout_ms(patience_ms), timer(loop, [this] { fire(); }) {
      timer.start(timeout_ms);
    }
    void note_progress() { timer.start(timeout_ms); }
    void fire() {
      if (stream.sent_bytes() != sent_bytes) {
        sent_bytes = stream.sent_bytes();
        return timer.start(timeout_ms);
      }
      stream.close();
    }
    Stream& stream;
    const int64_t timeout_ms;
    uint64_t sent_bytes = 0;
    Timer timer;
  };

  Task<void> talk(EventLoop& loop, std::function<void()> resume) {
    Result<Socket> socket = fail(Errc::kNotFound, "host");
    if (is_numeric_host(options_.host)) {
      socket = connect_tcp(options_.host, options_.port, ConnectMode::kNonBlocking);
    } else {
      NameConnect connecting(loop, options_.host, options_.port);
      Timer patience(loop, [&connecting] { connecting.cancel(); });
      patience.start(options_.timeout_ms);
      socket = co_await connecting;
    }
    Result<std::unique_ptr<Stream>> stream = fail(Errc::kNotFound, "host");
    if (socket) stream = Stream::open(loop, std::move(*socket));
    if (!stream) {
      // A refusal can come at once; Redis meets it when it writes.
      const bool is_found =
          socket || (socket.error().code != Errc::kNotFound && socket.error().code != Errc::kCancelled);
      failure_ = is_found ? Failure::kWriting : Failure::kConnecting;
    } else {
      Watchdog watchdog(loop, **stream, options_.timeout_ms);
      const Status sent = co_await (*stream)->send_all(exchange_.request());
      if (!sent) {
        const bool never_connected = !(*stream)->is_open() && watchdog.sent_bytes == 0;
        failure_ = never_connected ? Failure::kConnecting : Failure::kWriting;
      }
      auto state = MigrateExchange::State::kMore;
      while (failure_ == Failure::kNone && state != MigrateExchange::State::kDone) {
        watchdog.note_progress();
        const Result<Bytes> received = co_await (*stream)->receive();
        if (received && !received->empty()) state = exchange_.take(*received);
        const bool ended = !received || received->empty() || state == MigrateExchange::State::kMalformed;
        if (ended) failure_ = Failure::kReading;
      }
    }
    phase_ = Phase::kFinished;
    resume();  // the work may be gone when it has run
  }

  void finish(Context& context) {
    if (!options_.copy) erase_arrived(context);
    Reply& reply = context.reply();
    if (!exchange_.error().empty())
      return reply.error("ERR Target instance replied with error: ", exchange_.error());
    switch (failure_) {
      case Failure::kNone:
        return reply.ok();
      case Failure::kConnecting:
        return reply.error("IOERR error or timeout connecting to the client");
      case Failure::kWriting:
        return reply.error("IOERR error or timeout writing to target instance");
      case Failure::kReading:
        return reply.error("IOERR error or timeout reading to target instance");
    }
  }

  void erase_arrived(Context& context) {
    std::vector<Bytes> words = {"DEL"};
    for (size_t i = 0; i < exchange_.arrived().size(); ++i) {
      if (!exchange_.arrived()[i]) continue;
      const Key key = context.key(options_.keys[i]);
      if (!context.find_for_write(key)) continue;  // named twice, or past its deadline
      context.erase(key);
      words.push_back(key.name);
    }
    if (words.size() > 1) context.effect(words);
  }

  MigrateOptions options_;
  MigrateExchange exchange_;
  Phase phase_ = Phase::kEncoding;
  Failure failure_ = Failure::kNone;
  size_t next_ = 0;
  std::optional<RdbDump> dump_;
};

}  // namespace

bool migrate_keys(std::span<const Bytes> args, std::vector<KeyPosition>& positions) {
  constexpr uint16_t kFlags = kKeyRW | kKeyAccess | kKeyDelete;
  if (args.size() < kFirstOption) return false;
  const size_t begin = args[kKeyArgument].empty() ? keys_begin(args) : 0;
  if (begin == 0) positions.push_back({kKeyArgument, kFlags});
  for (size_t i = begin; begin != 0 && i < args.size(); ++i)
    positions.push_back({static_cast<uint32_t>(i), kFlags});
  return true;
}

void migrate(Context& context) {
  MigrateOptions options;
  if (!parse(context, options)) return;
  std::vector<KeyPosition> positions;
  migrate_keys(context.args(), positions);
  std::vector<LatchWish> latches;
  for (const KeyPosition& position : positions) {
    if (!context.find(context.key(position.index))) continue;
    options.keys.push_back(position.index);
    latches.push_back({.arg = position.index, .is_exclusive = false});
  }
  if (options.keys.empty()) return context.reply().simple("NOKEY");
  // Whoever waits for another server must not hold shards.
  if (!context.may_slice()) return context.reply().error("ERR MIGRATE is not allowed in transactions");
  context.slice(std::make_unique<MigrateWork>(std::move(options)), std::move(latches));
}

// clang-format off: a row is read as a whole
namespace {

constexpr KeySpec kMigrateKeys[] = {
    {.flags = kKeyRW | kKeyAccess | kKeyDelete, .index = 3},
    {.flags = kKeyRW | kKeyAccess | kKeyDelete | kKeyIncomplete, .keyword = "KEYS", .start_from = -2, .last = -1},
};

constexpr Command kCommands[] = {
    {.name = "migrate",
     .syntax = "host port <key | \"\"> destination-db timeout [COPY] [REPLACE] [AUTH password | AUTH2 username password] "
               "[KEYS key [key ...]]",
     .flags = kWrite | kMovableKeys, .keys = kMigrateKeys, .acl = kAclKeyspace | kAclDangerous, .since = "2.6.0",
     .complexity = "This command actually executes a DUMP+DEL in the source instance, and a RESTORE in the target "
                   "instance. See the pages of these commands for time complexity. Also an O(N) data transfer between the "
                   "two instances is performed.",
     .summary = "Atomically transfer a key from a Redis instance to another one.", .run = migrate,
     .history = "3.0.0=Added the `COPY` and `REPLACE` options.|3.0.6=Added the `KEYS` option.|4.0.7=Added the `AUTH` "
                "option.|6.0.0=Added the `AUTH2` option.",
     .tips = "nondeterministic_output", .find_keys = migrate_keys},
};
// clang-format on
static_assert(well_formed(kCommands));

}  // namespace

const CommandGroup kMigrateGroup{"generic", kCommands};

}  // namespace strata
