// A database without sockets for tests of commands: runs a line of words and gives back the reply's bytes.
//
//   TestDatabase database({&kStringGroup}, 8);
//   EXPECT_EQ(database.run("SET key value"), "+OK\r\n");
//   EXPECT_EQ(database.logged(), "SET key value\n");   // since the last call
//
// One thread, so handlers run without entering shards. The clock stands still until now_ms is set.

#pragma once

#include <algorithm>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "commands/command.h"
#include "commands/context.h"
#include "keyspace/keyspace.h"
#include "protocol/output.h"
#include "protocol/reply.h"
#include "text/ascii.h"

namespace strata {

// Remembers what would be logged, as words with blanks between them, one command a line.
class RecordingSink : public EffectSink {
 public:
  uint64_t append(uint16_t db, Bytes commands, size_t) override {
    // RESP to words: every second line of an array of bulks is a word.
    while (!commands.empty()) {
      size_t words = number_after('*', commands);
      begin_line(db);
      for (size_t i = 0; i < words; ++i) {
        size_t size = number_after('$', commands);
        text_.append(i ? " " : "").append(commands.substr(0, size));
        commands.remove_prefix(size + 2);
      }
      text_ += '\n';
    }
    return ++sequence_;
  }
  uint64_t append_command(uint16_t db, std::span<const Bytes> args) override {
    begin_line(db);
    for (size_t i = 0; i < args.size(); ++i) text_.append(i ? " " : "").append(args[i]);
    text_ += '\n';
    return ++sequence_;
  }
  std::string take() { return std::exchange(text_, {}); }

 private:
  void begin_line(uint16_t db) {
    if (db != 0) text_ += "[" + std::to_string(db) + "] ";
  }
  static size_t number_after(char type, Bytes& bytes) {
    STRATA_ASSERT(bytes[0] == type);
    size_t end = bytes.find("\r\n");
    size_t number = std::stoul(std::string(bytes.substr(1, end - 1)));
    bytes.remove_prefix(end + 2);
    return number;
  }

  std::string text_;
  uint64_t sequence_ = 0;
};

class TestDatabase {
 public:
  explicit TestDatabase(std::initializer_list<const CommandGroup*> groups, uint32_t shard_count = 1)
      : TestDatabase(std::span(groups.begin(), groups.size()), shard_count) {}
  explicit TestDatabase(std::span<const CommandGroup* const> groups, uint32_t shard_count = 1)
      : groups_(groups.begin(), groups.end()),
        keyspace({.shard_count = shard_count}),
        context_({keyspace, options, counters, &sink}) {
    context_.set_client(reply_, nullptr);
  }

  // Words are separated by blanks and may be in double quotes (nothing is escaped).
  std::string run(const std::string& line) { return run_words(split(line)); }

  std::string run_words(const std::vector<std::string>& words) {
    std::vector<Bytes> args(words.begin(), words.end());
    size_t name_words = 1;
    const Command* command = find(args, name_words);
    if (!command) return "-unknown command\r\n";
    int arity = command->arity(static_cast<int>(name_words));
    auto argc = static_cast<int>(args.size());
    if (arity >= 0 ? argc != arity : argc < -arity) return "-wrong number of arguments\r\n";
    reply_.set_resp3(resp3);
    context_.begin(*command, args, db, now_ms, {});
    command->run(context_);
    changes = context_.changes();
    context_.propagate(sink, {});
    return take_output();
  }

  // What was logged since the last call, a command a line; "[3] " before those of database 3.
  std::string logged() { return sink.take(); }

  // The entry as it stands, expired or not.
  Entry* entry(Bytes name) {
    Key key = keyspace.key(name);
    return keyspace.shard(key.shard).database(db).find(key);
  }

 private:
  static std::vector<std::string> split(const std::string& line) {
    std::vector<std::string> words;
    for (size_t i = 0; i < line.size();) {
      if (line[i] == ' ') {
        ++i;
      } else if (line[i] == '"') {
        size_t end = line.find('"', i + 1);
        words.push_back(line.substr(i + 1, end - i - 1));
        i = end + 1;
      } else {
        size_t end = std::min(line.find(' ', i), line.size());
        words.push_back(line.substr(i, end - i));
        i = end;
      }
    }
    return words;
  }

  const Command* find(std::span<const Bytes> args, size_t& name_words) const {
    for (const CommandGroup* group : groups_) {
      for (const Command& command : group->commands) {
        if (!iequals(args[0], command.name)) continue;
        for (const Command& subcommand : command.subcommands) {
          if (args.size() < 2 || !iequals(args[1], subcommand.name)) continue;
          name_words = 2;
          return &subcommand;
        }
        return command.run ? &command : nullptr;
      }
    }
    return nullptr;
  }

  std::string take_output() {
    std::string text;
    while (!output_.empty()) {
      Bytes slices[16];
      size_t count = output_.gather(slices);
      size_t bytes = 0;
      for (size_t i = 0; i < count; ++i) {
        text.append(slices[i]);
        bytes += slices[i].size();
      }
      output_.consume(bytes);
    }
    return text;
  }

  std::vector<const CommandGroup*> groups_;

 public:
  Keyspace keyspace;
  DataOptions options;
  KeyspaceCounters counters;
  RecordingSink sink;
  uint16_t db = 0;
  bool resp3 = false;
  int64_t now_ms = 1'700'000'000'000;
  uint64_t changes = 0;  // of the last command

 private:
  Output output_;
  Reply reply_{output_};
  Context context_;
};

}  // namespace strata
