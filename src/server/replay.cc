#include "server/replay.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/no_memory.h"
#include "commands/context.h"
#include "commands/keys.h"
#include "platform/clock.h"
#include "platform/thread.h"
#include "server/server.h"

namespace strata {
namespace {

constexpr size_t kBatchCommands = 512;
constexpr size_t kWaitingBatchesMax = 8;

}  // namespace

// One thread and its queue of batches.
class Replay::Lane {
 public:
  explicit Lane(Server& server)
      : context_({server.keyspace(), server.options().data, counters_, nullptr}), reply_(output_) {
    reply_.set_muted(true);
    now_ms_ = system_clock().wall_us() / 1000;
    thread_ = std::thread([this] { work(); });
  }
  ~Lane() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  bool out_of_memory() const { return out_of_memory_.load(std::memory_order_relaxed); }
  void add(const RegisteredCommand& command, std::span<const Bytes> args, uint16_t db, const Key& key) {
    filling_.steps.push_back({&command, filling_.args.size(), args.size(), db, key});
    filling_.args.insert(filling_.args.end(), args.begin(), args.end());
    if (filling_.steps.size() >= kBatchCommands) hand_over();
  }
  void hand_over() {
    if (filling_.steps.empty()) return;
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_.size() < kWaitingBatchesMax; });
    waiting_.push_back(std::move(filling_));
    filling_ = {};
    lock.unlock();
    changed_.notify_all();
  }
  // The beginning of a batch is run right here: handing it over and waiting for it costs two switches of
  // threads, and a log of transactions or of commands over several shards has as many as commands. On a busy
  // machine such a start took half a minute instead of one second.
  void finish() {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return waiting_.empty() && !busy_; });
    }
    run_batch(filling_);
    filling_.steps.clear();
    filling_.args.clear();
  }
  // On the caller's thread, after finish().
  void run_here(const RegisteredCommand& command, std::span<const Bytes> args, uint16_t db) {
    run(command, args, db, {});
  }

 private:
  struct Step {
    const RegisteredCommand* command;
    size_t first_arg;
    size_t arg_count;
    uint16_t db;
    Key key;
  };
  struct Batch {
    std::vector<Step> steps;
    std::vector<Bytes> args;
  };

  void run(const RegisteredCommand& command, std::span<const Bytes> args, uint16_t db, const Key& key) {
    context_.set_client(reply_, nullptr);
    context_.begin(*command.command, args, db, now_ms_, key);
    const Status done = without_throwing("no memory to load the log", [&]() -> Status {
      command.command->run(context_);
      return {};
    });
    // What was logged has succeeded once: of its errors this one would lose it without a word.
    const bool is_starved = reply_.error_count() != errors_seen_ && reply_.last_error_code() == "OOM";
    errors_seen_ = reply_.error_count();
    if (!done || is_starved) out_of_memory_.store(true, std::memory_order_relaxed);
  }
  void run_batch(const Batch& batch) {
    for (const Step& step : batch.steps) {
      if (out_of_memory()) break;
      run(*step.command, std::span(batch.args).subspan(step.first_arg, step.arg_count), step.db, step.key);
    }
  }
  void work() {
    name_this_thread("strata-load");
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      Batch batch = std::move(waiting_.front());
      waiting_.pop_front();
      busy_ = true;
      lock.unlock();
      changed_.notify_all();
      run_batch(batch);
      lock.lock();
      busy_ = false;
      changed_.notify_all();
    }
  }

  KeyspaceCounters counters_;
  Context context_;
  Output output_;
  Reply reply_;
  int64_t now_ms_;
  uint64_t errors_seen_ = 0;
  std::atomic<bool> out_of_memory_{false};
  Batch filling_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> waiting_;
  bool busy_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

Replay::Replay(Server& server) : server_(server) {
  uint32_t count = std::min(server.worker_count(), server.keyspace().shard_count());
  for (uint32_t i = 0; i < count; ++i) lanes_.push_back(std::make_unique<Lane>(server));
}

Replay::~Replay() = default;

Status Replay::refuse(Errc code, const char* what, std::span<const Bytes> args) {
  constexpr size_t kShown = 64;
  detail_.assign("'").append(args[0].substr(0, kShown)).append("'");
  return fail(code, what);
}

Status Replay::apply(uint16_t db, std::span<const Bytes> args) {
  if (server_.stopping()) return fail(Errc::kCancelled, "loading");
  ++command_count_;
  Keyspace& keyspace = server_.keyspace();
  const RegisteredCommand* command = server_.registry().resolve(args);
  if (!command || !command->command->run)
    return refuse(Errc::kUnsupported, "the log holds a command that is not known here", args);
  if (!command->arity_allows(args.size()))
    return refuse(Errc::kCorruption, "the log holds a command with a wrong number of arguments", args);
  if (command->flags & kConnection)
    return refuse(Errc::kUnsupported, "the log holds a command that does not belong into it", args);
  if (db >= keyspace.database_count())
    return refuse(Errc::kInvalidArgument, "the log selects a database beyond 'databases'", args);
  if (!in_group_ && command->shape == KeyShape::kOne &&
      static_cast<size_t>(command->first_key) < args.size()) {
    Key key = keyspace.key(args[static_cast<size_t>(command->first_key)]);
    lanes_[key.shard % lanes_.size()]->add(*command, args, db, key);
    return {};
  }
  if (!in_group_) TRY(drain());
  lanes_[0]->run_here(*command, args, db);
  return check_memory();
}

Status Replay::begin_group() {
  TRY(drain());
  in_group_ = true;
  return {};
}

Status Replay::end_group() {
  in_group_ = false;
  return {};
}

Status Replay::drain() {
  for (auto& lane : lanes_) lane->finish();
  return check_memory();
}

Status Replay::check_memory() const {
  for (const auto& lane : lanes_) {
    if (lane->out_of_memory()) return fail(Errc::kOutOfMemory, "no memory to load the log");
  }
  return {};
}

}  // namespace strata
