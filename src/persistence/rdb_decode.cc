#include "persistence/rdb_decode.h"

#include <utility>

#include "base/assert.h"
#include "keyspace/shard.h"
#include "persistence/rdb_builders.h"
#include "persistence/rdb_input.h"
#include "persistence/rdb_legacy.h"
#include "persistence/rdb_plain.h"
#include "persistence/rdb_producers.h"
#include "text/numbers.h"

namespace strata {
namespace {

// An error without an offset gets that of where the decoder stands.
Result<Value> located(Result<Value> value, uint64_t offset) {
  if (!value && value.error().offset == 0) return fail(value.error().code, value.error().what, offset);
  return value;
}

Result<Value> decode_plain(RdbPlainDecoder& decoder) {
  TRY_ASSIGN(const bool is_complete, decoder.step(SIZE_MAX));
  STRATA_ASSERT(is_complete);
  return decoder.finish();
}

class Decoder {
 public:
  Decoder(const RdbRecord& record, const DataContext& context, const RdbLimits& limits)
      : context_(context), limits_(limits), type_(record.type), input_(record.payload, record.offset) {}

  Result<Value> run() {
    Result<Value> value = decode();
    return located(std::move(value), input_.offset());
  }

 private:
  Result<Value> decode() {
    switch (type_) {
      case RdbType::kListZiplist:
        return ziplist_list();
      case RdbType::kHashZipmap:
      case RdbType::kHashZiplist:
        return legacy_hash();
      case RdbType::kZsetZiplist:
        return ziplist_zset();
      case RdbType::kHashListpackEx:
        return timed_hash();
      case RdbType::kSetIntset:
      case RdbType::kSetListpack:
      case RdbType::kHashListpack:
      case RdbType::kZsetListpack:
        return adopted();
      default:
        return fail(Errc::kUnsupported, "this type of value");
    }
  }

  std::unexpected<Error> input_error() const { return std::unexpected(input_.error()); }

  Result<Value> ziplist_list() {
    Bytes ziplist;
    if (!input_.string(&ziplist, scratch_)) return input_error();
    RdbListBuilder builder(context_, limits_);
    TRY(builder.begin());
    auto add = [&](const Element& element) { return builder.add(element); };
    TRY(inside(visit_ziplist(ziplist, add)));
    return builder.finish();
  }

  Result<Value> legacy_hash() {
    Bytes bytes;
    if (!input_.string(&bytes, scratch_)) return input_error();
    RdbHashBuilder builder(context_, limits_);
    TRY(builder.begin(0));
    RdbPairing pairing([&](const Element& field, const Element& value) { return builder.add(field, value); });
    TRY(inside(type_ == RdbType::kHashZipmap ? visit_zipmap(bytes, pairing) : visit_ziplist(bytes, pairing)));
    if (!pairing.complete()) return rdb_corrupt("a field without a value");
    return builder.finish();
  }

  // One packed node: field, value, deadline (0: none), field…
  Result<Value> timed_hash() {
    Bytes first;
    Bytes packed;
    if (!input_.bytes(8, &first) || !input_.string(&packed, scratch_)) return input_error();
    if (!packed::validate(packed) || packed::count(packed) % 3 != 0)
      return rdb_corrupt("malformed packed hash with deadlines");
    RdbHashBuilder builder(context_, limits_);
    TRY(builder.begin(packed::count(packed) / 3));
    for (packed::Cursor cursor(packed); !cursor.done(); cursor.next()) {
      const Element field = cursor.element();
      cursor.next();
      TRY(builder.add(field, cursor.element()));
      cursor.next();
      const Element deadline = cursor.element();
      if (!deadline.is_integer || deadline.integer < 0) return rdb_corrupt("a field's deadline");
      if (deadline.integer > 0) TRY(builder.add_deadline(field, static_cast<uint64_t>(deadline.integer)));
    }
    return builder.finish();
  }

  Result<Value> ziplist_zset() {
    Bytes bytes;
    if (!input_.string(&bytes, scratch_)) return input_error();
    RdbZsetBuilder builder(context_, limits_, 0);
    RdbPairing pairing([&](const Element& member, const Element& score) -> Status {
      if (score.is_integer) return builder.add(member, static_cast<double>(score.integer));
      const auto number = parse_double(score.bytes);
      if (!number) return rdb_corrupt("a score that is not a number");
      return builder.add(member, *number);
    });
    TRY(inside(visit_ziplist(bytes, pairing)));
    if (!pairing.complete()) return rdb_corrupt("a member without a score");
    return builder.finish();
  }

  Result<Value> adopted() {
    Blob* blob = input_.blob(context_.heap);
    if (blob == nullptr) return input_error();
    Result<Value> value = adopt(blob);
    if (!value) Blob::destroy(context_.heap, blob);
    return value;
  }
  Result<Value> adopt(Blob* blob) {
    switch (type_) {
      case RdbType::kSetIntset:
        return set_adopt_intset(context_, limits_.set, blob);
      case RdbType::kSetListpack:
        return set_adopt_packed(context_, limits_.set, blob);
      case RdbType::kHashListpack:
        return hash_adopt(context_, limits_.hash, blob);
      default:
        return zset_adopt(context_, limits_.zset, blob);
    }
  }

  // An offset inside packed bytes means nothing in the file, where they may be compressed.
  static Status inside(Status status) {
    if (!status) return fail(status.error().code, status.error().what);
    return status;
  }

  const DataContext& context_;
  const RdbLimits& limits_;
  const RdbType type_;
  RdbInput input_;
  std::string scratch_;
};

Result<RdbLoaded> load_value(const RdbRecord& record, const Key& key, Shard& shard, const RdbLimits& limits) {
  const DataContext context = shard.data();
  TRY_ASSIGN(const Value value, rdb_decode(record, context, limits));
  Database& database = shard.database(record.db);
  if (rdb_is_empty(value)) {
    database.discard(value);
    return RdbLoaded::kEmpty;
  }
  const auto placed = database.put(key, value, record.deadline_ms);
  if (placed) return RdbLoaded::kLoaded;
  database.discard(value);
  return std::unexpected(placed.error());
}

Status load_string(const RdbRecord& record, const Key& key, Database& database, std::string& scratch) {
  RdbInput input(record.payload, record.offset);
  Element element;
  if (!input.element(&element, scratch)) return std::unexpected(input.error());
  if (!element.is_integer && element.bytes.size() > Blob::kMaxBytes)
    return fail(Errc::kTooLarge, "string", record.offset);
  const auto placed = element.is_integer ? database.set_integer(key, element.integer, record.deadline_ms)
                                         : database.set_string(key, element.bytes, record.deadline_ms);
  if (!placed) return std::unexpected(placed.error());
  return {};
}

}  // namespace

Result<Value> rdb_decode(const RdbRecord& record, const DataContext& context, const RdbLimits& limits) {
  if (!RdbPlainDecoder::handles(record.type)) return Decoder(record, context, limits).run();
  RdbPlainDecoder plain(record, context, limits);
  Result<Value> value = decode_plain(plain);
  if (value && value->type == Type::kStream && !record.producers.empty()) {
    StreamValue& stream = StreamValue::of(*value);
    const Status read = rdb_read_producers(context.heap, record.producers, stream.producers());
    if (!read) {
      StreamValue::destroy(context.heap, &stream);
      value = std::unexpected(read.error());
    }
  }
  return located(std::move(value), plain.offset());
}

Result<Bytes> rdb_decode_string(const RdbRecord& record, std::string& scratch) {
  RdbInput input(record.payload, record.offset);
  Bytes text;
  if (!input.string(&text, scratch)) return std::unexpected(input.error());
  return text;
}

bool rdb_is_empty(const Value& value) {
  switch (value.type) {
    case Type::kList:
      return list::length(value) == 0;
    case Type::kSet:
      return set_size(value) == 0;
    case Type::kZset:
      return zset_size(value) == 0;
    case Type::kStream:
      return false;
    default:
      return hash_size(value) == 0;
  }
}

Result<RdbLoaded> rdb_load_record(const RdbRecord& record, const Key& key, Shard& shard,
                                  const RdbLimits& limits, int64_t now_ms, std::string& scratch) {
  Database& database = shard.database(record.db);
  // A key that is new makes one more. This saves looking for it beforehand.
  const size_t count_before = database.count();
  if (record.type == RdbType::kString) {
    TRY(load_string(record, key, database, scratch));
  } else {
    TRY_ASSIGN(const RdbLoaded loaded, load_value(record, key, shard, limits));
    if (loaded == RdbLoaded::kEmpty) return loaded;
  }
  if (database.count() == count_before) return fail(Errc::kExists, "RDB has duplicated key", record.offset);
  if (record.idle_seconds > 0) {
    database.find(key)->access_clock = access_clock(now_ms - int64_t{record.idle_seconds} * 1000);
  }
  return RdbLoaded::kLoaded;
}

}  // namespace strata
