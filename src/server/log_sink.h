// The log as the keyspace sees it, and the sink that gathers a transaction's effects into one record.

#pragma once

#include "keyspace/effects.h"
#include "persistence/oplog.h"

namespace strata {

class LogSink final : public EffectSink {
 public:
  explicit LogSink(OpLog& log) : log_(log) {}
  uint64_t append(uint16_t db, Bytes commands, size_t count) override {
    if (count == 1) return log_.append(db, commands);
    RecordBuilder builder;
    builder.add_resp(db, commands, count);
    return log_.append_record(builder);
  }
  uint64_t append_command(uint16_t db, std::span<const Bytes> args) override {
    return log_.append_command(db, args);
  }

 private:
  OpLog& log_;
};

// Used by one thread while it holds all shards of the transaction. Nothing is in the log before finish().
class TransactionSink final : public EffectSink {
 public:
  uint64_t append(uint16_t db, Bytes commands, size_t count) override {
    builder_.add_resp(db, commands, count);
    return 0;
  }
  uint64_t append_command(uint16_t db, std::span<const Bytes> args) override {
    builder_.add(db, args);
    return 0;
  }
  // 0 when there was no effect.
  uint64_t finish(OpLog& log) { return builder_.command_count() == 0 ? 0 : log.append_record(builder_); }

 private:
  RecordBuilder builder_;
};

}  // namespace strata
