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

class DeleteIds final : public SlicedWork {
 public:
  explicit DeleteIds(std::vector<StreamId> ids) : ids_(std::move(ids)) {}
  bool step(Context& context) override {
    return run(context, stream_of(latched_entry(context)), kDeletedInSlice);
  }

  bool run(Context& context, StreamValue& stream, size_t budget) {
    const Key key = context.key(1);
    Heap& heap = context.data(key).heap;
    const size_t end = done_ + std::min(ids_.size() - done_, budget);
    for (; done_ < end; ++done_) {
      Result<bool> erased = stream.erase(heap, ids_[done_]);
      if (!erased) return stop(context, key, erased.error());
      deleted_ += *erased;
    }
    if (done_ < ids_.size()) return false;
    if (deleted_ > 0) context.changed(key, deleted_);
    context.reply().integer(static_cast<int64_t>(deleted_));
    return true;
  }

 private:
  // What is done stays done, and the log gets that much.
  bool stop(Context& context, const Key& key, const Error& error) {
    if (deleted_ > 0) {
      const Bytes words[] = {"XDEL", key.name};
      log_with_ids(context, words, std::span(ids_).first(done_));
      context.changed(key, deleted_);
    }
    return context.check(error), true;
  }

  std::vector<StreamId> ids_;
  size_t done_ = 0;
  uint64_t deleted_ = 0;
};

// ---- XDELEX, XACKDEL -------------------------------------------------------------------------------

enum class Outcome : int8_t { kMissing = -1, kDeleted = 1, kReferenced = 2 };

struct DeleteOptions {
  StreamReferences references = StreamReferences::kKeep;
  std::vector<StreamId> ids;
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
      int64_t count;
      if (!context.parse_integer_in(i + 1, 1, INT64_MAX, count,
                                    "ERR Number of IDs must be a positive integer"))
        return false;
      if (static_cast<uint64_t>(count) > context.argc() - i - 2) {
        context.reply().error("ERR The `numids` parameter must match the number of arguments");
        return false;
      }
      const size_t end = i + 2 + static_cast<size_t>(count);
      if (!parse_ids(context, i + 2, end, options.ids)) return false;
      i = end - 1;
    } else {
      return context.syntax_error(), false;
    }
  }
  if (options.ids.empty()) return context.syntax_error(), false;
  return true;
}

void reply_all_missing(Context& context, size_t count) {
  context.reply().array(count);
  for (size_t i = 0; i < count; ++i) context.reply().integer(-1);
}

class DeleteMore final : public SlicedWork {
 public:
  // `has_group`: XACKDEL, which acknowledges first.
  DeleteMore(DeleteOptions options, bool has_group) : options_(std::move(options)), has_group_(has_group) {}
  bool step(Context& context) override {
    return run(context, stream_of(latched_entry(context)), kDeletedInSlice);
  }

  bool run(Context& context, StreamValue& stream, size_t budget) {
    StreamGroup* group = has_group_ ? stream.find_group(context.arg(2)) : nullptr;
    const size_t end = done_ + std::min(options_.ids.size() - done_, budget);
    for (; done_ < end && !error_; ++done_) one(context, stream, group, options_.ids[done_]);
    if (done_ < options_.ids.size() && !error_) return false;
    finish(context);
    return true;
  }

 private:
  struct GroupIds {
    std::string group;
    std::vector<StreamId> ids;
  };

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

  void finish(Context& context) {
    const Key key = context.key(1);
    for (const GroupIds& some : acknowledged_) {
      const Bytes words[] = {"XACK", key.name, some.group};
      log_with_ids(context, words, some.ids);
    }
    const Bytes words[] = {"XDEL", key.name};
    log_with_ids(context, words, deleted_);
    changes_ += deleted_.size();
    if (changes_ > 0) context.changed(key, changes_);
    if (error_) {
      context.check(*error_);
      return;
    }
    context.reply().array(outcomes_.size());
    for (Outcome outcome : outcomes_) context.reply().integer(static_cast<int64_t>(outcome));
  }

  DeleteOptions options_;
  const bool has_group_;
  size_t done_ = 0;
  std::vector<Outcome> outcomes_;
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
  if (!stream || (has_group && !stream->find_group(context.arg(2))))
    return reply_all_missing(context, options.ids.size());
  const bool is_sliced = options.ids.size() > kDeletedInSlice && context.may_slice();
  auto work = std::make_unique<DeleteMore>(std::move(options), has_group);
  if (is_sliced) return context.slice(std::move(work), {{.arg = 1, .is_exclusive = true}});
  work->run(context, *stream, SIZE_MAX);
}

}  // namespace

void xdel(Context& context) {
  StreamValue* stream;
  if (!find_stream_for_write(context, context.key(1), stream)) return;
  if (!stream) return context.reply().integer(0);
  std::vector<StreamId> ids;
  if (!parse_ids(context, 2, context.argc(), ids)) return;
  const bool is_sliced = ids.size() > kDeletedInSlice && context.may_slice();
  auto work = std::make_unique<DeleteIds>(std::move(ids));
  if (is_sliced) return context.slice(std::move(work), {{.arg = 1, .is_exclusive = true}});
  work->run(context, *stream, SIZE_MAX);
}

void xdelex(Context& context) { delete_more(context, false); }
void xackdel(Context& context) { delete_more(context, true); }

}  // namespace strata
