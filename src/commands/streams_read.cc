// XREAD and XREADGROUP: what is new in several streams, at once or when something comes.

#include <algorithm>
#include <limits>
#include <memory>

#include "commands/collections.h"
#include "commands/stream_reading.h"

namespace strata {
namespace {

bool parse_timeout_ms(Context& context, size_t i, int64_t& timeout_ms) {
  Reply& reply = context.reply();
  if (!context.parse_integer(i, timeout_ms, "ERR timeout is not an integer or out of range")) return false;
  if (timeout_ms < 0) return reply.error("ERR timeout is negative"), false;
  if (timeout_ms <= std::numeric_limits<int64_t>::max() - context.now_ms()) return true;
  return reply.error("ERR timeout is out of range"), false;
}

bool parse_count_of_entries(Context& context, size_t i, uint64_t& count) {
  int64_t value;
  if (!context.parse_integer(i, value)) return false;
  count = value > 0 ? static_cast<uint64_t>(value) : UINT64_MAX;
  return true;
}

// MAXCOUNT and MAXSIZE, which bound all streams together.
bool parse_bound(Context& context, size_t i, Bytes error, uint64_t& bound) {
  int64_t value;
  if (!context.parse_integer_in(i, 1, INT64_MAX, value, error)) return false;
  bound = static_cast<uint64_t>(value);
  return true;
}

// STREAMS key [key …] id [id …], up to the end.
bool parse_streams(Context& context, size_t first, ReadOptions& options) {
  const size_t count = context.argc() - first;
  options.first_key = first;
  options.key_count = count / 2;
  if (count % 2 == 0) return true;
  context.reply().error(
      "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.");
  return false;
}

// One option, i behind it then. False: an error was replied.
bool parse_option(Context& context, size_t& i, ReadOptions& options) {
  const size_t more = context.argc() - i - 1;
  if (more > 0 && context.is_word(i, "BLOCK")) {
    options.has_block = true;
    return parse_timeout_ms(context, ++i, options.timeout_ms);
  }
  if (more > 0 && context.is_word(i, "COUNT")) return parse_count_of_entries(context, ++i, options.count);
  if (more > 0 && context.is_word(i, "MAXCOUNT"))
    return parse_bound(context, ++i, "ERR MAXCOUNT must be a positive integer", options.total_count);
  if (more > 0 && context.is_word(i, "MAXSIZE"))
    return parse_bound(context, ++i, "ERR MAXSIZE must be a positive integer", options.size_max);
  if (more > 1 && context.is_word(i, "GROUP")) {
    if (!options.is_group) {
      context.reply().error(
          "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.");
      return false;
    }
    options.group_at = i + 1;
    i += 2;
    return true;
  }
  if (context.is_word(i, "NOACK")) {
    if (options.is_group) return options.no_ack = true;
    context.reply().error("ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.");
    return false;
  }
  if (options.is_group && more > 0 && context.is_word(i, "CLAIM")) {
    if (!context.parse_integer(++i, options.claim_idle_ms, "ERR min-idle-time is not an integer"))
      return false;
    if (options.claim_idle_ms >= 0) return true;
    context.reply().error("ERR min-idle-time must be a positive integer");
    return false;
  }
  context.syntax_error();
  return false;
}

bool parse_options(Context& context, ReadOptions& options) {
  for (size_t i = 1; i < context.argc(); ++i) {
    if (i + 1 < context.argc() && context.is_word(i, "STREAMS")) {
      if (!parse_streams(context, i + 1, options)) return false;
      break;
    }
    if (!parse_option(context, i, options)) return false;
  }
  if (options.first_key == 0) return context.syntax_error(), false;
  if (options.count != UINT64_MAX && options.total_count < options.count) {
    context.reply().error("ERR MAXCOUNT must be greater than or equal to COUNT");
    return false;
  }
  if (!options.is_group || options.group_at != 0) return true;
  context.reply().error("ERR Missing GROUP option for XREADGROUP");
  return false;
}

StreamId top_id(const StreamValue& stream) {
  const StreamCursor top(stream, kStreamIdMin, kStreamIdMax, StreamCursor::Order::kDown);
  return top.done() ? kStreamIdMin : top.id();
}

// What the client has seen of the stream: an ID, or a word for one.
bool parse_seen(Context& context, size_t i, const StreamValue* stream, const ReadOptions& options,
                ReadSource& source) {
  const Bytes text = context.arg(i);
  const bool is_end = text == "$";
  if (is_end || text == "+") {
    if (options.is_group) {
      context.reply().error(
          "ERR The ", text,
          " ID is meaningless in the context of XREADGROUP: you want to read the history of "
          "this consumer by specifying a proper ID, or use the > ID to get new messages. The ",
          text, " ID would just return an empty result set.");
      return false;
    }
    if (stream && is_end) source.after = stream->last_id();
    if (stream && !is_end) source.after = previous_id(top_id(*stream)).value_or(kStreamIdMin);
    return true;
  }
  if (text == ">") {
    if (options.is_group) return true;
    context.reply().error(
        "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> "
        "option.");
    return false;
  }
  source.is_history = options.is_group;
  return parse_id(context, i, source.after);
}

// A stream that is named and there.
struct FoundStream {
  StreamValue* stream;
  StreamGroup* group;
  ReadSource source;
};

// All sources, and those whose stream is there. False: an error was replied.
bool find_sources(Context& context, const ReadOptions& options, std::vector<ReadSource>& sources,
                  std::vector<FoundStream>& found) {
  for (size_t i = options.first_key; i < options.first_key + options.key_count; ++i) {
    const Key key = context.key(i);
    StreamValue* stream;
    StreamGroup* group = nullptr;
    if (options.is_group ? !find_stream_for_write(context, key, stream) : !find_stream(context, key, stream))
      return false;
    if (options.is_group) {
      group = stream ? stream->find_group(context.arg(options.group_at)) : nullptr;
      if (!group) {
        reply_no_group(context, key.name, context.arg(options.group_at), " in XREADGROUP with GROUP option");
        return false;
      }
    }
    ReadSource source{.arg = i, .after = {}};
    if (!parse_seen(context, i + options.key_count, stream, options, source)) return false;
    sources.push_back(source);
    if (stream) found.push_back({stream, group, source});
  }
  return true;
}

class BlockedRead final : public BlockedCommand {
 public:
  BlockedRead(Context& context, const ReadOptions& options, std::vector<ReadSource> sources)
      : options_(options), sources_(std::move(sources)) {
    if (options.is_group) group_ = context.arg(options.group_at);
    for (const ReadSource& source : sources_) names_.emplace_back(context.arg(source.arg));
  }

  bool can_serve(const Key& key, const Entry* entry) const override {
    if (!entry || entry->type() != Type::kStream) return options_.is_group;
    const StreamValue& stream = stream_of(entry);
    if (!options_.is_group) return has_entry_after(stream, source_of(key).after);
    const StreamGroup* group = stream.find_group(group_);
    return !group || has_entry_after(stream, group->last_id);
  }

  int64_t wake_at_ms(const Key&, const Entry* entry) const override {
    const bool is_stream = entry && entry->type() == Type::kStream;
    const StreamGroup* group = is_stream ? stream_of(entry).find_group(group_) : nullptr;
    return group ? claimable_at_ms(*group, options_) : kNeverMs;
  }

  void serve(Context& context, const Key& key) override {
    const Entry* entry = context.find_for_write(key);
    if (!entry || entry->type() != Type::kStream)
      return context.reply().error("UNBLOCKED the stream key no longer exists");
    if (options_.is_group) {
      StreamGroup* group = stream_of(entry).find_group(group_);
      if (!group) {
        return context.reply().error(
            "NOGROUP the consumer group this client was blocked on no longer exists");
      }
      if (!find_or_create_consumer(context, key, *group, context.arg(options_.group_at + 1))) return;
    }
    ReadWork(options_, {source_of(key)}).run(context, UINT64_MAX);
  }

 private:
  // The first that names the key.
  const ReadSource& source_of(const Key& key) const {
    const auto at = std::find(names_.begin(), names_.end(), key.name);
    return sources_[static_cast<size_t>(at - names_.begin())];
  }

  const ReadOptions options_;
  const std::vector<ReadSource> sources_;
  std::string group_;
  std::vector<std::string> names_;
};

void wait(Context& context, const ReadOptions& options, const std::vector<FoundStream>& found,
          std::vector<ReadSource> sources) {
  int64_t wake_at_ms = kNeverMs;
  for (const FoundStream& one : found) {
    if (one.group) wake_at_ms = std::min(wake_at_ms, claimable_at_ms(*one.group, options));
  }
  context.block({.command = std::make_unique<BlockedRead>(context, options, std::move(sources)),
                 .timeout_ms = options.timeout_ms,
                 .first_key = options.first_key,
                 .last_key = options.first_key + options.key_count - 1,
                 .wish = {Type::kStream, options.is_group},
                 .wake_at_ms = wake_at_ms});
}

std::vector<LatchWish> latches_for(Context& context, const ReadOptions& options,
                                   const std::vector<ReadSource>& sources) {
  std::vector<LatchWish> wishes;
  std::vector<Bytes> names;
  for (const ReadSource& source : sources) {
    const Bytes name = context.arg(source.arg);
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    names.push_back(name);
    wishes.push_back({.arg = source.arg, .is_exclusive = options.is_group});
  }
  return wishes;
}

void read_command(Context& context, bool is_group) {
  ReadOptions options{.is_group = is_group};
  if (!parse_options(context, options)) return;
  std::vector<ReadSource> sources;
  std::vector<FoundStream> found;
  if (!find_sources(context, options, sources, found)) return;
  std::vector<ReadSource> served;
  uint64_t entries = 0;
  for (const FoundStream& one : found) {
    if (!has_something(*one.stream, one.group, options, one.source, context.now_ms())) continue;
    entries += entries_at_most(*one.stream, one.group, options, one.source);
    served.push_back(one.source);
  }
  if (is_group) {
    for (const FoundStream& one : found) {
      const Key key = context.key(one.source.arg);
      if (!find_or_create_consumer(context, key, *one.group, context.arg(options.group_at + 1))) return;
    }
  }
  if (served.empty() && options.has_block && context.may_block())
    return wait(context, options, found, std::move(sources));
  if (served.empty()) return context.reply().null_array();
  if (entries > kSliceElements && context.may_slice()) {
    std::vector<LatchWish> wishes = latches_for(context, options, served);
    return context.slice(std::make_unique<ReadWork>(options, std::move(served)), std::move(wishes));
  }
  ReadWork(options, std::move(served)).run(context, UINT64_MAX);
}

}  // namespace

void xread(Context& context) { read_command(context, false); }
void xreadgroup(Context& context) { read_command(context, true); }

}  // namespace strata
