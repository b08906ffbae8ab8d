// What the server knows about one client, apart from its socket.
//
// Belongs to the connection's thread, or to the thread that runs its queued job. What other threads read for
// CLIENT LIST is atomic, or guarded by the worker's clients mutex where it says so.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "commands/registry.h"
#include "keyspace/shard_set.h"
#include "keyspace/watch.h"

namespace strata {

class BlockedWaiter;
class Connection;
class Server;
class Worker;

// A command that outlives the input it came in: queued by MULTI, or waiting for its shards.
struct OwnedCommand {
  const RegisteredCommand* command = nullptr;
  std::unique_ptr<char[]> bytes;  // all arguments, one after the other
  size_t byte_count = 0;
  std::vector<Bytes> args;  // views into `bytes`

  static OwnedCommand copy(const RegisteredCommand* command, std::span<const Bytes> args);
  size_t memory_bytes() const { return sizeof(*this) + byte_count + args.capacity() * sizeof(Bytes); }
};

// MULTI: what is queued, and what is watched.
struct Transaction {
  bool active = false;
  bool broken = false;      // a command was refused while queueing: EXEC answers EXECABORT
  bool needs_home = false;  // holds a command about the connection: runs on its own thread only
  std::vector<OwnedCommand> commands;
  ShardSet shards;
  size_t memory_bytes = 0;
  bool has_writes = false;
  bool denies_oom = false;

  struct Watched {
    uint16_t db;
    std::string key;
    bool was_expired;
  };
  std::vector<Watched> watched;
  std::shared_ptr<WatchMark> mark;  // outlives the session until its registrations are gone
};

// What must have happened before a reply leaves: CLIENT DURABILITY.
enum class Durability : uint8_t {
  kPolicy,  // what appendfsync says: kDisk under always, else kMemory
  kNone,    // the command was executed
  kMemory,  // its effect was given to the operating system: it outlives the process
  kDisk,    // the effect, and whatever the reply tells of, is synced: it outlives the machine
};

struct Session {
  enum Flag : uint32_t {
    // Anything set here sends a command through the checks; a plain authenticated client has none.
    kNeedsAuth = 1 << 0,
    kInTransaction = 1 << 1,
    kReplyOff = 1 << 2,
    kReplySkipNext = 1 << 3,
    kReplySkip = 1 << 4,  // this command's reply is dropped
    kCloseAfterReply = 1 << 5,
    kNoTouch = 1 << 6,
    kNoEvict = 1 << 7,
    kUnixSocket = 1 << 8,
    kBlocked = 1 << 9,
    kDurabilityNext = 1 << 10,  // the next command has a level of its own
    kDurabilityOnce = 1 << 11,  // this one has
  };
  static constexpr uint32_t kCheckedFlags = kNeedsAuth | kInTransaction | kReplyOff | kReplySkipNext |
                                            kReplySkip | kCloseAfterReply | kNoTouch | kDurabilityNext |
                                            kDurabilityOnce;

  Server* server = nullptr;
  Worker* worker = nullptr;
  Connection* connection = nullptr;

  uint64_t id = 0;
  std::atomic<uint32_t> flags{0};
  std::atomic<uint16_t> db{0};
  std::atomic<uint8_t> resp{2};
  Transaction transaction;
  std::atomic<Durability> durability{Durability::kPolicy};  // of the connection
  Durability durability_next = Durability::kPolicy;         // with kDurabilityNext
  Durability durability_now = Durability::kPolicy;          // of the command that is being executed, or waits
  uint64_t last_write_sequence = 0;                         // of the log: this client's own last effect

  // For CLIENT LIST and INFO.
  std::string peer_address;  // written before others can see the session
  std::string local_address;
  std::string name;             // guarded by the worker's clients mutex
  std::string library_name;     // guarded
  std::string library_version;  // guarded
  int64_t connected_at_ms = 0;
  int64_t descriptor = -1;  // the socket's number, for CLIENT LIST
  std::atomic<int64_t> active_at_ms{0};
  std::atomic<uint32_t> last_command{UINT32_MAX};
  std::atomic<uint32_t> queued_commands{0};
  std::atomic<uint32_t> watched_keys{0};
  std::atomic<uint64_t> input_bytes{0};   // waiting to be executed
  std::atomic<uint64_t> output_bytes{0};  // waiting to be sent
  std::atomic<uint64_t> memory_bytes{0};
  std::atomic<uint64_t> total_input_bytes{0};
  std::atomic<uint64_t> total_output_bytes{0};
  std::atomic<uint64_t> total_commands{0};
  std::atomic<bool> kill_requested{false};
  // While a command waits for keys. Cleared with the worker's clients mutex held, so who holds that may use
  // it.
  std::atomic<BlockedWaiter*> waiter{nullptr};

  uint32_t has(uint32_t flag) const { return flags.load(std::memory_order_relaxed) & flag; }
  void set(uint32_t flag, bool on = true) {
    // Both at once, seldom: a queued EXEC ends the transaction while its own thread ends CLIENT REPLY SKIP.
    on ? flags.fetch_or(flag, std::memory_order_relaxed) : flags.fetch_and(~flag, std::memory_order_relaxed);
  }
};

}  // namespace strata
