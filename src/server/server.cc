#include "server/server.h"

#include <fmt/format.h>

#include <bit>
#include <thread>

#include "persistence/rdb_save.h"
#include "platform/entropy.h"
#include "platform/file_system.h"
#include "platform/process.h"
#include "platform/signals.h"
#include "platform/thread.h"
#include "server/commands.h"
#include "server/config.h"
#include "server/connection.h"
#include "server/empty_dump.h"
#include "server/loader.h"
#include "server/log_lines.h"
#include "server/slow_log.h"

namespace strata {
namespace {

// Shards for each thread. Enough that two threads rarely want the same one, few enough that an empty
// server stays small; measured in bench/server.
constexpr int64_t kShardsPerThread = 8;
// Descriptors beside the clients': files, listeners, loops.
constexpr uint64_t kReservedDescriptors = 64;
constexpr const char* kDefaultPidFile = "/var/run/redis.pid";

uint32_t shard_count_for(const Options& options, uint32_t threads) {
  if (options.shards > 0) return std::bit_ceil(static_cast<uint32_t>(options.shards));
  if (threads == 1) return 1;
  return std::min<uint32_t>(kShardsMax, std::bit_ceil(static_cast<uint32_t>(threads * kShardsPerThread)));
}

}  // namespace

Server::Server(std::unique_ptr<Configuration> configuration)
    : configuration_(std::move(configuration)),
      slow_log_(std::make_unique<SlowLog>()),
      log_switch_(*this),
      background_save_(std::make_unique<BackgroundSave>(*this)),
      empty_dump_(std::make_unique<EmptyDump>(*this)) {}

Server::~Server() = default;

Options& Server::options() { return configuration_->options(); }

int Server::run() {
  if (!prepare_process() || !make_workers() || !listen()) return 1;
  loading_.started_at_ms = system_clock().wall_us() / 1000;
  loading_.active = true;
  set_alert(kAlertLoading, true);
  std::vector<std::thread> threads;
  for (uint32_t i = 1; i < workers_.size(); ++i) threads.emplace_back([this, i] { workers_[i]->run(); });

  // Loading happens beside the loops, so that clients are told about it.
  std::thread loading([this] { load_and_open(); });
  workers_[0]->run();
  loading.join();
  for (uint32_t i = 1; i < workers_.size(); ++i) workers_[i]->loop().stop();
  for (std::thread& thread : threads) thread.join();
  return finish();
}

int Server::check() {
  Options& o = options();
  set_log_level(o.log_level);
  if (Status status = change_directory(o.directory); !status) {
    fmt::print(stderr, "Can't chdir to '{}': {}\n", o.directory, describe(status.error()));
    return 1;
  }
  if (!make_workers()) return 1;
  Loader loader(*this);
  loader.set_read_only();
  if (Status status = loader.run(); !status) {
    fmt::print("The data cannot be loaded: {}\n", loader.explain(status.error()));
    return 1;
  }
  uint64_t keys = 0;
  for (uint32_t s = 0; s < keyspace_->shard_count(); ++s) {
    for (uint16_t db = 0; db < keyspace_->database_count(); ++db)
      keys += keyspace_->shard(s).database(db).count();
  }
  fmt::print("The data is good: {} keys, those past their deadline included\n", keys);
  return 0;
}

bool Server::prepare_process() {
  Options& o = options();
  if (Status status = set_log_file(o.log_file); !status) {
    fmt::print(stderr, "Can't open the log file: {}\n", describe(status.error()));
    return false;
  }
  set_log_level(o.log_level);
  if (Status status = change_directory(o.directory); !status) {
    log_warning(fmt::format("Can't chdir to '{}': {}", o.directory, describe(status.error())));
    return false;
  }
  if (o.daemonize) {
    if (Status status = daemonize(); !status) {
      log_warning(fmt::format("Can't daemonize: {}", describe(status.error())));
      return false;
    }
  }
  log_warning("oO0OoO0OoO0Oo Strata is starting oO0OoO0OoO0Oo");
  log_warning(fmt::format("Strata version={} (compatible with Redis {}), bits=64, pid={}, just started",
                          kStrataVersion, kRedisVersion, process_id()));
  if (o.has_config_file) {
    log_warning("Configuration loaded");
  } else {
    log_warning(
        "Warning: no config file specified, using the default config. In order to specify a config file use "
        "strata-server /path/to/redis.conf");
  }
  for (const std::string& notice : configuration_->notices()) log_notice(notice);
  ignore_broken_pipes_and_hangups();
  install_crash_handler();
  set_crash_log(o.log_file);
  uint64_t wanted = static_cast<uint64_t>(o.max_clients.load()) + kReservedDescriptors;
  uint64_t limit = raise_descriptor_limit(wanted);
  if (limit < wanted) {
    o.max_clients = limit > kReservedDescriptors ? static_cast<int64_t>(limit - kReservedDescriptors) : 1;
    log_warning(fmt::format("maxclients has been reduced to {} because the limit of open files is {}",
                            o.max_clients.load(), limit));
  }
  write_pid_file();
  return true;
}

bool Server::make_workers() {
  Options& o = options();
  cycles_per_us();  // calibrates
  char randomness[HashSeed::kSecretBytes + 40];
  fill_random({randomness, sizeof randomness});
  for (int i = 0; i < 20; ++i) {
    run_id_.append(fmt::format("{:02x}", static_cast<unsigned char>(randomness[HashSeed::kSecretBytes + i])));
  }
  std::memcpy(&log_salt_, randomness + HashSeed::kSecretBytes + 20, sizeof log_salt_);

  uint32_t threads = static_cast<uint32_t>(o.threads > 0 ? o.threads : usable_cpu_count());
  Keyspace::Options keyspace;
  keyspace.shard_count = shard_count_for(o, threads);
  keyspace.thread_count = threads;
  keyspace.database_count = static_cast<uint16_t>(o.databases);
  keyspace.seed = HashSeed::from_randomness({randomness, HashSeed::kSecretBytes});
  std::memcpy(&keyspace.random_seed, randomness + HashSeed::kSecretBytes + 28, sizeof keyspace.random_seed);
  keyspace_ = std::make_unique<Keyspace>(keyspace);
  registry_ = std::make_unique<Registry>(all_command_groups());
  slow_log_->set_max_length(static_cast<size_t>(o.slowlog_max_length.load()));
  set_alert(kAlertPassword, !o.require_password.empty());
  started_at_ms_ = system_clock().wall_us() / 1000;
  save_state_.last_save_s = started_at_ms_ / 1000;

  for (uint32_t i = 0; i < threads; ++i) {
    EventLoopOptions loop_options;
    loop_options.backend = o.io;
    auto loop = EventLoop::create(loop_options);
    if (!loop) {
      log_warning(fmt::format("Can't make an event loop: {}", describe(loop.error())));
      return false;
    }
    workers_.push_back(std::make_unique<Worker>(*this, i, std::move(*loop)));
  }
  log_notice(fmt::format("Running with {} thread{}, {} shard{}, {}", threads, threads == 1 ? "" : "s",
                         keyspace_->shard_count(), keyspace_->shard_count() == 1 ? "" : "s",
                         workers_[0]->loop().backend_name()));
  install_stop_signals(nullptr);  // cron() looks
  return true;
}

bool Server::listen() {
  Options& o = options();
  EventLoop& loop = workers_[0]->loop();
  auto failed = [](const Error& error) {
    log_warning(fmt::format("Accepting client connection: {}", describe(error)));
  };
  if (o.port != 0) {
    for (const std::string& name : o.bind) {
      bool optional = name.starts_with('-');
      TcpListenOptions listen{optional ? std::string_view(name).substr(1) : std::string_view(name),
                              static_cast<uint16_t>(o.port), static_cast<int>(o.tcp_backlog)};
      auto socket = listen_tcp(listen);
      if (!socket) {
        bool is_unavailable = socket.error().code != Errc::kAddressInUse;
        if (optional && is_unavailable) continue;
        log_warning(fmt::format("Could not create server TCP listening socket {}:{}: {}", name, o.port,
                                describe(socket.error())));
        log_warning("Failed listening on port " + std::to_string(o.port) + " (TCP), aborting.");
        return false;
      }
      if (auto address = local_address(socket->handle())) bound_port_ = address->port;
      auto listener =
          Listener::open(loop, std::move(*socket), [this](Socket s) { accept(std::move(s), false); }, failed);
      if (!listener) return false;
      listeners_.push_back(std::move(*listener));
    }
  }
  if (!o.unix_socket.empty()) {
    auto socket = listen_unix(
        {o.unix_socket, static_cast<uint32_t>(o.unix_socket_permissions), static_cast<int>(o.tcp_backlog)});
    if (!socket) {
      log_warning(fmt::format("Failed opening Unix socket: {}", describe(socket.error())));
      return false;
    }
    auto listener =
        Listener::open(loop, std::move(*socket), [this](Socket s) { accept(std::move(s), true); }, failed);
    if (!listener) return false;
    listeners_.push_back(std::move(*listener));
  }
  if (listeners_.empty()) {
    log_warning("Configured to not listen anywhere, exiting.");
    return false;
  }
  return true;
}

// Loading runs on a thread of its own; then the log opens and writes are let in.
void Server::load_and_open() {
  Loader loader(*this);
  Status status = loader.run();
  loading_.active = false;
  if (!status) {
    if (!stop_requested_) {
      log_warning(fmt::format("Fatal error loading the data: {}. Exiting.", loader.explain(status.error())));
      load_failed_ = true;
      request_stop(SaveChoice::kNo, 0);
    }
    return;
  }
  if (log_switch_.log()) log_switch_.start();
  set_alert(kAlertLoading, false);
  log_notice("Server initialized");
  if (bound_port_ != 0)
    log_notice(fmt::format("The server is now ready to accept connections on port {}", bound_port_));
  if (!options().unix_socket.empty()) {
    log_notice(fmt::format("The server is now ready to accept connections at {}", options().unix_socket));
  }
  log_notice("Ready to accept connections tcp");
  for (auto& worker : workers_) worker->loop().post([] {});  // housekeeping may begin
}

void Server::accept(Socket socket, bool is_unix) {
  if (!admit_connection()) {
    workers_[0]->metrics().connections_rejected.add();
    static_cast<void>(send_some(socket.handle(), "-ERR max number of clients reached\r\n"));
    return;
  }
  if (refuse_unprotected(socket, is_unix)) {
    workers_[0]->metrics().connections_rejected.add();
    release_connection();
    return;
  }
  Worker* least = workers_[0].get();
  for (auto& worker : workers_) {
    if (worker->connection_count.load(std::memory_order_relaxed) <
        least->connection_count.load(std::memory_order_relaxed)) {
      least = worker.get();
    }
  }
  least->adopt(std::move(socket), is_unix);
}

bool Server::admit_connection() {
  uint32_t count = connection_count_.fetch_add(1, std::memory_order_relaxed);
  if (count < static_cast<uint64_t>(options().max_clients.load(std::memory_order_relaxed))) return true;
  connection_count_.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

// Protected mode: without a password only this machine is let in.
bool Server::refuse_unprotected(const Socket& socket, bool is_unix) {
  if (is_unix || !options().protected_mode.load(std::memory_order_relaxed) || (alerts() & kAlertPassword))
    return false;
  auto peer = peer_address(socket.handle());
  if (peer && peer->is_loopback) return false;
  static_cast<void>(
      send_some(socket.handle(),
                "-DENIED Redis is running in protected mode because protected mode is enabled and no "
                "password is set for the "
                "default user. In this mode connections are only accepted from the loopback interface. If "
                "you want to connect "
                "from external computers to Redis you may adopt one of the following solutions: 1) Just "
                "disable protected mode "
                "sending the command 'CONFIG SET protected-mode no' from the loopback interface by "
                "connecting to Redis from the "
                "same host the server is running, however MAKE SURE Redis is not publicly accessible from "
                "internet if you do so. "
                "Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the "
                "protected mode by "
                "editing the Redis configuration file, and setting the protected mode option to 'no', and "
                "then restarting the "
                "server. 3) If you started the server manually just for testing, restart it with the "
                "'--protected-mode no' "
                "option. 4) Setup a an authentication password for the default user. NOTE: You only need to "
                "do one of the above "
                "things in order for the server to start accepting connections from the outside.\r\n"));
  return true;
}

void Server::introduce(Session& session, SocketHandle handle, bool is_unix, int64_t now_ms) {
  const Options& o = options();
  session.id = next_client_id();
  session.connected_at_ms = now_ms;
  session.active_at_ms = now_ms;
  session.descriptor = handle.fd;
  if (alerts() & kAlertPassword) session.set(Session::kNeedsAuth);
  if (is_unix) {
    session.set(Session::kUnixSocket);
    session.peer_address = o.unix_socket + ":0";
    session.local_address = o.unix_socket + ":0";
    return;
  }
  if (auto address = peer_address(handle)) session.peer_address = address->text;
  if (auto address = local_address(handle)) session.local_address = address->text;
  static_cast<void>(set_nodelay(handle, true));
  if (int64_t interval = o.tcp_keepalive_s.load(std::memory_order_relaxed); interval > 0) {
    static_cast<void>(set_keepalive(handle, static_cast<int>(interval)));
  }
}

bool Server::write_pid_file() {
  const Options& o = options();
  if (o.pid_file.empty() && !o.daemonize) return true;
  std::string path = o.pid_file.empty() ? kDefaultPidFile : o.pid_file;
  std::string text = fmt::format("{}\n", process_id());
  auto file = real_file_system().open(path, OpenMode::kTruncate);
  if (!file || !file->append(text)) {
    log_warning(fmt::format("Failed to write PID file {}", path));
    return false;
  }
  written_pid_file_ = path;
  return true;
}

void Server::remove_files() {
  if (!written_pid_file_.empty()) {
    log_notice("Removing the pid file.");
    static_cast<void>(real_file_system().remove(written_pid_file_));
  }
  if (!options().unix_socket.empty()) {
    log_notice("Removing the unix socket file.");
    static_cast<void>(real_file_system().remove(options().unix_socket));
  }
}

// When enough has changed for long enough.
bool Server::save_point_is_due(int64_t now_s) {
  uint64_t changes = changes_since_save();
  if (changes == 0) return false;
  int64_t since_s = now_s - save_state_.last_save_s.load(std::memory_order_relaxed);
  std::lock_guard lock(configuration_mutex_);
  for (const SavePoint& point : options().save_points) {
    if (since_s < point.seconds || changes < static_cast<uint64_t>(point.changes)) continue;
    log_notice(fmt::format("{} changes in {} seconds. Saving...", point.changes, point.seconds));
    return true;
  }
  return false;
}

RdbSaveOptions rdb_save_options(const Options& options) {
  RdbSaveOptions save;
  save.writer.compression = options.rdb_compression;
  save.writer.checksum = options.rdb_checksum;
  save.writer.version = static_cast<uint32_t>(options.rdb_version);
  save.aux.created_seconds = system_clock().wall_us() / 1'000'000;
  return save;
}

std::string dump_path(const Options& options) {
  const Result<std::string> directory = current_directory();
  return directory ? *directory + "/" + options.dump_file : options.dump_file;
}

void Server::note_save_result(bool ok) {
  std::lock_guard lock(configuration_mutex_);
  const Options& o = options();
  set_alert(kAlertSaveFailed, !ok && o.stop_writes_on_bgsave_error && !o.save_points.empty());
}

Status Server::save_held() {
  const Options& o = options();
  int64_t began_ms = system_clock().wall_us() / 1000;
  save_state_.last_try_s = began_ms / 1000;
  background_save_->cancel_save();
  empty_dump_->wait();
  uint64_t changes = total_changes();
  auto report = rdb_save(real_file_system(), o.dump_file, *keyspace_, rdb_save_options(o));
  int64_t ended_ms = system_clock().wall_us() / 1000;
  save_state_.last_duration_s = (ended_ms - began_ms) / 1000;
  save_state_.last_ok = report.has_value();
  note_save_result(report.has_value());
  if (!report) {
    log_warning(fmt::format("Failed saving the DB: {}", describe(report.error())));
    return std::unexpected(report.error());
  }
  save_state_.changes_at_last_save = changes;
  save_state_.last_save_s = ended_ms / 1000;
  save_state_.saves.fetch_add(1, std::memory_order_relaxed);
  log_notice("DB saved on disk");
  background_save_->log_newer_version(*report);
  return {};
}

size_t Server::used_memory() const {
  size_t bytes = keyspace_->used_bytes() + output_memory_bytes();
  if (OpLog* log = log_switch_.log()) bytes += log->stats().buffer_bytes;
  for (const auto& worker : workers_) bytes += worker->client_bytes();
  return bytes;
}

uint64_t Server::total_changes() const {
  uint64_t changes = 0;
  for (const auto& worker : workers_)
    changes += worker->keyspace_counters().changes.load(std::memory_order_relaxed);
  return changes;
}

uint64_t Server::changes_since_save() const { return total_changes() - save_state_.changes_at_last_save; }

void Server::sample_rates() {
  uint64_t commands = 0, input = 0, output = 0;
  for (const auto& worker : workers_) {
    commands += worker->metrics().commands_processed.get();
    input += worker->metrics().input_bytes.get();
    output += worker->metrics().output_bytes.get();
  }
  int64_t now_ms = workers_[0]->loop().wall_ms();
  rates_.commands.sample(now_ms, commands);
  rates_.input_bytes.sample(now_ms, input);
  rates_.output_bytes.sample(now_ms, output);
}

void Server::cron() {
  sample_rates();
  if (int signal = stop_signal(); signal != 0 && !stop_requested_ && !is_saving_to_stop_) {
    log_warning(fmt::format("Received {} scheduling shutdown...", signal_name(signal)));
    save_and_stop(SaveChoice::kAsConfigured, signal, [] {
      reset_stop_signals();  // the next one is a first one again
      install_stop_signals(nullptr);
    });
  }
  size_t used = used_memory();
  if (used > peak_memory_.load(std::memory_order_relaxed))
    peak_memory_.store(used, std::memory_order_relaxed);
  uint64_t limit = options().max_memory.load(std::memory_order_relaxed);
  set_alert(kAlertMemory, limit != 0 && used > limit);
  if (alerts() & (kAlertLoading | kAlertStopping)) return;
  log_switch_.cron();
  if (OpLog* log = log_switch_.log()) log->look_at_clock();
  background_save_->cron(workers_[0]->loop().wall_ms() / 1000);
}

// What is written after this save and before the loops stop is saved by finish().
void Server::save_and_stop(SaveChoice choice, int signal, std::function<void()> refused) {
  bool is_loading = alerts() & kAlertLoading;
  if (is_loading) return request_stop(SaveChoice::kNo, signal);
  if (!save_wanted(choice)) return request_stop(choice, signal);
  is_saving_to_stop_ = true;
  Worker::current()->dispatcher().run_on_all_shards([this, choice, signal, refused = std::move(refused)] {
    log_notice("Saving the final RDB snapshot before exiting.");
    if (save_held()) return request_stop(choice, signal);
    log_warning("Error trying to save the DB, can't exit.");
    is_saving_to_stop_ = false;
    refused();
  });
}

void Server::request_stop(SaveChoice choice, int signal) {
  stop_save_ = choice;
  stop_signal_ = signal;
  if (stop_requested_.exchange(true)) return;
  set_alert(kAlertStopping, true);
  workers_[0]->loop().post([this] {
    listeners_.clear();
    workers_[0]->loop().stop();
  });
}

// All loops have stopped: what they executed is in the log's ring or on its way.
int Server::finish() {
  int exit_code = load_failed_ ? 1 : 0;
  if (background_save_->running() != BackgroundSave::Kind::kNone) {
    log_warning("There is a background save or rewrite in progress, giving it up");
    background_save_->abandon();
  }
  empty_dump_->wait();
  if (!load_failed_ && !(alerts() & kAlertLoading)) {
    log_warning("User requested shutdown...");
    if (Status status = log_switch_.stop(); !status) {
      log_warning(fmt::format("The AOF could not be synced: {}", describe(status.error())));
      exit_code = 1;
    }
    bool is_saved = is_saving_to_stop_ && changes_since_save() == 0;
    if (save_wanted(stop_save_) && !is_saved) {
      if (Status status = save_held(); !status) {
        log_warning(fmt::format("Error trying to save the DB: {}", describe(status.error())));
        exit_code = 1;
      }
    }
  }
  remove_files();
  log_warning("Strata is now ready to exit, bye bye...");
  flush_log_lines();
  return exit_code;
}

bool Server::save_wanted(SaveChoice choice) const {
  if (choice == SaveChoice::kAsConfigured) return !configuration_->options().save_points.empty();
  return choice == SaveChoice::kYes;
}

}  // namespace strata
