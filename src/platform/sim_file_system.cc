#include "platform/sim_file_system.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "platform/sim_tree.h"

namespace strata {
namespace {

constexpr int64_t kSimStartUs = 1'000'000'000'000;  // as ManualClock

std::unexpected<Error> power_is_off() { return fail(Errc::kClosed, "simulated power cut"); }

}  // namespace

const char* sim_operation_name(SimOperation kind) {
  constexpr const char* kNames[kSimOperationKinds] = {"open",
                                                      "write",
                                                      "truncate",
                                                      "sync",
                                                      "rename",
                                                      "link",
                                                      "remove",
                                                      "create_directory",
                                                      "remove_directory",
                                                      "sync_directory",
                                                      "read"};
  return kNames[static_cast<size_t>(kind)];
}

// What an operation is, until it is carried out.
struct SimCall {
  SimOperation kind;
  std::string_view path;
  std::string detail;               // for the trace
  std::optional<uint64_t> epoch{};  // of an open file: when it was opened
};

struct SimAdmission {
  uint64_t index = 0;
  uint64_t epoch = 0;
  uint64_t sequence = 0;  // the last change that was complete when the operation began
  std::optional<Errc> fault;
};

struct SimFileSystem::State {
  explicit State(SimOptions given) : options(given), random(given.seed) {}

  // Runs `body(admission)` as one operation. It is called for operations that succeed; `on_fault`
  // for those that fail by order, to leave behind what such a failure leaves.
  template <typename T, typename Body, typename OnFault>
  Result<T> run(const SimCall& call, Body body, OnFault on_fault);
  template <typename T, typename Body>
  Result<T> run(const SimCall& call, Body body) {
    return run<T>(call, std::move(body), [](const SimAdmission&) {});
  }

  Result<SimAdmission> admit(const SimCall& call);
  std::optional<Errc> take_fault(const SimCall& call);
  void note(std::string line);
  void note_outcome(const SimCall& call, const SimAdmission& admission, const Error* error);
  Status write(SimNode& node, std::optional<uint64_t> offset, Bytes bytes);
  void touch(SimNode& node) { node.modified_us = kSimStartUs + static_cast<int64_t>(sequence); }

  struct ActiveFault {
    SimFault fault;
    uint64_t seen = 0;
  };

  mutable std::mutex mutex;  // guards all below
  SimOptions options;
  SimTree tree;
  SimRandom random;
  Hook hook;
  std::vector<ActiveFault> faults;
  uint64_t faults_hit = 0;
  uint64_t counts[kSimOperationKinds] = {};
  uint64_t operations = 0;
  uint64_t sequence = 0;  // of the last change
  uint64_t epoch = 0;     // of crashes; files of an earlier one are closed
  uint64_t cut_at = 0;    // operation number; 0: never
  CutWhen cut_when = CutWhen::kBefore;
  bool power_off = false;
  std::vector<std::string> trace;
};

void SimFileSystem::State::note(std::string line) {
  if (options.trace && trace.size() < kSimTraceLinesMax) trace.push_back(std::move(line));
}

void SimFileSystem::State::note_outcome(const SimCall& call, const SimAdmission& admission,
                                        const Error* error) {
  if (!options.trace || call.kind == SimOperation::kRead) return;
  std::string line = std::to_string(admission.index) + " " + sim_operation_name(call.kind) + " ";
  line.append(call.path).append(call.detail);
  note(line + (error == nullptr ? ": ok" : std::string(": ") + error_name(error->code)));
}

std::optional<Errc> SimFileSystem::State::take_fault(const SimCall& call) {
  std::optional<Errc> error;
  for (ActiveFault& active : faults) {
    const SimFault& fault = active.fault;
    if (fault.kind != call.kind || call.path.find(fault.path_part) == std::string_view::npos) continue;
    ++active.seen;
    bool hit = active.seen >= fault.nth && active.seen - fault.nth < fault.count;
    if (hit && !error) error = fault.error;
  }
  return error;
}

Result<SimAdmission> SimFileSystem::State::admit(const SimCall& call) {
  SimAdmission admission;
  Hook hook_now;
  {
    std::lock_guard lock(mutex);
    if (power_off || (call.epoch && *call.epoch != epoch)) return power_is_off();
    ++counts[static_cast<size_t>(call.kind)];
    if (call.kind != SimOperation::kRead) admission.index = ++operations;
    if (admission.index != 0 && admission.index == cut_at && cut_when == CutWhen::kBefore) {
      power_off = true;
      note("power cut before " + std::to_string(admission.index));
      return power_is_off();
    }
    admission.fault = take_fault(call);
    admission.epoch = epoch;
    admission.sequence = sequence;
    hook_now = hook;
  }
  if (hook_now) {
    std::optional<Errc> error = hook_now({admission.index, call.kind, call.path});
    if (error) admission.fault = error;
  }
  return admission;
}

template <typename T, typename Body, typename OnFault>
Result<T> SimFileSystem::State::run(const SimCall& call, Body body, OnFault on_fault) {
  TRY_ASSIGN(SimAdmission admission, admit(call));
  std::lock_guard lock(mutex);
  // The power may have gone while the hook ran.
  if (power_off || admission.epoch != epoch) return power_is_off();
  Result<T> result = fail(Errc::kIo, "simulated fault");
  if (admission.fault) {
    ++faults_hit;
    on_fault(admission);
    result = fail(*admission.fault, "simulated fault");
  } else {
    result = body(admission);
  }
  note_outcome(call, admission, result ? nullptr : &result.error());
  if (admission.index != 0 && admission.index == cut_at) {
    power_off = true;
    note("power cut after " + std::to_string(admission.index));
    return power_is_off();
  }
  return result;
}

Status SimFileSystem::State::write(SimNode& node, std::optional<uint64_t> offset, Bytes bytes) {
  uint64_t size = node.file.cached().size();
  uint64_t at = offset.value_or(size);
  uint64_t fits = bytes.size();
  if (options.capacity_bytes != UINT64_MAX) {
    uint64_t used = tree.total_bytes();
    uint64_t size_max = size + (options.capacity_bytes > used ? options.capacity_bytes - used : 0);
    fits = std::min<uint64_t>(fits, size_max > at ? size_max - at : 0);
  }
  if (fits > 0) node.file.write(++sequence, at, bytes.substr(0, fits));
  touch(node);
  if (fits < bytes.size()) return fail(Errc::kNoSpace, "simulated disk is full", at + fits);
  return {};
}

class SimFileSystem::OpenFile final : public FileImplementation {
 public:
  OpenFile(std::shared_ptr<State> state, SimNodePtr node, std::string path, bool writable)
      : state_(std::move(state)),
        node_(std::move(node)),
        path_(std::move(path)),
        epoch_(state_->epoch),
        writable_(writable) {}

  Result<size_t> read_at(uint64_t offset, MutableBytes out) override {
    return state_->run<size_t>(call(SimOperation::kRead), [&](const SimAdmission&) -> Result<size_t> {
      const std::string& contents = node_->file.cached();
      if (offset >= contents.size()) return size_t{0};
      return contents.copy(out.data(), out.size(), offset);
    });
  }

  Status write_at(uint64_t offset, Bytes bytes) override { return write(offset, bytes); }
  Status append(Bytes bytes) override { return write(std::nullopt, bytes); }
  Status sync_data() override { return sync(); }
  Status sync_all() override { return sync(); }

  Status truncate(uint64_t size) override {
    std::string detail = " to " + std::to_string(size);
    return state_->run<void>(call(SimOperation::kTruncate, std::move(detail)),
                             [&](const SimAdmission&) -> Status {
                               if (!writable_)
                                 return fail(Errc::kInvalidArgument, "file is open for reading only");
                               node_->file.truncate(++state_->sequence, size);
                               state_->touch(*node_);
                               return {};
                             });
  }

  Result<uint64_t> size() override {
    return state_->run<uint64_t>(call(SimOperation::kRead), [&](const SimAdmission&) -> Result<uint64_t> {
      return node_->file.cached().size();
    });
  }

  void prefetch(uint64_t, uint64_t) override {}

 private:
  SimCall call(SimOperation kind, std::string detail = {}) {
    return {kind, path_, std::move(detail), epoch_};
  }

  Status write(std::optional<uint64_t> offset, Bytes bytes) {
    std::string detail =
        " @" + (offset ? std::to_string(*offset) : std::string("end")) + "+" + std::to_string(bytes.size());
    return state_->run<void>(
        call(SimOperation::kWrite, std::move(detail)),
        [&](const SimAdmission&) -> Status {
          if (!writable_) return fail(Errc::kPermission, "file is open for reading only");
          return state_->write(*node_, offset, bytes);
        },
        // A write that fails may have written something first.
        [&](const SimAdmission&) {
          if (!writable_) return;
          (void)state_->write(*node_, offset, bytes.substr(0, state_->random.below(bytes.size() + 1)));
        });
  }

  Status sync() {
    return state_->run<void>(
        call(SimOperation::kSync),
        [&](const SimAdmission& admission) -> Status {
          node_->file.sync(admission.sequence);
          return {};
        },
        [&](const SimAdmission& admission) { node_->file.sync_failed(admission.sequence); });
  }

  std::shared_ptr<State> state_;
  SimNodePtr node_;
  std::string path_;
  uint64_t epoch_;
  bool writable_;
};

SimFileSystem::SimFileSystem(SimOptions options) : state_(std::make_shared<State>(options)) {}
SimFileSystem::~SimFileSystem() = default;

void SimFileSystem::crash(uint64_t seed) {
  State& state = *state_;
  std::lock_guard lock(state.mutex);
  SimRandom random(seed);
  state.note("crash with seed " + std::to_string(seed));
  state.tree.crash(random, [&](const std::string& line) { state.note(line); });
  ++state.epoch;
  state.cut_at = 0;
  state.power_off = false;
}

void SimFileSystem::kill_process() {
  std::lock_guard lock(state_->mutex);
  state_->note("process killed");
  ++state_->epoch;
}

void SimFileSystem::cut_power_at(uint64_t operation, CutWhen when) {
  std::lock_guard lock(state_->mutex);
  state_->cut_at = operation;
  state_->cut_when = when;
}

bool SimFileSystem::power_is_cut() const {
  std::lock_guard lock(state_->mutex);
  return state_->power_off;
}

void SimFileSystem::add_fault(SimFault fault) {
  std::lock_guard lock(state_->mutex);
  state_->faults.push_back({.fault = std::move(fault)});
}

void SimFileSystem::clear_faults() {
  std::lock_guard lock(state_->mutex);
  state_->faults.clear();
}

uint64_t SimFileSystem::faults_hit() const {
  std::lock_guard lock(state_->mutex);
  return state_->faults_hit;
}

void SimFileSystem::set_capacity(uint64_t bytes) {
  std::lock_guard lock(state_->mutex);
  state_->options.capacity_bytes = bytes;
}

uint64_t SimFileSystem::used_bytes() const {
  std::lock_guard lock(state_->mutex);
  return state_->tree.total_bytes();
}

Result<uint64_t> SimFileSystem::free_bytes(std::string_view) {
  std::lock_guard lock(state_->mutex);
  const uint64_t used = state_->tree.total_bytes();
  return state_->options.capacity_bytes > used ? state_->options.capacity_bytes - used : 0;
}

void SimFileSystem::set_hook(Hook hook) {
  std::lock_guard lock(state_->mutex);
  state_->hook = std::move(hook);
}

uint64_t SimFileSystem::operation_count() const {
  std::lock_guard lock(state_->mutex);
  return state_->operations;
}

uint64_t SimFileSystem::operation_count(SimOperation kind) const {
  std::lock_guard lock(state_->mutex);
  return state_->counts[static_cast<size_t>(kind)];
}

std::vector<std::string> SimFileSystem::trace() const {
  std::lock_guard lock(state_->mutex);
  return state_->trace;
}

Result<std::string> SimFileSystem::synced_contents(std::string_view path) const {
  std::lock_guard lock(state_->mutex);
  TRY_ASSIGN(SimNodePtr node, state_->tree.find_durable(path));
  return node->file.synced();
}

Result<uint64_t> SimFileSystem::unsynced_changes(std::string_view path) const {
  std::lock_guard lock(state_->mutex);
  TRY_ASSIGN(SimNodePtr node, state_->tree.find(path));
  return node->file.unsynced_changes();
}

Result<File> SimFileSystem::open(std::string_view path, OpenMode mode) {
  bool creates = mode != OpenMode::kRead && mode != OpenMode::kReadWrite;
  State& state = *state_;
  return state.run<File>({SimOperation::kOpen, path, {}}, [&](const SimAdmission&) -> Result<File> {
    Result<SimNodePtr> found = state.tree.find(path);
    if (!found && found.error().code != Errc::kNotFound) return std::unexpected(found.error());
    SimNodePtr node = found ? *found : nullptr;
    if (node != nullptr && mode == OpenMode::kCreateNew) return fail(Errc::kExists, "open");
    if (node != nullptr && node->is_directory) return fail(Errc::kInvalidArgument, "open a directory");
    if (node == nullptr && !creates) return fail(Errc::kNotFound, "open");
    if (node == nullptr) {
      TRY_ASSIGN(SimPlace place, state.tree.locate(path));
      node = std::make_shared<SimNode>();
      state.tree.add(++state.sequence, place, node);
      state.touch(*node);
    } else if (mode == OpenMode::kTruncate) {
      node->file.truncate(++state.sequence, 0);
      state.touch(*node);
    }
    return File(std::make_unique<OpenFile>(state_, node, std::string(path), mode != OpenMode::kRead));
  });
}

Result<FileInfo> SimFileSystem::info(std::string_view path) {
  State& state = *state_;
  return state.run<FileInfo>({SimOperation::kRead, path, {}}, [&](const SimAdmission&) -> Result<FileInfo> {
    TRY_ASSIGN(SimNodePtr node, state.tree.find(path));
    return FileInfo{node->file.cached().size(), node->modified_us, node->is_directory};
  });
}

Status SimFileSystem::rename(std::string_view from, std::string_view to) {
  State& state = *state_;
  std::string detail = " to " + std::string(to);
  return state.run<void>({SimOperation::kRename, from, std::move(detail)},
                         [&](const SimAdmission&) -> Status {
                           TRY_ASSIGN(SimPlace source, state.tree.locate(from));
                           TRY_ASSIGN(SimPlace target, state.tree.locate(to));
                           SimNodePtr node = source.node();
                           SimNodePtr old = target.node();
                           if (node == nullptr) return fail(Errc::kNotFound, "rename");
                           if (node == old) return {};  // two links to one file: POSIX does nothing
                           if (old != nullptr && old->is_directory && !node->is_directory)
                             return fail(Errc::kInvalidArgument, "rename");
                           if (old != nullptr && !old->is_directory && node->is_directory)
                             return fail(Errc::kNotFound, "rename");
                           if (old != nullptr && !old->entries.empty()) return fail(Errc::kExists, "rename");
                           if (node->is_directory && source.directory != target.directory) {
                             return fail(Errc::kUnsupported, "rename a directory to another parent");
                           }
                           state.tree.rename(++state.sequence, source, target);
                           return {};
                         });
}

Status SimFileSystem::remove(std::string_view path) {
  State& state = *state_;
  return state.run<void>({SimOperation::kRemove, path, {}}, [&](const SimAdmission&) -> Status {
    TRY_ASSIGN(SimPlace place, state.tree.locate(path));
    SimNodePtr node = place.node();
    if (node == nullptr) return fail(Errc::kNotFound, "remove");
    if (node->is_directory) return fail(Errc::kInvalidArgument, "remove a directory");
    state.tree.remove(++state.sequence, place);
    return {};
  });
}

Status SimFileSystem::link(std::string_view existing, std::string_view name) {
  State& state = *state_;
  std::string detail = " as " + std::string(name);
  return state.run<void>({SimOperation::kLink, existing, std::move(detail)},
                         [&](const SimAdmission&) -> Status {
                           TRY_ASSIGN(SimNodePtr node, state.tree.find(existing));
                           TRY_ASSIGN(SimPlace place, state.tree.locate(name));
                           if (place.node() != nullptr) return fail(Errc::kExists, "link");
                           if (node->is_directory) return fail(Errc::kPermission, "link a directory");
                           state.tree.add(++state.sequence, place, node);
                           return {};
                         });
}

Status SimFileSystem::create_directory(std::string_view path) {
  State& state = *state_;
  return state.run<void>({SimOperation::kCreateDirectory, path, {}}, [&](const SimAdmission&) -> Status {
    if (state.tree.find(path)) return fail(Errc::kExists, "create directory");
    TRY_ASSIGN(SimPlace place, state.tree.locate(path));
    auto node = std::make_shared<SimNode>();
    node->is_directory = true;
    state.tree.add(++state.sequence, place, node);
    state.touch(*node);
    return {};
  });
}

Status SimFileSystem::remove_directory(std::string_view path) {
  State& state = *state_;
  return state.run<void>({SimOperation::kRemoveDirectory, path, {}}, [&](const SimAdmission&) -> Status {
    TRY_ASSIGN(SimPlace place, state.tree.locate(path));
    SimNodePtr node = place.node();
    if (node == nullptr || !node->is_directory) return fail(Errc::kNotFound, "remove directory");
    if (!node->entries.empty()) return fail(Errc::kExists, "remove directory");
    state.tree.remove(++state.sequence, place);
    return {};
  });
}

Result<std::vector<std::string>> SimFileSystem::list(std::string_view directory) {
  using Names = std::vector<std::string>;
  State& state = *state_;
  return state.run<Names>({SimOperation::kRead, directory, {}}, [&](const SimAdmission&) -> Result<Names> {
    TRY_ASSIGN(SimNodePtr node, state.tree.find(directory));
    if (!node->is_directory) return fail(Errc::kNotFound, "list");
    Names names;
    for (const auto& entry : node->entries) names.push_back(entry.first);
    return names;
  });
}

Status SimFileSystem::sync_directory(std::string_view directory) {
  State& state = *state_;
  return state.run<void>(
      {SimOperation::kSyncDirectory, directory, {}},
      [&](const SimAdmission& admission) -> Status {
        TRY_ASSIGN(SimNodePtr node, state.tree.find(directory));
        if (!node->is_directory) return fail(Errc::kNotFound, "sync directory");
        state.tree.sync(node, admission.sequence);
        return {};
      },
      [&](const SimAdmission& admission) {
        Result<SimNodePtr> node = state.tree.find(directory);
        if (node) state.tree.sync_failed(*node, admission.sequence);
      });
}

}  // namespace strata
