// XDEL, XDELEX and XACKDEL: deleting entries by ID. The newer two say what becomes of pending entries that
// refer to them; the log says so in older words (XDEL, XACK), so that any Redis may load it.

#include <algorithm>
#include <memory>

#include "commands/collections.h"
#include "commands/streams.h"

namespace strata {
namespace {

// Each costs a walk through a node.
constexpr size_t kDeletedInSlice = 512;
constexpr size_t kOutcomesShownInSlice = 16 * kSliceElements;

class DeleteIds final : public SlicedWork {
 public:
  explicit DeleteIds(IdArguments ids) : ids_(std::move(ids)) {}
  bool step(Context& context) override {
    if (!ids_.are_parsed()) return !ids_.parse_some(context, kIdsParsedInSlice);
    return run(context, stream_of(latched_entry(context)), kDeletedInSlice);
  }

  bool run(Context& context, StreamValue& stream, size_t budget) {
    const Key key = context.key(1);
    Heap& heap = context.data(key).heap;
    Status status;
    const size_t end = done_ + std::min(ids_.size() - done_, budget);
    for (; done_ < end && status; ++done_) {
      const Result<bool> erased = stream.erase(heap, ids_[done_]);
      if (!erased) status = std::unexpected(erased.error());
      if (!erased || !*erased) continue;
      log_.add(ids_[done_]);
      ++deleted_;
    }
    if (done_ < ids_.size() && status) return log_.end_slice(context, {"XDEL", key.name}), false;
    // What is done stays done, and the log gets that much.
    if (deleted_ > 0) {
      log_.finish(context, {"XDEL", key.name}, status.has_value());
      context.changed(key, deleted_);
    }
    if (context.check(status)) context.reply().integer(static_cast<int64_t>(deleted_));
    return true;
  }

 private:
  IdArguments ids_;
  size_t done_ = 0;
  uint64_t deleted_ = 0;
  IdLog log_;
};

// ---- XDELEX, XACKDEL -------------------------------------------------------------------------------

enum class Outcome : int8_t { kMissing = -1, kDeleted = 1, kReferenced = 2 };

struct DeleteOptions {
  StreamReferences references = StreamReferences::kKeep;
  IdArguments ids;
};

bool parse_references(Context& context, size_t i, StreamReferences& references) {
  if (context.is_word(i, "KEEPREF")) {
    references = StreamReferences::kKeep;
  } else if (context.is_word(i, "DELREF")) {
    references = StreamReferences::kDrop;
  } else if (context.is_word(i, "ACKED")) {
    references = StreamReferences::kAcked;
  } else {
    return false;
  }
  return true;
}

// IDS numids id [id …], in any place among the options.
bool parse_delete_options(Context& context, size_t first, DeleteOptions& options) {
  bool has_references = false;
  for (size_t i = first; i < context.argc(); ++i) {
    if (!has_references && parse_references(context, i, options.references)) {
      has_references = true;
    } else if (options.ids.empty() && context.is_word(i, "IDS") && i + 1 < context.argc()) {
      if (!parse_counted_ids(context, i, options.ids)) return false;
    } else {
      return context.syntax_error(), false;
    }
  }
  if (options.ids.empty()) return context.syntax_error(), false;
  return true;
}

class DeleteMore final : public SlicedWork {
 public:
  // `has_group`: XACKDEL, which acknowledges first.
  DeleteMore(DeleteOptions options, bool has_group) : options_(std::move(options)), has_group_(has_group) {}
  bool step(Context& context) override {
    if (!options_.ids.are_parsed()) return !options_.ids.parse_some(context, kIdsParsedInSlice);
    const Entry* entry = latched_entry(context);
    return run(context, entry ? &stream_of(entry) : nullptr, kDeletedInSlice);
  }

  // The stream is null where there is none.
  bool run(Context& context, StreamValue* stream, size_t budget) {
    const bool has_something = stream && (!has_group_ || stream->find_group(context.arg(2)));
    if (done_ < options_.ids.size() && !error_ && has_something && !delete_some(context, *stream, budget))
      return false;
    if (!has_something) done_ = options_.ids.size();
    return error_ ? finish(context) : show(context, budget);
  }

 private:
  struct GroupIds {
    std::string group;
    std::vector<StreamId> ids;
  };

  bool delete_some(Context& context, StreamValue& stream, size_t budget) {
    StreamGroup* group = has_group_ ? stream.find_group(context.arg(2)) : nullptr;
    const size_t end = done_ + std::min(options_.ids.size() - done_, budget);
    for (; done_ < end && !error_; ++done_) one(context, stream, group, options_.ids[done_]);
    if (done_ < options_.ids.size() && !error_) {
      state_effects(context);
      context.log_slice();
      return false;
    }
    return true;
  }

  // Where there was nothing to look at, all are missing.
  bool show(Context& context, size_t budget) {
    const size_t count = options_.ids.size();
    if (shown_ == 0) context.reply().array(count);
    const size_t end = shown_ + std::min(count - shown_, std::max(budget, kOutcomesShownInSlice));
    for (; shown_ < end; ++shown_) {
      const Outcome outcome = outcomes_.empty() ? Outcome::kMissing : outcomes_[shown_];
      context.reply().integer(static_cast<int64_t>(outcome));
    }
    if (shown_ == count) return finish(context);
    state_effects(context);
    context.log_slice();
    return false;
  }

  void one(Context& context, StreamValue& stream, StreamGroup* group, StreamId id) {
    Heap& heap = context.data(context.key(1)).heap;
    if (has_group_ && (!group || !group->remove_pending(heap, id))) {
      outcomes_.push_back(Outcome::kMissing);
      return;
    }
    if (has_group_) note_acknowledged(group->name(), id);
    if (options_.references == StreamReferences::kAcked && stream.contains(id) && is_referenced(stream, id)) {
      outcomes_.push_back(Outcome::kReferenced);
      return;
    }
    Result<bool> erased = stream.erase(heap, id);
    if (!erased) {
      error_ = erased.error();
      return;
    }
    if (*erased) deleted_.push_back(id);
    if (options_.references == StreamReferences::kDrop) drop_references(heap, stream, id);
    // XACKDEL has found it pending, whether its entry is there or not.
    outcomes_.push_back(*erased || has_group_ ? Outcome::kDeleted : Outcome::kMissing);
  }

  // Without groups nobody has acknowledged it.
  static bool is_referenced(const StreamValue& stream, StreamId id) {
    return stream.groups().empty() || stream.is_referenced(id);
  }

  void drop_references(Heap& heap, StreamValue& stream, StreamId id) {
    for (StreamGroup* group : stream.groups()) {
      if (group->find_pending(id)) note_acknowledged(group->name(), id);
    }
    stream.drop_references(heap, id);
  }

  void note_acknowledged(Bytes group, StreamId id) {
    auto found = std::find_if(acknowledged_.begin(), acknowledged_.end(),
                              [&](const GroupIds& other) { return other.group == group; });
    if (found == acknowledged_.end()) found = acknowledged_.insert(found, {std::string(group), {}});
    found->ids.push_back(id);
    ++changes_;
  }

  void state_effects(Context& context) {
    const Bytes key = context.arg(1);
    for (const GroupIds& some : acknowledged_) {
      const Bytes words[] = {"XACK", key, some.group};
      log_with_ids(context, words, some.ids);
    }
    acknowledged_.clear();
    const Bytes words[] = {"XDEL", key};
    log_with_ids(context, words, deleted_);
    changes_ += deleted_.size();
    deleted_.clear();
  }

  // Always true: all is done.
  bool finish(Context& context) {
    state_effects(context);
    if (changes_ > 0) context.changed(context.key(1), changes_);
    if (error_) context.check(*error_);
    return true;
  }

  DeleteOptions options_;
  const bool has_group_;
  size_t done_ = 0;
  size_t shown_ = 0;
  std::vector<Outcome> outcomes_;
  // What the log has not got yet.
  std::vector<StreamId> deleted_;
  std::vector<GroupIds> acknowledged_;
  uint64_t changes_ = 0;
  std::optional<Error> error_;
};

void delete_more(Context& context, bool has_group) {
  DeleteOptions options;
  if (!parse_delete_options(context, has_group ? 3 : 2, options)) return;
  StreamValue* stream;
  if (!find_stream_for_write(context, context.key(1), stream)) return;
  const bool is_sliced = context.argc() > kDeletedInSlice && context.may_slice();
  auto work = std::make_unique<DeleteMore>(std::move(options), has_group);
  if (is_sliced) return context.slice(std::move(work), {{.arg = 1, .is_exclusive = true}});
  work->run(context, stream, SIZE_MAX);
}

}  // namespace

void xdel(Context& context) {
  StreamValue* stream;
  if (!find_stream_for_write(context, context.key(1), stream)) return;
  if (!stream) return context.reply().integer(0);
  IdArguments ids(2, context.argc());
  if (context.argc() > kDeletedInSlice && context.may_slice())
    return context.slice(std::make_unique<DeleteIds>(std::move(ids)), {{.arg = 1, .is_exclusive = true}});
  if (ids.parse_some(context, UINT64_MAX)) DeleteIds(std::move(ids)).run(context, *stream, SIZE_MAX);
}

void xdelex(Context& context) { delete_more(context, false); }
void xackdel(Context& context) { delete_more(context, true); }

}  // namespace strata
