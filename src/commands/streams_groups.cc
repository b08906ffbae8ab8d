// XGROUP and XACK: consumer groups, their consumers, and what they have done with.

#include <memory>

#include "commands/collections.h"
#include "commands/help.h"
#include "commands/streams.h"
#include "text/ascii.h"

namespace strata {
namespace {

constexpr size_t kPendingInSlice = 4096;
constexpr size_t kAcknowledgedInSlice = 1024;

void reply_group_missing(Context& context) {
  context.reply().error("NOGROUP No such consumer group '", context.arg(3), "' for key name '",
                        context.arg(2), "'");
}

// Finds the stream of an XGROUP command. False: an error was replied.
bool find_for_group(Context& context, const Key& key, StreamValue*& stream) {
  if (!find_stream_for_write(context, key, stream)) return false;
  if (stream) return true;
  context.reply().error(
      "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the "
      "MKSTREAM "
      "option to create an empty stream automatically.");
  return false;
}

bool find_group(Context& context, const Key& key, StreamValue*& stream, StreamGroup*& group) {
  if (!find_for_group(context, key, stream)) return false;
  group = stream->find_group(context.arg(3));
  if (group) return true;
  reply_group_missing(context);
  return false;
}

struct GroupOptions {
  bool makes_stream = false;
  int64_t entries_read = kEntriesReadUnknown;
};

bool parse_group_options(Context& context, bool is_create, GroupOptions& options) {
  for (size_t i = 5; i < context.argc(); ++i) {
    if (is_create && context.is_word(i, "MKSTREAM")) {
      options.makes_stream = true;
    } else if (i + 1 < context.argc() && context.is_word(i, "ENTRIESREAD")) {
      if (!context.parse_integer(++i, options.entries_read)) return false;
      if (options.entries_read >= kEntriesReadUnknown) continue;
      context.reply().error("ERR value for ENTRIESREAD must be positive or -1");
      return false;
    } else {
      context.reply().error("ERR unknown subcommand or wrong number of arguments for '", context.arg(1),
                            "'. Try XGROUP HELP.");
      return false;
    }
  }
  return true;
}

// Acknowledges some thousand a slice.
class Acknowledge final : public SlicedWork {
 public:
  explicit Acknowledge(IdArguments ids) : ids_(std::move(ids)) {}
  bool step(Context& context) override {
    if (!ids_.are_parsed()) return !ids_.parse_some(context, kIdsParsedInSlice);
    return run(context, stream_of(latched_entry(context)), kAcknowledgedInSlice);
  }

  bool run(Context& context, StreamValue& stream, size_t budget) {
    const Key key = context.key(1);
    StreamGroup& group = *stream.find_group(context.arg(2));
    Heap& heap = context.data(key).heap;
    const size_t end = done_ + std::min(ids_.size() - done_, budget);
    for (; done_ < end; ++done_) {
      if (!group.remove_pending(heap, ids_[done_])) continue;
      log_.add(ids_[done_]);
      ++removed_;
    }
    if (done_ < ids_.size()) return log_.end_slice(context, {"XACK", key.name, group.name()}), false;
    if (removed_ > 0) {
      log_.finish(context, {"XACK", key.name, group.name()}, true);
      context.changed(key, removed_);
    }
    context.reply().integer(static_cast<int64_t>(removed_));
    return true;
  }

 private:
  IdArguments ids_;
  size_t done_ = 0;
  uint64_t removed_ = 0;
  IdLog log_;
};

}  // namespace

void xgroup_create(Context& context) {
  GroupOptions options;
  if (!parse_group_options(context, true, options)) return;
  const Key key = context.key(2);
  StreamValue* stream;
  if (options.makes_stream ? !find_stream_for_write(context, key, stream)
                           : !find_for_group(context, key, stream))
    return;
  StreamId id;
  if (context.arg(4) == "$") {
    if (stream) id = stream->last_id();
  } else if (!parse_id(context, 4, id)) {
    return;
  }
  if (stream && stream->find_group(context.arg(3)))
    return context.reply().error("BUSYGROUP Consumer Group name already exists");
  const bool is_new = !stream;
  if (is_new && !(stream = create_stream(context, key))) return;
  Result<StreamGroup*> group =
      stream->create_group(context.data(key).heap, context.arg(3), id, options.entries_read);
  if (group || is_new) context.changed(key);
  if (!context.check(group)) {
    if (is_new) context.effect({"XGROUP", "CREATE", key.name, context.arg(3), "0", "MKSTREAM"});
    return;
  }
  context.reply().ok();
}

void xgroup_setid(Context& context) {
  GroupOptions options;
  if (!parse_group_options(context, false, options)) return;
  const Key key = context.key(2);
  StreamValue* stream;
  StreamGroup* group;
  if (!find_group(context, key, stream, group)) return;
  StreamId id = stream->last_id();
  if (context.arg(4) != "$") {
    std::optional<StreamId> parsed = parse_stream_id_or_end(context.arg(4), 0);
    if (!parsed) return reply_invalid_id(context);
    id = *parsed;
  }
  group->last_id = id;
  group->entries_read = options.entries_read;
  context.changed(key);
  context.reply().ok();
}

void xgroup_destroy(Context& context) {
  const Key key = context.key(2);
  StreamValue* stream;
  if (!find_for_group(context, key, stream)) return;
  StreamGroup* group = stream->find_group(context.arg(3));
  if (!group) return context.reply().integer(0);
  Result<Value> detached = stream->detach_group(context.data(key).heap, group);
  if (!context.check(detached)) return;
  context.database(key).discard(*detached);
  context.shard(key).ask_for_cleaning();
  context.changed(key);
  context.reply().integer(1);
}

void xgroup_createconsumer(Context& context) {
  const Key key = context.key(2);
  StreamValue* stream;
  StreamGroup* group;
  if (!find_group(context, key, stream, group)) return;
  if (group->find_consumer(context.arg(4))) return context.reply().integer(0);
  const StreamConsumer* consumer =
      group->create_consumer(context.data(key).heap, context.arg(4), context.now_ms());
  if (!check_memory(context, consumer != nullptr)) return;
  context.changed(key);
  context.reply().integer(1);
}

void xgroup_delconsumer(Context& context) {
  const Key key = context.key(2);
  StreamValue* stream;
  StreamGroup* group;
  if (!find_group(context, key, stream, group)) return;
  StreamConsumer* consumer = group->find_consumer(context.arg(4));
  if (!consumer) return context.reply().integer(0);
  const auto remove = [pending = consumer->pending.size()](Context& slice, size_t budget) {
    const Key slice_key = slice.key(2);
    StreamGroup& of_consumer = *stream_of(slice.database(slice_key).find(slice_key)).find_group(slice.arg(3));
    StreamConsumer* removed = of_consumer.find_consumer(slice.arg(4));
    if (!of_consumer.remove_consumer_some(slice.data(slice_key).heap, removed, budget)) return false;
    slice.changed(slice_key);
    slice.reply().integer(static_cast<int64_t>(pending));
    return true;
  };
  if (!wants_slices(context, consumer->pending.size())) {
    remove(context, SIZE_MAX);
    return;
  }
  const auto step = [remove](Context& slice) { return remove(slice, kPendingInSlice); };
  context.slice(std::make_unique<SlicedStep<decltype(step)>>(step), {{.arg = 2, .is_exclusive = true}});
}

void xgroup_help(Context& context) {
  reply_help(context, "XGROUP",
             {"CREATE <key> <groupname> <id|$> [option]", "    Create a new consumer group. Options are:",
              "    * MKSTREAM", "      Create the empty stream if it does not exist.",
              "    * ENTRIESREAD entries_read", "      Set the group's entries_read counter (internal use).",
              "CREATECONSUMER <key> <groupname> <consumer>",
              "    Create a new consumer in the specified group.", "DELCONSUMER <key> <groupname> <consumer>",
              "    Remove the specified consumer.", "DESTROY <key> <groupname>",
              "    Remove the specified group.", "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
              "    Set the current group ID and entries_read counter."});
}

void xack(Context& context) {
  StreamValue* stream;
  if (!find_stream_for_write(context, context.key(1), stream)) return;
  if (!stream || !stream->find_group(context.arg(2))) return context.reply().integer(0);
  IdArguments ids(3, context.argc());
  if (context.argc() > kAcknowledgedInSlice && context.may_slice())
    return context.slice(std::make_unique<Acknowledge>(std::move(ids)), {{.arg = 1, .is_exclusive = true}});
  if (ids.parse_some(context, UINT64_MAX)) Acknowledge(std::move(ids)).run(context, *stream, SIZE_MAX);
}

}  // namespace strata
