#include "server/commands_md.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace strata {
namespace {

TEST(CommandsMd, DocumentIsCurrent) {
  std::filesystem::path path = std::filesystem::path(__FILE__).parent_path() / "../../docs/commands.md";
  std::ifstream in(path);
  std::string document((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  EXPECT_TRUE(document == commands_markdown()) << "strata-server --print-commands-md > docs/commands.md";
}

}  // namespace
}  // namespace strata
