#include "server/command_reply.h"
#include "text/ascii.h"

namespace strata {
namespace {

struct FlagName {
  uint32_t flag;
  const char* name;
};

constexpr FlagName kCommandFlags[] = {
    {kWrite, "write"},
    {kReadOnly, "readonly"},
    {kDenyOom, "denyoom"},
    {kAdmin, "admin"},
    {kPubSub, "pubsub"},
    {kNoScript, "noscript"},
    {kBlocking, "blocking"},
    {kLoading, "loading"},
    {kStale, "stale"},
    {kSkipMonitor, "skip_monitor"},
    {kSkipSlowlog, "skip_slowlog"},
    {kAsking, "asking"},
    {kFast, "fast"},
    {kNoAuth, "no_auth"},
    {kMayReplicate, "may_replicate"},
    {kNoMandatoryKeys, "no_mandatory_keys"},
    {kProtected, "protected"},
    {kNoAsyncLoading, "no_async_loading"},
    {kNoMulti, "no_multi"},
    {kMovableKeys, "movablekeys"},
    {kAllowBusy, "allow_busy"},
};

constexpr FlagName kCategories[] = {
    {kAclKeyspace, "@keyspace"},
    {kAclRead, "@read"},
    {kAclWrite, "@write"},
    {kAclSet, "@set"},
    {kAclSortedSet, "@sortedset"},
    {kAclList, "@list"},
    {kAclHash, "@hash"},
    {kAclString, "@string"},
    {kAclBitmap, "@bitmap"},
    {kAclHyperLogLog, "@hyperloglog"},
    {kAclGeo, "@geo"},
    {kAclStream, "@stream"},
    {kAclPubSub, "@pubsub"},
    {kAclAdmin, "@admin"},
    {kAclFast, "@fast"},
    {kAclSlow, "@slow"},
    {kAclBlocking, "@blocking"},
    {kAclDangerous, "@dangerous"},
    {kAclConnection, "@connection"},
    {kAclTransaction, "@transaction"},
    {kAclScripting, "@scripting"},
};

constexpr FlagName kKeyFlags[] = {
    {kKeyRO, "RO"},
    {kKeyRW, "RW"},
    {kKeyOW, "OW"},
    {kKeyRM, "RM"},
    {kKeyAccess, "access"},
    {kKeyUpdate, "update"},
    {kKeyInsert, "insert"},
    {kKeyDelete, "delete"},
    {kKeyNotKey, "not_key"},
    {kKeyIncomplete, "incomplete"},
    {kKeyVariableFlags, "variable_flags"},
};

template <size_t N>
void reply_names(Reply& reply, const FlagName (&names)[N], uint32_t flags) {
  size_t count = 0;
  for (const FlagName& name : names) count += (flags & name.flag) != 0;
  reply.set(count);
  for (const FlagName& name : names) {
    if (flags & name.flag) reply.simple(name.name);
  }
}

void reply_pair(Reply& reply, const char* name, int64_t value) {
  reply.bulk(name);
  reply.integer(value);
}

void reply_unknown(Reply& reply) {
  reply.bulk("unknown");
  reply.bulk("spec");
  reply.map(0);
}

void reply_begin_search(Reply& reply, const KeySpec& spec) {
  reply.bulk("begin_search");
  reply.map(2);
  reply.bulk("type");
  if (spec.is_unknown) return reply_unknown(reply);
  reply.bulk(spec.keyword ? "keyword" : "index");
  reply.bulk("spec");
  if (!spec.keyword) {
    reply.map(1);
    return reply_pair(reply, "index", spec.index);
  }
  reply.map(2);
  reply.bulk("keyword");
  reply.bulk(spec.keyword);
  reply_pair(reply, "startfrom", spec.start_from);
}

void reply_find_keys(Reply& reply, const KeySpec& spec) {
  bool is_counted = spec.count_index >= 0;
  reply.bulk("find_keys");
  reply.map(2);
  reply.bulk("type");
  if (spec.is_unknown) return reply_unknown(reply);
  reply.bulk(is_counted ? "keynum" : "range");
  reply.bulk("spec");
  reply.map(3);
  if (is_counted) {
    reply_pair(reply, "keynumidx", spec.count_index);
    reply_pair(reply, "firstkey", spec.first_key);
    return reply_pair(reply, "keystep", spec.step);
  }
  reply_pair(reply, "lastkey", spec.last);
  reply_pair(reply, "keystep", spec.step);
  reply_pair(reply, "limit", spec.limit);
}

}  // namespace

std::vector<Bytes> split_list(const char* list) {
  std::vector<Bytes> items;
  Bytes rest = list ? Bytes(list) : Bytes();
  while (!rest.empty()) {
    size_t end = std::min(rest.find('|'), rest.size());
    items.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return items;
}

uint32_t acl_category(Bytes name) {
  for (const FlagName& category : kCategories) {
    if (iequals(Bytes(category.name).substr(1), name)) return category.flag;
  }
  return 0;
}

void reply_key_flags(Reply& reply, uint16_t flags) { reply_names(reply, kKeyFlags, flags); }

void reply_command_info(Reply& reply, const RegisteredCommand& command) {
  reply.array(10);
  reply.bulk(command.full_name);
  reply.integer(command.arity);
  reply_names(reply, kCommandFlags, command.flags);
  reply.integer(command.first_key);
  reply.integer(command.last_key);
  reply.integer(command.key_step);
  reply_names(reply, kCategories, command.acl);
  std::vector<Bytes> tips = split_list(command.command->tips);
  reply.set(tips.size());
  for (Bytes tip : tips) reply.bulk(tip);
  reply.set(command.command->keys.size());
  for (const KeySpec& spec : command.command->keys) {
    reply.map(spec.notes ? 4 : 3);
    if (spec.notes) {
      reply.bulk("notes");
      reply.bulk(spec.notes);
    }
    reply.bulk("flags");
    reply_key_flags(reply, spec.flags);
    reply_begin_search(reply, spec);
    reply_find_keys(reply, spec);
  }
  if (command.subcommands.empty()) return reply.set(0);
  reply.array(command.subcommands.size());
  for (const RegisteredCommand* subcommand : command.subcommands) reply_command_info(reply, *subcommand);
}

}  // namespace strata
