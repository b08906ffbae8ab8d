#include "commands/keys.h"

#include "text/ascii.h"
#include "text/numbers.h"

namespace strata {
namespace {

// Where the search begins, or 0 when the keyword is not there.
size_t begin_of(const KeySpec& spec, std::span<const Bytes> args) {
  if (!spec.keyword) return static_cast<size_t>(spec.index);
  bool backwards = spec.start_from < 0;
  if (backwards) {
    size_t from_end = static_cast<size_t>(-spec.start_from);
    for (size_t i = args.size() > from_end ? args.size() - from_end : 0; i > 0; --i) {
      if (iequals(args[i], spec.keyword)) return i + 1;
    }
  } else {
    // The last argument is no keyword: no key can follow.
    for (size_t i = static_cast<size_t>(spec.start_from); i + 1 < args.size(); ++i) {
      if (iequals(args[i], spec.keyword)) return i + 1;
    }
  }
  return 0;
}

}  // namespace

bool find_keys(const RegisteredCommand& command, std::span<const Bytes> args,
               std::vector<KeyPosition>& positions) {
  if (command.command->find_keys) return command.command->find_keys(args, positions);
  for (const KeySpec& spec : command.command->keys) {
    size_t begin = begin_of(spec, args);
    if (begin == 0) continue;
    if (begin >= args.size()) return false;
    size_t first = begin;
    size_t last;
    if (spec.count_index >= 0) {
      size_t count_at = begin + static_cast<size_t>(spec.count_index);
      if (count_at >= args.size()) return false;
      auto count = parse_i64(args[count_at]);
      first = begin + static_cast<size_t>(spec.first_key);
      if (!count || *count < 1 || first >= args.size()) return false;
      if (static_cast<uint64_t>(*count) >
          (args.size() - first + static_cast<size_t>(spec.step) - 1) / static_cast<size_t>(spec.step))
        return false;
      last = first + (static_cast<size_t>(*count) - 1) * static_cast<size_t>(spec.step);
    } else if (spec.last >= 0) {
      last = begin + static_cast<size_t>(spec.last);
    } else {
      size_t room = args.size() - first;
      if (spec.limit > 1) room /= static_cast<size_t>(spec.limit);
      if (room + 1 < static_cast<size_t>(-spec.last)) return false;
      last = first + room + 0 - static_cast<size_t>(-spec.last);
    }
    if (last >= args.size()) return false;
    for (size_t i = first; i <= last; i += static_cast<size_t>(spec.step)) {
      positions.push_back({static_cast<uint32_t>(i), spec.flags});
    }
  }
  if (command.command->find_more_keys) command.command->find_more_keys(args, positions);
  return true;
}

bool has_key_patterns(const RegisteredCommand& command, std::span<const Bytes> args) {
  return command.command->has_patterns && command.command->has_patterns(args);
}

}  // namespace strata
