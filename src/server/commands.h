// Every group of commands of this server, and its version.

#pragma once

#include <span>

#include "commands/command.h"

namespace strata {

inline constexpr const char* kStrataVersion = "0.1.0";
// What clients may rely on: INFO's redis_version and HELLO's version.
inline constexpr const char* kRedisVersion = "7.2.0";

std::span<const CommandGroup* const> all_command_groups();

extern const CommandGroup kConnectionGroup;
extern const CommandGroup kServerGroup;

}  // namespace strata
