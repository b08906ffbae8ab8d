// XADD and XTRIM.
//
// An approximate trim stops where a node ends, which depends on limits of nodes and on what was deleted
// before; the log gets the exact length that is left.

#include <cstring>
#include <memory>
#include <optional>

#include "base/assert.h"
#include "base/hash.h"
#include "commands/collections.h"
#include "commands/streams.h"
#include "text/numbers.h"

namespace strata {
namespace {

// Redis's bound for a trim that is approximate and has no LIMIT: so many nodes' worth of entries.
constexpr uint64_t kNodesTrimmed = 100;
constexpr uint64_t kEntriesTrimmedMax = 1'000'000;

// What XADD and XTRIM are asked for. Arguments are remembered by their place: those of sliced work are
// copies.
struct Options {
  StreamTrim trim;
  bool has_trim = false;
  bool has_limit = false;
  bool has_references = false;
  bool no_create = false;
  PartialStreamId id;
  bool is_auto = false;      // "*"
  size_t id_at = 0;          // XADD: fields follow
  size_t producer_at = 0;    // IDMP and IDMPAUTO; 0: neither
  bool has_own_iid = false;  // IDMP: the idempotent ID stands behind the producer
};

// The log is being replayed: the bounds of clients do not hold.
bool is_replay(Context& context) { return !context.session() && !context.environment().sink; }

bool parse_trim(Context& context, size_t& i, Options& options) {
  StreamTrim& trim = options.trim;
  if (options.has_trim) {
    context.reply().error("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
    return false;
  }
  options.has_trim = true;
  trim.is_by_id = context.is_word(i, "MINID");
  ++i;
  const bool has_more = i + 1 < context.argc();
  if (has_more && context.arg(i) == "~") {
    trim.is_approximate = true;
    ++i;
  } else if (has_more && context.arg(i) == "=") {
    ++i;
  }
  if (trim.is_by_id) return parse_id(context, i, trim.id_min);
  int64_t length_max;
  if (!context.parse_integer(i, length_max)) return false;
  trim.length_max = static_cast<uint64_t>(length_max);
  if (length_max >= 0) return true;
  context.reply().error("ERR The MAXLEN argument must be >= 0.");
  return false;
}

bool parse_limit(Context& context, size_t i, Options& options) {
  int64_t limit;
  if (!context.parse_integer(i, limit)) return false;
  options.has_limit = true;
  options.trim.limit = static_cast<uint64_t>(limit);
  if (limit >= 0) return true;
  context.reply().error("ERR The LIMIT argument must be >= 0.");
  return false;
}

bool parse_producer(Context& context, size_t& i, Options& options) {
  const size_t words = context.is_word(i, "IDMP") ? 2 : 1;
  if (options.producer_at != 0) {
    context.reply().error("ERR syntax error, IDMP and IDMPAUTO can be given only once");
    return false;
  }
  options.producer_at = i + 1;
  options.has_own_iid = words == 2;
  for (size_t at = i + 1; at <= i + words; ++at) {
    if (!context.arg(at).empty()) continue;
    context.reply().error("ERR IDMP requires a non-empty producer ID and idempotent ID");
    return false;
  }
  i += words;
  return true;
}

bool parse_references(Context& context, size_t i, Options& options) {
  if (options.has_references) return false;
  if (context.is_word(i, "KEEPREF")) {
    options.trim.references = StreamReferences::kKeep;
  } else if (context.is_word(i, "DELREF")) {
    options.trim.references = StreamReferences::kDrop;
  } else if (context.is_word(i, "ACKED")) {
    options.trim.references = StreamReferences::kAcked;
  } else {
    return false;
  }
  return options.has_references = true;
}

// The first argument that is no option. False: an error was replied.
bool parse_add_id(Context& context, size_t i, Options& options) {
  options.id_at = i;
  if (context.arg(i) == "*") return options.is_auto = true;
  std::optional<PartialStreamId> id = parse_partial_stream_id(context.arg(i));
  if (!id) return reply_invalid_id(context), false;
  options.id = *id;
  if (options.producer_at == 0) return true;
  context.reply().error("ERR IDMP and IDMPAUTO can be used only with auto-generated IDs");
  return false;
}

// What limits a trim, once all options are known.
bool settle_limit(Context& context, bool is_add, Options& options) {
  StreamTrim& trim = options.trim;
  if (options.has_limit && !options.has_trim) {
    context.reply().error("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
    return false;
  }
  if (!is_add && !options.has_trim) {
    context.reply().error("ERR syntax error, XTRIM must be called with a trimming strategy");
    return false;
  }
  if (is_replay(context)) {
    trim.limit = 0;
  } else if (options.has_limit && !trim.is_approximate) {
    context.reply().error("ERR syntax error, LIMIT cannot be used without the special ~ option");
    return false;
  } else if (!options.has_limit && trim.is_approximate) {
    const uint64_t entries = context.options().stream.node_max_entries;
    trim.limit = std::min(entries == 0 ? 10'000 : kNodesTrimmed * entries, kEntriesTrimmedMax);
  }
  return true;
}

bool parse_options(Context& context, bool is_add, Options& options) {
  for (size_t i = 2; i < context.argc(); ++i) {
    const size_t more = context.argc() - i - 1;
    if (is_add && context.arg(i) == "*") {
      if (!parse_add_id(context, i, options)) return false;
      break;
    }
    if (more > 0 && (context.is_word(i, "MAXLEN") || context.is_word(i, "MINID"))) {
      if (!parse_trim(context, i, options)) return false;
    } else if (more > 0 && context.is_word(i, "LIMIT")) {
      if (!parse_limit(context, ++i, options)) return false;
    } else if (is_add && context.is_word(i, "NOMKSTREAM")) {
      options.no_create = true;
    } else if (is_add &&
               ((more > 1 && context.is_word(i, "IDMP")) || (more > 0 && context.is_word(i, "IDMPAUTO")))) {
      if (!parse_producer(context, i, options)) return false;
    } else if (parse_references(context, i, options)) {
      continue;
    } else if (is_add) {
      if (!parse_add_id(context, i, options)) return false;
      break;
    } else {
      return context.syntax_error(), false;
    }
  }
  return settle_limit(context, is_add, options);
}

// ---- Trimming --------------------------------------------------------------------------------------

// Whether trimming may take longer than a slice. The stream may be about to get one entry more.
bool trims_much(const StreamValue& stream, const StreamTrim& trim) {
  if (trim.limit != 0 && trim.limit <= kSliceElements) return false;
  if (trim.references == StreamReferences::kAcked) return stream.length() > kSliceElements;
  if (!trim.is_by_id)
    return stream.length() > trim.length_max && stream.length() - trim.length_max > kSliceElements;
  std::optional<StreamId> last = previous_id(trim.id_min);
  return last && holds_more(stream, kStreamIdMin, *last, kSliceElements);
}

// True when all is done; `error` says if not as wished.
bool trim_some(Context& context, const Key& key, StreamValue& stream, StreamTrim& trim, uint64_t budget,
               Status& error) {
  error = stream.trim_some(context.data(key).heap, trim, budget);
  return trim.done || !error;
}

struct CountText {
  explicit CountText(uint64_t value) : size(print_u64(value, digits)) {}
  Bytes view() const { return {digits, size}; }
  char digits[kI64TextBytes];
  size_t size;
};

// What a trim did besides shortening the stream at its front.
void log_references(Context& context, const Key& key, const StreamValue& stream, const StreamTrim& trim,
                    const std::vector<StreamId>& removed) {
  if (removed.empty()) return;
  if (trim.references == StreamReferences::kAcked) {
    const Bytes words[] = {"XDEL", key.name};
    return log_with_ids(context, words, removed);
  }
  for (const StreamGroup* group : stream.groups()) {
    const Bytes words[] = {"XACK", key.name, group->name()};
    log_with_ids(context, words, removed);
  }
}

// As XTRIM of its own.
void log_trim(Context& context, const Key& key, const StreamValue& stream, const StreamTrim& trim,
              const std::vector<StreamId>& removed) {
  if (trim.removed > 0 && trim.references != StreamReferences::kAcked)
    context.effect({"XTRIM", key.name, "MAXLEN", "=", CountText(stream.length()).view()});
  log_references(context, key, stream, trim, removed);
}

class Trim final : public SlicedWork {
 public:
  explicit Trim(const StreamTrim& trim) : trim_(trim) { trim_.removed_ids = &removed_ids_; }
  bool step(Context& context) override {
    return run(context, stream_of(latched_entry(context)), kSliceElements);
  }

  bool run(Context& context, StreamValue& stream, uint64_t budget) {
    const Key key = context.key(1);
    Status status;
    if (!trim_some(context, key, stream, trim_, budget, status))
      return end_slice(context, key, stream), false;
    if (trim_.removed > 0) {
      const bool is_canonical =
          status && !trim_.is_approximate && trim_.references == StreamReferences::kKeep;
      if (!is_canonical) log_trim(context, key, stream, trim_, removed_ids_);
      context.changed(key, trim_.removed);
    }
    if (context.check(status)) context.reply().integer(static_cast<int64_t>(trim_.removed));
    return true;
  }

 private:
  // IDs that are logged one by one are logged with each slice.
  void end_slice(Context& context, const Key& key, const StreamValue& stream) {
    if (removed_ids_.empty()) return;
    log_trim(context, key, stream, trim_, removed_ids_);
    removed_ids_.clear();
    context.log_slice();
  }

  StreamTrim trim_;
  std::vector<StreamId> removed_ids_;
};

// ---- Adding ----------------------------------------------------------------------------------------

// Nothing: an error was replied.
std::optional<StreamId> choose_id(Context& context, const Options& options, const StreamValue& stream) {
  if (stream.last_id() == kStreamIdMax) {
    context.reply().error("ERR The stream has exhausted the last possible ID, unable to add more items");
    return std::nullopt;
  }
  std::optional<StreamId> id = options.id.id;
  if (options.is_auto) {
    id = stream.next_id(static_cast<uint64_t>(context.now_ms()));
  } else if (!options.id.has_sequence) {
    id = stream.next_id_in(options.id.id.ms);
  }
  if (id && *id > stream.last_id()) return id;
  context.reply().error("ERR The ID specified in XADD is equal or smaller than the target stream top item");
  return std::nullopt;
}

// Appends, and puts a new stream under its key. False: an error was replied, and nothing has changed.
bool append(Context& context, const Key& key, const Options& options, StreamValue*& stream, StreamId& id) {
  Heap& heap = context.data(key).heap;
  const bool is_new = !stream;
  if (is_new && !check_memory(context, (stream = new_stream(context, key)) != nullptr)) return false;
  std::optional<StreamId> chosen = choose_id(context, options, *stream);
  Status appended;
  if (chosen) {
    id = *chosen;
    appended = stream->append(heap, context.options().stream, id, context.args().subspan(options.id_at + 1));
    if (!appended && appended.error().code == Errc::kTooLarge) {
      context.reply().error("ERR Elements are too large to be stored");
    } else {
      context.check(appended);
    }
  }
  const bool is_done = chosen && appended;
  if (!is_new) return is_done;
  if (is_done) return store(context, key, nullptr, stream->value());
  StreamValue::destroy(heap, stream);
  return false;
}

// What IDMPAUTO takes for the idempotent ID: 16 bytes that depend on fields and values alone, today and after
// a restart.
struct ContentId {
  explicit ContentId(std::span<const Bytes> pairs) {
    std::string content;
    for (Bytes part : pairs) {
      const uint64_t size = part.size();
      content.append(reinterpret_cast<const char*>(&size), sizeof size).append(part);
    }
    const uint64_t first = value_digest(content);
    const uint64_t second = value_digest(content.append("again"));
    std::memcpy(bytes, &first, sizeof first);
    std::memcpy(bytes + sizeof first, &second, sizeof second);
  }
  Bytes view() const { return {bytes, sizeof bytes}; }
  char bytes[16];
};

class Add final : public SlicedWork {
 public:
  explicit Add(const Options& options) : options_(options) { options_.trim.removed_ids = &removed_ids_; }
  bool step(Context& context) override {
    return run(context, &stream_of(latched_entry(context)), kSliceElements);
  }

  bool run(Context& context, StreamValue* stream, uint64_t budget) {
    const Key key = context.key(1);
    if (!is_added_ && !add(context, key, stream)) return true;
    STRATA_DASSERT(stream != nullptr);
    is_added_ = true;
    Status status;
    if (options_.has_trim && !trim_some(context, key, *stream, options_.trim, budget, status))
      return end_slice(context, key, *stream), false;
    log(context, key, *stream, status.has_value());
    context.changed(key);
    // The entry is there, trimmed or not.
    context.reply().bulk(id_text_->view());
    return true;
  }

 private:
  // False: all is said.
  bool add(Context& context, const Key& key, StreamValue*& stream) {
    const auto pairs = context.args().subspan(options_.id_at + 1);
    if (options_.producer_at != 0) {
      iid_ = options_.has_own_iid ? std::string(context.arg(options_.producer_at + 1))
                                  : std::string(ContentId(pairs).view());
      if (stream && is_duplicate(context, *stream)) return false;
    }
    StreamId id;
    if (!append(context, key, options_, stream, id)) return false;
    id_text_.emplace(id);
    if (options_.producer_at == 0) return true;
    // Without memory for the record a repetition adds the entry again, as it does when the record is too old.
    is_recorded_ = stream->producers().record(context.data(key).heap, context.arg(options_.producer_at), iid_,
                                              id, context.now_ms());
    return true;
  }

  bool is_duplicate(Context& context, StreamValue& stream) {
    StreamProducers& producers = stream.producers();
    std::optional<StreamId> known = producers.find(context.arg(options_.producer_at), iid_, context.now_ms());
    if (!known) return false;
    producers.count_duplicate();
    reply_id(context.reply(), *known);
    return true;
  }

  // As Trim's.
  void end_slice(Context& context, const Key& key, const StreamValue& stream) {
    if (removed_ids_.empty()) return;
    if (!context.has_logged_slices()) log_added(context, key, {});
    log_trim(context, key, stream, options_.trim, removed_ids_);
    removed_ids_.clear();
    context.log_slice();
  }

  void log(Context& context, const Key& key, const StreamValue& stream, bool trimmed_well) {
    const StreamTrim& trim = options_.trim;
    if (context.has_logged_slices()) return log_trim(context, key, stream, trim, removed_ids_);
    const bool has_exact_trim = !options_.has_trim || (trimmed_well && !trim.is_approximate &&
                                                       trim.references == StreamReferences::kKeep);
    const bool has_id = !options_.is_auto && options_.id.has_sequence;
    if (has_id && has_exact_trim && options_.producer_at == 0) return;  // as it came
    const bool trims_apart = options_.producer_at != 0 || trim.references == StreamReferences::kAcked;
    const CountText length(stream.length());
    log_added(context, key, trim.removed > 0 && !trims_apart ? length.view() : Bytes());
    trims_apart ? log_trim(context, key, stream, trim, removed_ids_)
                : log_references(context, key, stream, trim, removed_ids_);
  }

  // `length`: what the stream is trimmed to with it; empty: it is not.
  void log_added(Context& context, const Key& key, Bytes length) const {
    const Bytes id = id_text_->view();
    const auto pairs = context.args().subspan(options_.id_at + 1);
    if (length.empty()) {
      context.effect({"XADD", key.name, id}, pairs);
    } else {
      context.effect({"XADD", key.name, "MAXLEN", "=", length, id}, pairs);
    }
    if (is_recorded_) context.effect({"XIDMPRECORD", key.name, context.arg(options_.producer_at), iid_, id});
  }

  Options options_;
  bool is_added_ = false;
  bool is_recorded_ = false;
  std::string iid_;
  std::optional<StreamIdText> id_text_;  // once it is added
  std::vector<StreamId> removed_ids_;
};

}  // namespace

void xadd(Context& context) {
  Options options;
  if (!parse_options(context, true, options)) return;
  const size_t fields = options.id_at == 0 ? 0 : context.argc() - options.id_at - 1;
  if (fields < 2 || fields % 2 == 1) return reply_wrong_arity(context);
  if (!options.is_auto && options.id.has_sequence && options.id.id == kStreamIdMin)
    return context.reply().error("ERR The ID specified in XADD must be greater than 0-0");
  StreamValue* stream;
  if (!find_stream_for_write(context, context.key(1), stream)) return;
  if (!stream && options.no_create) return context.reply().null();
  if (options.has_trim && stream && context.may_slice() && trims_much(*stream, options.trim))
    return context.slice(std::make_unique<Add>(options), {{.arg = 1, .is_exclusive = true}});
  Add(options).run(context, stream, UINT64_MAX);
}

void xtrim(Context& context) {
  Options options;
  if (!parse_options(context, false, options)) return;
  StreamValue* stream;
  if (!find_stream_for_write(context, context.key(1), stream)) return;
  if (!stream) return context.reply().integer(0);
  if (context.may_slice() && trims_much(*stream, options.trim))
    return context.slice(std::make_unique<Trim>(options.trim), {{.arg = 1, .is_exclusive = true}});
  Trim(options.trim).run(context, *stream, UINT64_MAX);
}

}  // namespace strata
