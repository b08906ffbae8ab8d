// SORT: what is logged, what running out of memory leaves behind, and keys in several shards. Replies are
// compared with redis-server's in tests/commands/sort.test.

#include <gtest/gtest.h>

#include "commands/groups.h"
#include "commands/keys.h"
#include "commands/registry.h"
#include "commands/test_fixture.h"

namespace strata {
namespace {

class SortTest : public ::testing::Test {
 protected:
  TestDatabase database_{{&kGenericGroup, &kListGroup, &kStringGroup, &kHashGroup}, 8};
};

TEST_F(SortTest, StoredResultIsLoggedAsTheCommand) {
  database_.run("RPUSH l 3 1 2");
  database_.logged();
  EXPECT_EQ(database_.run("SORT l"), "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n");
  EXPECT_EQ(database_.logged(), "");
  EXPECT_EQ(database_.run("SORT l DESC STORE d"), ":3\r\n");
  EXPECT_EQ(database_.changes, 3u);
  EXPECT_EQ(database_.logged(), "SORT l DESC STORE d\n");
  EXPECT_EQ(database_.run("SORT missing STORE d"), ":0\r\n");
  EXPECT_EQ(database_.logged(), "SORT missing STORE d\n");
  EXPECT_EQ(database_.run("SORT missing STORE d"), ":0\r\n");
  EXPECT_EQ(database_.logged(), "");
}

// A weight whose time has come is deleted, and that is logged before the command that did not see it.
TEST_F(SortTest, ExpiredWeightIsDeletedFirst) {
  database_.run("RPUSH l 1 2");
  database_.run("SET w_1 9 PX 10");
  database_.run("SET w_2 5");
  database_.now_ms += 10;
  database_.logged();
  EXPECT_EQ(database_.run("SORT l BY w_* GET w_* STORE d"), ":2\r\n");
  EXPECT_EQ(database_.logged(), "DEL w_1\nSORT l BY w_* GET w_* STORE d\n");
  EXPECT_EQ(database_.run("LRANGE d 0 -1"), "*2\r\n$0\r\n\r\n$1\r\n5\r\n");
}

TEST_F(SortTest, NoMemoryLeavesTheTargetAlone) {
  std::vector<std::string> push = {"RPUSH", "l"};
  for (int i = 0; i < 3000; ++i) push.push_back("element number " + std::to_string(i));
  database_.run_words(push);
  database_.run("SET d old");
  database_.logged();
  Key target = database_.keyspace.key("d");
  Heap& heap = database_.keyspace.shard(target.shard).heap();
  int failures = 0;
  std::string reply;
  for (size_t spare = 0; spare < (size_t{64} << 20); spare += 64 << 10) {
    heap.set_limit(heap.stats().resident + spare);
    reply = database_.run("SORT l ALPHA STORE d");
    if (reply[0] == ':') break;
    EXPECT_EQ(reply.substr(0, 5), "-OOM ");
    EXPECT_EQ(database_.logged(), "");
    EXPECT_EQ(database_.run("GET d"), "$3\r\nold\r\n");
    ++failures;
  }
  heap.set_limit(0);
  EXPECT_GT(failures, 0);
  EXPECT_EQ(reply, ":3000\r\n");
  EXPECT_EQ(database_.run("LLEN d"), ":3000\r\n");
}

TEST(SortKeysTest, FoundAsTheHandlerReadsThem) {
  const CommandGroup* groups[] = {&kGenericGroup};
  Registry registry(groups);
  auto keys = [&](std::vector<Bytes> args) {
    std::vector<KeyPosition> positions;
    EXPECT_TRUE(find_keys(*registry.find("sort"), args, positions));
    std::string found = has_key_patterns(*registry.find("sort"), args) ? "any" : "";
    for (const KeyPosition& position : positions) found += " " + std::string(args[position.index]);
    return found;
  };
  EXPECT_EQ(keys({"SORT", "a"}), " a");
  EXPECT_EQ(keys({"SORT", "a", "STORE", "b", "STORE", "c"}), " a c");
  EXPECT_EQ(keys({"SORT", "a", "BY", "STORE", "STORE", "c"}), " a c");
  EXPECT_EQ(keys({"SORT", "a", "GET", "#", "store", "by"}), " a by");
  EXPECT_EQ(keys({"SORT", "a", "BY", "w_*"}), "any a");
  EXPECT_EQ(keys({"SORT", "a", "BY", "nosort", "GET", "x*->f", "STORE", "a"}), "any a a");
  EXPECT_EQ(keys({"SORT", "a", "STORE"}), " a");
  EXPECT_EQ(keys({"SORT", "a", "bad", "STORE", "c"}), " a");
}

}  // namespace
}  // namespace strata
