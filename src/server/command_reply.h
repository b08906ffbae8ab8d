// How COMMAND shows a row of the table: as COMMAND INFO and COMMAND DOCS.

#pragma once

#include <cstdint>
#include <vector>

#include "commands/registry.h"
#include "protocol/reply.h"

namespace strata {

void reply_command_info(Reply& reply, const RegisteredCommand& command);
// Name and documentation: one pair of a map.
void reply_command_docs(Reply& reply, const RegisteredCommand& command);
// The names of KeyFlag, as in COMMAND INFO.
void reply_key_flags(Reply& reply, uint16_t flags);

// "@string" without the @: the category's bit, or 0.
uint32_t acl_category(Bytes name);
// "a|b" of the table's rows.
std::vector<Bytes> split_list(const char* list);

}  // namespace strata
