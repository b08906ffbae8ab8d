// All commands of the process, found by name.
//
// Built once at start from the groups of this layer and those of the server; read by every thread afterwards.

#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "commands/command.h"
#include "commands/groups.h"

namespace strata {

// How the dispatcher finds the keys, decided once.
enum class KeyShape : uint8_t {
  kNone,
  kOne,      // one key, at first_key
  kRange,    // from first_key to last_key (negative: from the end), every key_step
  kGeneral,  // as the specifications say (keys.h)
};

struct RegisteredCommand {
  const Command* command;
  const CommandGroup* group;
  const RegisteredCommand* container;  // of a subcommand
  uint32_t index;                      // dense; metrics are arrays over it
  int arity;
  uint32_t flags;  // with kMovableKeys where the specifications cannot say everything
  uint32_t acl;    // with what the flags imply
  KeyShape shape;
  int8_t member = 0;  // which argument names a member of the collection at the key; -1: the last one; 0: none
  int16_t first_key = 0;
  int16_t last_key = 0;
  int16_t key_step = 0;
  std::string full_name;  // "get", "client|list"
  std::vector<const RegisteredCommand*> subcommands;

  // A container is called without more words, if at all: with more, its subcommand is unknown.
  bool has_handler(size_t argc) const { return command->run && (subcommands.empty() || argc < 2); }
  bool arity_allows(size_t argc) const {
    return arity >= 0 ? argc == static_cast<size_t>(arity) : argc >= static_cast<size_t>(-arity);
  }
};

class Registry {
 public:
  explicit Registry(std::span<const CommandGroup* const> groups);

  // In any case; null when there is none. Does not look at subcommands.
  const RegisteredCommand* find(Bytes name) const;
  // The command or subcommand that these words call; null when unknown. For a container that is called with
  // an unknown subcommand, the container itself, which has no handler.
  const RegisteredCommand* resolve(std::span<const Bytes> args) const;

  // Top-level commands in the order of the groups, and everything with subcommands by index.
  std::span<const RegisteredCommand* const> commands() const { return top_level_; }
  const RegisteredCommand& at(uint32_t index) const { return all_[index]; }
  uint32_t count() const { return static_cast<uint32_t>(all_.size()); }

 private:
  static constexpr size_t kSlots = 2048;

  RegisteredCommand& add(const CommandGroup& group, const Command& command,
                         const RegisteredCommand* container);
  static size_t slot_of(Bytes name);

  std::deque<RegisteredCommand> all_;
  std::vector<const RegisteredCommand*> top_level_;
  std::vector<const RegisteredCommand*> slots_;
};

// Groups whose handlers need nothing above this layer.
std::span<const CommandGroup* const> data_command_groups();

}  // namespace strata
