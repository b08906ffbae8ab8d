#include "server/commands.h"

#include <vector>

#include "commands/registry.h"
#include "server/durability_commands.h"
#include "server/migrate.h"
#include "server/transactions.h"

namespace strata {

std::span<const CommandGroup* const> all_command_groups() {
  static const std::vector<const CommandGroup*> groups = [] {
    std::span<const CommandGroup* const> data = data_command_groups();
    std::vector<const CommandGroup*> all(data.begin(), data.end());
    all.insert(all.end(),
               {&kTransactionGroup, &kDurabilityGroup, &kMigrateGroup, &kConnectionGroup, &kServerGroup});
    return all;
  }();
  return groups;
}

}  // namespace strata
