// The whole: options, keyspace, log, workers, listeners; how they start, run and stop.

#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "commands/registry.h"
#include "keyspace/effects.h"
#include "keyspace/keyspace.h"
#include "persistence/oplog.h"
#include "platform/socket.h"
#include "runtime/listener.h"
#include "server/background_save.h"
#include "server/log_switch.h"
#include "server/options.h"
#include "server/rates.h"
#include "server/worker.h"

namespace strata {

class Configuration;
class EmptyDump;
class SlowLog;

// After a failed snapshot the next is tried after this.
inline constexpr int64_t kSaveRetryS = 5;
// What the options say about dump files.
RdbSaveOptions rdb_save_options(const Options& options);
// The dump file where it belongs now, whatever `dir` becomes while it is written.
std::string dump_path(const Options& options);

// Why commands go through the checks even for a plain client.
enum ServerAlert : uint32_t {
  kAlertLoading = 1 << 0,
  kAlertMemory = 1 << 1,     // over maxmemory
  kAlertLogFailed = 1 << 2,  // the log could not be written: writes are refused
  kAlertStopping = 1 << 3,
  kAlertSaveFailed = 1 << 4,  // stop-writes-on-bgsave-error
  kAlertPassword = 1 << 5,    // requirepass is set: new clients start unauthenticated
  kAlertLogOff = 1 << 6,      // the log was turned off, and some client wants its writes on disk
};

// What is being loaded, for INFO and the log.
struct LoadingProgress {
  std::atomic<bool> active{false};
  std::atomic<int64_t> started_at_ms{0};
  std::atomic<uint64_t> total_bytes{0};
  std::atomic<uint64_t> loaded_bytes{0};
  std::atomic<uint64_t> loaded_keys{0};
};

// State of snapshots, for INFO and LASTSAVE.
struct SaveState {
  std::atomic<int64_t> last_save_s{0};
  std::atomic<uint64_t> changes_at_last_save{0};
  std::atomic<int64_t> last_try_s{0};
  std::atomic<bool> last_ok{true};
  std::atomic<int64_t> last_duration_s{-1};
  std::atomic<bool> in_progress{false};
  std::atomic<uint64_t> saves{0};
};

class Server {
 public:
  explicit Server(std::unique_ptr<Configuration> configuration);
  ~Server();

  // Listens, loads the data and serves until told to stop. Returns the process's exit code.
  int run();
  // strata-server --check: loads the data as run() would, says what it found, serves nobody and changes no
  // file. 0: a start would succeed.
  int check();

  // Begins an orderly end: on any thread, also on a worker's. `save`: yes, no, or as save points are
  // configured.
  enum class SaveChoice : uint8_t { kAsConfigured, kYes, kNo };
  void request_stop(SaveChoice choice, int signal);
  // As SHUTDOWN and signals do: saves first if that is wanted, and stops only if it worked. Else the server
  // goes on and calls `refused` on some worker's thread. Called on a worker's thread.
  void save_and_stop(SaveChoice choice, int signal, std::function<void()> refused);
  uint64_t log_salt() const { return log_salt_; }
  // A snapshot, with all shards held by the caller. SAVE, and SHUTDOWN.
  Status save_held();
  bool save_wanted(SaveChoice choice) const;
  // After a snapshot: whether writes are refused because the last one failed.
  void note_save_result(bool ok);
  // A save point has been reached; says so in the log.
  bool save_point_is_due(int64_t now_s);
  BackgroundSave& background_save() { return *background_save_; }
  EmptyDump& empty_dump() { return *empty_dump_; }

  Options& options();
  Configuration& configuration() { return *configuration_; }
  Keyspace& keyspace() { return *keyspace_; }
  Registry& registry() { return *registry_; }
  SlowLog& slow_log() { return *slow_log_; }
  std::vector<std::unique_ptr<Worker>>& workers() { return workers_; }
  LogSwitch& log_switch() { return log_switch_; }
  // Null while appendonly is off, or still loads. Changes while the workers run.
  OpLog* log() { return log_switch_.log(); }
  EffectSink* sink() { return log_switch_.sink(); }

  // Who sees that loading has ended sees what was loaded.
  uint32_t alerts() const { return alerts_.load(std::memory_order_acquire); }
  void set_alert(uint32_t alert, bool on) {
    on ? alerts_.fetch_or(alert, std::memory_order_release)
       : alerts_.fetch_and(~alert, std::memory_order_release);
  }
  uint64_t next_client_id() { return next_client_id_.fetch_add(1, std::memory_order_relaxed) + 1; }
  // Fills in what is known of a new client.
  void introduce(Session& session, SocketHandle handle, bool is_unix, int64_t now_ms);
  // Counts a connection in, or says that there are too many.
  bool admit_connection();
  void release_connection() { connection_count_.fetch_sub(1, std::memory_order_relaxed); }
  uint32_t connection_count() const { return connection_count_.load(std::memory_order_relaxed); }

  uint32_t worker_count() const { return static_cast<uint32_t>(workers_.size()); }
  // Not while loading or stopping.
  bool may_keep_house() const { return !(alerts() & (kAlertLoading | kAlertStopping)); }

  bool stopping() const { return stop_requested_.load(std::memory_order_relaxed); }
  LoadingProgress& loading() { return loading_; }
  SaveState& save_state() { return save_state_; }
  int64_t started_at_ms() const { return started_at_ms_; }
  const std::string& run_id() const { return run_id_; }
  // Bytes that count against maxmemory: shards' heaps, clients' buffers, the log's buffer.
  size_t used_memory() const;
  std::atomic<size_t>& peak_memory() { return peak_memory_; }
  const Rates& rates() const { return rates_; }
  uint64_t total_changes() const;
  uint64_t changes_since_save() const;
  // Once every 100 ms, on worker 0.
  void cron();
  std::mutex& configuration_mutex() { return configuration_mutex_; }
  // Listening sockets, for the log lines and INFO.
  uint16_t port() const { return bound_port_; }

 private:
  bool prepare_process();
  bool write_pid_file();
  void remove_files();
  bool make_workers();
  bool listen();
  void load_and_open();
  void accept(Socket socket, bool is_unix);
  bool refuse_unprotected(const Socket& socket, bool is_unix);
  int finish();
  void sample_rates();

  std::unique_ptr<Configuration> configuration_;
  std::mutex configuration_mutex_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Keyspace> keyspace_;
  std::unique_ptr<SlowLog> slow_log_;
  LogSwitch log_switch_;
  // Its walk may be posted to a loop, so it goes after the loops, and before the shards, whose blobs it pins.
  std::unique_ptr<BackgroundSave> background_save_;
  std::unique_ptr<EmptyDump> empty_dump_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::atomic<uint32_t> alerts_{0};
  std::atomic<uint64_t> next_client_id_{0};
  std::atomic<uint32_t> connection_count_{0};
  LoadingProgress loading_;
  SaveState save_state_;
  int64_t started_at_ms_ = 0;
  std::string run_id_;
  uint16_t bound_port_ = 0;
  uint64_t log_salt_ = 0;
  bool load_failed_ = false;
  std::string written_pid_file_;
  std::atomic<size_t> peak_memory_{0};
  Rates rates_;
  std::atomic<bool> stop_requested_{false};
  std::atomic<bool> is_saving_to_stop_{false};
  std::atomic<SaveChoice> stop_save_{SaveChoice::kAsConfigured};
  std::atomic<int> stop_signal_{0};
};

}  // namespace strata
