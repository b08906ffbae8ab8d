// Which commands may run now, and what the others are told. The dispatcher comes here only when something is
// unusual: the client is not authenticated or in a transaction, or the server loads, is out of memory, or
// cannot write.

#include "platform/clock.h"
#include "server/connection.h"
#include "server/dispatcher.h"
#include "server/server.h"
#include "server/transactions.h"
#include "server/worker.h"

namespace strata {
namespace {

// Of an unknown command's name and arguments, as much is echoed.
constexpr size_t kEchoBytes = 128;
Bytes echo_of(Bytes word, size_t bytes_max) {
  word = word.substr(0, bytes_max);
  return word.substr(0, word.find('\0'));  // as Redis, which prints it as a C string
}

constexpr size_t kTransactionCommandsMax = 1 << 20;
constexpr size_t kTransactionBytesMax = 1ull << 30;

}  // namespace

// A refused EXEC ends its transaction; any other command that is refused breaks it.
void Dispatcher::reject(Session& session, Reply& reply, const RegisteredCommand* command, Bytes text) {
  if (command && command->full_name == "exec") {
    discard_transaction(session);
    constexpr Bytes kPlainCode = "ERR ";
    if (text.starts_with(kPlainCode)) text.remove_prefix(kPlainCode.size());
    reply.error("EXECABORT Transaction discarded because of: ", text);
  } else {
    if (session.transaction.active) session.transaction.broken = true;
    reply.error(text);
  }
  WorkerMetrics& metrics = worker_.metrics();
  if (command) metrics.commands[command->index].rejected.add();
  metrics.count_error(reply.last_error_code());
}

// Unknown names and wrong numbers of arguments.
void Dispatcher::refuse(Connection& connection, const ParsedCommand& parsed,
                        const RegisteredCommand* command) {
  std::span<const Bytes> args = parsed.args;
  std::string text;
  if (!command) {
    if (args[0] == "POST" || args[0] == "Host:") {
      // A browser was made to speak to us.
      connection.close_now();
      return;
    }
    text.append("ERR unknown command '")
        .append(echo_of(args[0], kEchoBytes))
        .append("', with args beginning with: ");
    std::string echoed;
    for (size_t i = 1; i < args.size() && echoed.size() < kEchoBytes; ++i) {
      size_t room = kEchoBytes - echoed.size();
      echoed.append("'").append(echo_of(args[i], room)).append("' ");
    }
    text.append(echoed);
  } else if (!command->has_handler(args.size()) && args.size() >= 2) {
    text.append("ERR unknown subcommand '").append(echo_of(args[1], kEchoBytes)).append("'. Try ");
    for (char c : command->full_name) text.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c);
    text.append(" HELP.");
  } else {
    text.append("ERR wrong number of arguments for '").append(command->full_name).append("' command");
  }
  reject(connection.session(), connection.reply(), command, text);
}

// CLIENT DURABILITY NEXT holds for one command; before MULTI, for the transaction.
void Dispatcher::choose_durability(Session& session) {
  if (session.has(Session::kDurabilityOnce) && !session.has(Session::kInTransaction)) {
    session.set(Session::kDurabilityOnce, false);
    set_durability_now(session, session.durability);
  }
  if (!session.has(Session::kDurabilityNext)) return;
  session.set(Session::kDurabilityNext, false);
  session.set(Session::kDurabilityOnce);
  set_durability_now(session, session.durability_next);
}

bool Dispatcher::admit(Connection& connection, const ParsedCommand& parsed,
                       const RegisteredCommand& command) {
  Session& session = connection.session();
  Reply& reply = connection.reply();
  choose_durability(session);
  if (session.has(Session::kReplySkipNext)) {
    session.set(Session::kReplySkipNext, false);
    session.set(Session::kReplySkip);
    reply.set_muted(true);
  }
  if (session.has(Session::kNeedsAuth) && !(command.flags & kNoAuth)) {
    reject(session, reply, &command, "NOAUTH Authentication required.");
    return false;
  }
  Transaction& transaction = session.transaction;
  if (transaction.active && (command.flags & kNoMulti)) {
    reject(session, reply, &command, "ERR Command not allowed inside a transaction");
    return false;
  }
  uint32_t alerts = server_.alerts();
  bool transaction_writes = transaction.active && transaction.has_writes && command.full_name == "exec";
  if ((alerts & kAlertMemory) &&
      ((command.flags & kDenyOom) || (transaction_writes && transaction.denies_oom))) {
    reject(session, reply, &command, "OOM command not allowed when used memory > 'maxmemory'.");
    return false;
  }
  if ((alerts & kAlertLogFailed) && ((command.flags & kWrite) || transaction_writes)) {
    std::string text("MISCONF Errors writing to the AOF file: ");
    if (server_.log()) text.append(server_.log()->failure().what);
    reject(session, reply, &command, text);
    return false;
  }
  if ((alerts & kAlertLogOff) && session.durability_now == Durability::kDisk &&
      ((command.flags & kWrite) || transaction_writes)) {
    reject(session, reply, &command, kNoLogForDurability);
    return false;
  }
  if ((alerts & kAlertSaveFailed) && ((command.flags & kWrite) || transaction_writes)) {
    reject(session, reply, &command,
           "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. "
           "Commands "
           "that may modify the data set are disabled, because this instance is configured to report errors "
           "during "
           "writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis "
           "logs for "
           "details about the RDB error.");
    return false;
  }
  if ((alerts & kAlertLoading) && !(command.flags & kLoading)) {
    reject(session, reply, &command, "LOADING Redis is loading the dataset in memory");
    return false;
  }
  if (transaction.active && !(command.flags & kRunsInMulti)) {
    queue_in_transaction(connection, parsed, command);
    return false;
  }
  return true;
}

void Dispatcher::queue_in_transaction(Connection& connection, const ParsedCommand& parsed,
                                      const RegisteredCommand& command) {
  Session& session = connection.session();
  Transaction& transaction = session.transaction;
  if (transaction.commands.size() >= kTransactionCommandsMax ||
      transaction.memory_bytes > kTransactionBytesMax) {
    reject(session, connection.reply(), &command, "ERR transaction is too large");
    return;
  }
  transaction.commands.push_back(OwnedCommand::copy(&command, parsed.args));
  OwnedCommand& queued = transaction.commands.back();
  transaction.memory_bytes += queued.memory_bytes();
  session.queued_commands.store(static_cast<uint32_t>(transaction.commands.size()),
                                std::memory_order_relaxed);
  transaction.has_writes |= (command.flags & kWrite) != 0;
  transaction.denies_oom |= (command.flags & kDenyOom) != 0;
  if (command.flags & kConnection) {
    transaction.needs_home = true;
  } else {
    ShardSet shards;
    shards_of(command, queued.args, shards);
    transaction.shards.add_all(shards);
  }
  connection.reply().simple("QUEUED");
}

}  // namespace strata
