// Commands that wait for their shards: they own their bytes, run wherever the shards become free, and bring their replies
// home to the connection, in order.

#include "server/connection.h"
#include "server/dispatcher.h"
#include "server/server.h"
#include "server/worker.h"

namespace strata {

OwnedCommand OwnedCommand::copy(const RegisteredCommand* command, std::span<const Bytes> args) {
  OwnedCommand owned;
  owned.command = command;
  size_t bytes = 0;
  for (Bytes arg : args) bytes += arg.size();
  // Not a std::string, whose short form moves its bytes with the object.
  owned.bytes = std::make_unique_for_overwrite<char[]>(bytes);
  owned.byte_count = bytes;
  owned.args.reserve(args.size());
  char* at = owned.bytes.get();
  for (Bytes arg : args) {
    if (!arg.empty()) std::memcpy(at, arg.data(), arg.size());
    owned.args.emplace_back(at, arg.size());
    at += arg.size();
  }
  return owned;
}

// On the connection's thread: continues the acquisition there.
struct QueuedJob::GoHome final : public PostedWork {
  explicit GoHome(QueuedJob& owner) : job(owner) {}
  void run() override { job.connection_.worker().dispatcher().runner().resume(job); }
  QueuedJob& job;
};

// On the connection's thread: the replies join the others.
struct QueuedJob::Arrive final : public PostedWork {
  explicit Arrive(QueuedJob& owner) : job(owner) {}
  void run() override {
    Connection& connection = job.connection_;
    if (job.sequence_ > 0) connection.wait_for_log(connection.output().appended_total(), job.sequence_);
    connection.output().splice(std::move(job.output_));
    connection.reply().set_muted(connection.session().has(Session::kReplyOff));
    connection.worker().mark_dirty(connection);
    connection.resume();  // destroys the job, and this with it
  }
  QueuedJob& job;
};

// Owns itself.
class AllShardsJob final : public ShardJob, private PostedWork {
 public:
  AllShardsJob(Worker& worker, std::function<void()> work) : worker_(worker), work_(std::move(work)) {
    shards = worker.server().keyspace().all_shards();
  }
  void run() override {
    if (std::exchange(sent_home_, false)) return worker_.dispatcher().runner().resume(*this);
    work_();
  }
  void finished() override { delete this; }
  void send_home() override {
    sent_home_ = true;
    worker_.loop().post(static_cast<PostedWork*>(this));
  }

 private:
  Worker& worker_;
  std::function<void()> work_;
  bool sent_home_ = false;
};

void Dispatcher::run_on_all_shards(std::function<void()> work) {
  runner_.start(*new AllShardsJob(worker_, std::move(work)));
}

QueuedJob::QueuedJob(Connection& connection)
    : muted_(connection.reply().muted()),
      connection_(connection),
      go_home_(std::make_unique<GoHome>(*this)),
      arrive_(std::make_unique<Arrive>(*this)) {}

QueuedJob::~QueuedJob() = default;

bool QueuedJob::may_run_here() const { return !needs_home || Worker::current() == &connection_.worker(); }

void QueuedJob::run() {
  Worker& here = *Worker::current();
  Dispatcher& dispatcher = here.dispatcher();
  Session& session = connection_.session();
  if (&here != &connection_.worker()) here.metrics().ran_for_others.add(commands.size());
  Reply reply(output_, session.resp.load(std::memory_order_relaxed) == 3);
  reply.set_muted(muted_);
  if (is_transaction) {
    sequence_ = dispatcher.run_transaction_held(shards, session, now_ms, reply);
    return;
  }
  for (const OwnedCommand& command : commands) {
    uint64_t sequence = dispatcher.run_timed(*command.command, command.args, shards, db, now_ms, reply, session);
    if (sequence > sequence_) sequence_ = sequence;
  }
}

void QueuedJob::finished() {
  Worker& home = connection_.worker();
  if (Worker::current() == &home) {
    home.loop().defer(arrive_.get());
  } else {
    home.loop().post(arrive_.get());
  }
}

void QueuedJob::send_home() { connection_.worker().loop().post(go_home_.get()); }

}  // namespace strata
