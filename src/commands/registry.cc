#include "commands/registry.h"

#include <cstring>

#include "base/assert.h"
#include "text/ascii.h"

namespace strata {
namespace {

uint32_t implied_acl(uint32_t flags) {
  uint32_t acl = 0;
  if (flags & kWrite) acl |= kAclWrite;
  if ((flags & kReadOnly) && !(flags & kAdmin)) acl |= kAclRead;
  if (flags & kAdmin) acl |= kAclAdmin | kAclDangerous;
  if (flags & kPubSub) acl |= kAclPubSub;
  if (flags & kFast) acl |= kAclFast;
  if (flags & kBlocking) acl |= kAclBlocking;
  if (!(acl & kAclFast)) acl |= kAclSlow;
  return acl;
}

// From the syntax: the first "member" or "field" before anything optional, or, as in ZADD, the last argument.
int8_t member_of(Bytes syntax) {
  if (!syntax.starts_with("key ")) return 0;
  int8_t index = 1;
  for (Bytes rest = syntax; !rest.empty() && rest[0] != '['; ++index) {
    const Bytes word = rest.substr(0, rest.find(' '));
    if (word == "member" || word == "field") return index;
    rest.remove_prefix(std::min(word.size() + 1, rest.size()));
  }
  return syntax.ends_with(" member ...]") ? -1 : 0;
}

void derive_keys(RegisteredCommand& registered) {
  std::span<const KeySpec> specs = registered.command->keys;
  registered.shape = KeyShape::kNone;
  if (specs.empty()) return;
  const KeySpec& spec = specs[0];
  bool is_range = !spec.keyword && spec.count_index < 0;
  if (is_range && specs.size() == 1 && spec.limit == 0) {
    registered.first_key = spec.index;
    registered.last_key = static_cast<int16_t>(spec.last >= 0 ? spec.index + spec.last : spec.last);
    registered.key_step = spec.step;
    registered.shape = spec.last == 0 ? KeyShape::kOne : KeyShape::kRange;
    if (registered.command->find_keys) registered.shape = KeyShape::kGeneral;
    return;
  }
  registered.shape = KeyShape::kGeneral;
  // What COMMAND INFO can still say with three numbers: consecutive ranges that together are one.
  bool is_joined = true;
  bool all_plain = true;
  int first = 0;
  int end = 0;
  for (const KeySpec& other : specs) {
    if (other.is_unknown || other.keyword || other.count_index >= 0) {
      all_plain = false;
      continue;
    }
    is_joined = is_joined && other.step == 1 && (first == 0 || other.index == end + 1);
    if (first == 0) first = other.index;
    end = other.last >= 0 ? other.index + other.last : other.last;
  }
  if (is_joined && first != 0) {
    registered.first_key = static_cast<int16_t>(first);
    registered.last_key = static_cast<int16_t>(end);
    registered.key_step = 1;
    if (all_plain && !registered.command->find_keys) registered.shape = KeyShape::kRange;
  }
  for (const KeySpec& other : specs) {
    bool plain = !other.keyword && other.count_index < 0 && !other.is_unknown;
    if (!plain || (other.flags & kKeyIncomplete)) registered.flags |= kMovableKeys;
  }
}

}  // namespace

Registry::Registry(std::span<const CommandGroup* const> groups) : slots_(kSlots) {
  for (const CommandGroup* group : groups) {
    for (const Command& command : group->commands) {
      RegisteredCommand& registered = add(*group, command, nullptr);
      top_level_.push_back(&registered);
      for (const Command& subcommand : command.subcommands) {
        registered.subcommands.push_back(&add(*group, subcommand, &registered));
      }
      size_t slot = slot_of(command.name);
      while (slots_[slot]) slot = (slot + 1) % kSlots;
      slots_[slot] = &registered;
    }
  }
  STRATA_ASSERT(all_.size() < kSlots / 2);
}

RegisteredCommand& Registry::add(const CommandGroup& group, const Command& command,
                                 const RegisteredCommand* container) {
  RegisteredCommand registered{};
  registered.command = &command;
  registered.group = &group;
  registered.container = container;
  registered.index = count();
  registered.flags = command.flags;
  registered.arity = command.arity(container ? 2 : 1);
  if (!container && !command.subcommands.empty()) registered.arity = command.run ? registered.arity : -2;
  registered.acl = command.acl | implied_acl(command.flags);
  registered.full_name = container ? container->full_name + "|" + command.name : command.name;
  derive_keys(registered);
  if (registered.shape == KeyShape::kOne) registered.member = member_of(command.syntax.text);
  all_.push_back(std::move(registered));
  return all_.back();
}

// The first eight letters and the length tell nearly all names apart. Setting bit 5 folds the case; what else
// it makes equal is told apart by the comparison.
size_t Registry::slot_of(Bytes name) {
  uint64_t word = 0;
  std::memcpy(&word, name.data(), name.size() < sizeof word ? name.size() : sizeof word);
  word |= 0x2020202020202020;
  return static_cast<size_t>((word + name.size()) * 0x9e3779b97f4a7c15 >> 53);
}
static_assert(sizeof(size_t) == 8);

const RegisteredCommand* Registry::find(Bytes name) const {
  for (size_t slot = slot_of(name); slots_[slot]; slot = (slot + 1) % kSlots) {
    if (iequals(slots_[slot]->full_name, name)) return slots_[slot];
  }
  return nullptr;
}

const RegisteredCommand* Registry::resolve(std::span<const Bytes> args) const {
  const RegisteredCommand* found = find(args[0]);
  if (!found || found->subcommands.empty() || args.size() < 2) return found;
  for (const RegisteredCommand* subcommand : found->subcommands) {
    if (iequals(subcommand->command->name, args[1])) return subcommand;
  }
  return found;
}

std::span<const CommandGroup* const> data_command_groups() {
  static constexpr const CommandGroup* kGroups[] = {
      &kStringGroup, &kGenericGroup,   &kKeyspaceGroup, &kListGroup,        &kHashGroup,
      &kSetGroup,    &kSortedSetGroup, &kBitmapGroup,   &kHyperLogLogGroup, &kGeoGroup, &kStreamGroup,
  };
  return kGroups;
}

}  // namespace strata
