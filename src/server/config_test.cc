#include "server/config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "server/directive.h"

namespace strata {
namespace {

std::string fatal(int line, const std::string& text, const std::string& why) {
  return "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.0) ***\nReading the configuration file, at line " +
         std::to_string(line) + "\n>>> '" + text + "'\n" + why;
}

// The error of a file, or nothing.
std::string load(std::string_view text) {
  Configuration configuration;
  auto loaded = configuration.load_text(text);
  return loaded ? std::string() : loaded.error();
}

std::string command_line(std::vector<std::string> args, std::string_view name) {
  auto made = Configuration::from_command_line(args);
  return made ? (*made)->value_of(name) : made.error();
}

std::string set(Configuration& configuration, std::vector<std::string> words, bool may_protected = false) {
  std::vector<Bytes> views(words.begin(), words.end());
  auto done = configuration.set(views, nullptr, may_protected);
  return done ? "OK" : done.error();
}

struct TemporaryDirectory {
  std::filesystem::path path;
  TemporaryDirectory() {
    char name[] = "/tmp/strata_config_test_XXXXXX";
    path = mkdtemp(name);
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(path / name) << text;
    return path / name;
  }
};

TEST(Config, FileErrorsAreThoseOfRedis) {
  EXPECT_EQ(load("port 7399\nfoo bar\n"), fatal(2, "foo bar", "Bad directive or wrong number of arguments"));
  EXPECT_EQ(load("save \"3600 1 300 100\""), "");
  EXPECT_EQ(load("port"), fatal(1, "port", "wrong number of arguments"));
  EXPECT_EQ(load("port abc"), fatal(1, "port abc", "argument couldn't be parsed into an integer"));
  EXPECT_EQ(load("port 99999999"),
            fatal(1, "port 99999999", "argument must be between 0 and 65535 inclusive"));
  EXPECT_EQ(load("maxmemory 1x"), fatal(1, "maxmemory 1x", "argument must be a memory value"));
  EXPECT_EQ(load("appendfsync foo"),
            fatal(1, "appendfsync foo", "argument(s) must be one of the following: everysec, always, no"));
  EXPECT_EQ(load("appendonly maybe"), fatal(1, "appendonly maybe", "argument must be 'yes' or 'no'"));
  EXPECT_EQ(load("save 1"), fatal(1, "save 1", "Invalid save parameters"));
  EXPECT_EQ(load("bind \"a"), fatal(1, "bind \"a", "Unbalanced quotes in configuration line"));
  EXPECT_EQ(load("unixsocketperm 999"),
            fatal(1, "unixsocketperm 999", "argument couldn't be parsed as an octal number"));
  EXPECT_EQ(load("dir /nonexist"), fatal(1, "dir /nonexist", "No such file or directory"));
  EXPECT_EQ(load("appendfilename a/b"),
            fatal(1, "appendfilename a/b", "appendfilename can't be a path, just a filename"));
  EXPECT_EQ(load("client-output-buffer-limit foo 0 0 0"),
            fatal(1, "client-output-buffer-limit foo 0 0 0",
                  "Invalid client class specified in buffer limit configuration."));
}

TEST(Config, WhatDoesNotExistYetIsRefused) {
  for (const char* line :
       {"maxmemory-policy allkeys-lru", "tls-port 6380", "cluster-enabled yes", "replicaof h 1", "aclfile /x",
        "user a on", "rename-command GET X", "loadmodule /x.so", "activedefrag yes",
        "notify-keyspace-events KEA", "min-replicas-to-write 1", "shutdown-on-sigterm save now"}) {
    EXPECT_NE(load(line), "") << line;
  }
  for (const char* line :
       {"maxmemory-policy noeviction", "tls-port 0", "cluster-enabled no", "replicaof no one", "aclfile \"\"",
        "notify-keyspace-events \"\"", "list-max-ziplist-value 1"}) {
    EXPECT_EQ(load(line), "") << line;
  }
}

TEST(Config, HarmlessDirectivesAreListedWhenTheyDiffer) {
  Configuration configuration;
  ASSERT_TRUE(configuration.load_text("hz 10\nio-threads 4\nlazyfree-lazy-expire no\n"));
  auto notices = configuration.notices();
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_EQ(notices[0], "io-threads \"4\" has no effect here: Strata's threads are set with `threads`");
}

TEST(Config, SavePointsOfAFileReplaceTheBuiltInOnesAndAddUp) {
  Configuration configuration;
  ASSERT_TRUE(configuration.load_text("save 60 1\nsave 30 5 10 7\n"));
  EXPECT_EQ(configuration.value_of("save"), "60 1 30 5 10 7");
  ASSERT_TRUE(configuration.load_text("save \"\"\n"));
  EXPECT_EQ(configuration.value_of("save"), "");
}

TEST(Config, CommandLineAsRedisTakesIt) {
  EXPECT_EQ(command_line({"--save", "3600", "1", "300", "100"}, "save"), "3600 1 300 100");
  EXPECT_EQ(command_line({"--save", ""}, "save"), "");
  EXPECT_EQ(command_line({"--save", "--port", "7"}, "save"), "");
  EXPECT_EQ(command_line({"--port 7", "--timeout", "5"}, "timeout"), "5");
  EXPECT_EQ(command_line({"--bind", "127.0.0.1", "-::1", "--threads", "3"}, "bind"), "127.0.0.1 -::1");
  EXPECT_EQ(command_line({"--port", "--timeout", "1"}, "port"),
            fatal(2, "port \"--timeout\" \"1\"", "wrong number of arguments"));
  EXPECT_EQ(command_line({"--foo", "bar"}, "port"),
            fatal(2, "foo \"bar\"", "Bad directive or wrong number of arguments"));
  EXPECT_EQ(command_line({"/nonexist.conf"}, "port"),
            "Fatal error, can't open config file '/nonexist.conf': No such file or directory");
  EXPECT_NE(command_line({"--sentinel"}, "port").find("refused"), std::string::npos);
}

TEST(Config, WithoutAFileTheLogIsOn) {
  TemporaryDirectory directory;
  std::string file = directory.write("a.conf", "port 1\n");
  EXPECT_EQ(command_line({}, "appendonly"), "yes");
  EXPECT_EQ(command_line({"--port", "1"}, "appendonly"), "yes");
  EXPECT_EQ(command_line({"--appendonly", "no"}, "appendonly"), "no");
  EXPECT_EQ(command_line({file}, "appendonly"), "no");
}

TEST(Config, OptionsComeAfterTheFile) {
  TemporaryDirectory directory;
  std::string file = directory.write("a.conf", "port 1\ntimeout 7\nsave 1 1\n");
  EXPECT_EQ(command_line({file, "--port", "2"}, "port"), "2");
  EXPECT_EQ(command_line({file, "--port", "2"}, "timeout"), "7");
}

TEST(Config, Includes) {
  TemporaryDirectory directory;
  directory.write("one.conf", "timeout 1\n");
  directory.write("two.conf", "timeout 2\ntcp-keepalive 9\n");
  std::string root = directory.path;
  Configuration configuration;
  ASSERT_TRUE(configuration.load_text("include " + root + "/*.conf\n"));
  EXPECT_EQ(configuration.value_of("timeout"), "2");
  EXPECT_EQ(configuration.value_of("tcp-keepalive"), "9");
  EXPECT_EQ(load("include " + root + "/nothing*.conf\n"), "");
  EXPECT_EQ(load("include " + root + "/missing"),
            "Fatal error, can't open config file '" + root + "/missing': No such file or directory");
  std::string self = directory.write("self", "include " + root + "/self\n");
  EXPECT_EQ(load("include " + self), fatal(1, "include " + self, "Too many levels of include"));
  directory.write("bad", "port 1\nfoo\n");
  EXPECT_EQ(load("include " + root + "/bad"), fatal(2, "foo", "Bad directive or wrong number of arguments"));
}

TEST(Config, GetTakesPatternsAndAliases) {
  Configuration configuration;
  Bytes patterns[] = {"slave-read-only", "MAXMEMORY", "appendf*", "maxmemory"};
  auto values = configuration.get(patterns);
  ASSERT_EQ(values.size(), 4u);
  EXPECT_EQ(values[0], std::pair(std::string("slave-read-only"), std::string("yes")));
  EXPECT_EQ(values[1], std::pair(std::string("MAXMEMORY"), std::string("0")));
  EXPECT_EQ(values[2].first, "appendfilename");
  EXPECT_EQ(values[3].first, "appendfsync");
}

TEST(Config, SetIsAllOrNothing) {
  Configuration configuration;
  EXPECT_EQ(set(configuration, {"maxmemory", "1mb", "timeout", "3", "save", "10 1 20 2"}), "OK");
  EXPECT_EQ(configuration.value_of("maxmemory"), "1048576");
  EXPECT_EQ(configuration.value_of("save"), "10 1 20 2");
  EXPECT_EQ(set(configuration, {"maxmemory", "2mb", "save", "", "timeout", "x"}),
            "ERR CONFIG SET failed (possibly related to argument 'timeout') - "
            "argument couldn't be parsed into an integer");
  EXPECT_EQ(configuration.value_of("maxmemory"), "1048576");
  EXPECT_EQ(configuration.value_of("save"), "10 1 20 2");
}

TEST(Config, SetRefusals) {
  Configuration configuration;
  EXPECT_EQ(set(configuration, {"foo", "1"}),
            "ERR Unknown option or number of arguments for CONFIG SET - 'foo'");
  EXPECT_EQ(set(configuration, {"hz", "1", "hz", "2"}),
            "ERR CONFIG SET failed (possibly related to argument 'hz') - duplicate parameter");
  EXPECT_EQ(set(configuration, {"daemonize", "yes"}),
            "ERR CONFIG SET failed (possibly related to argument 'daemonize') - can't set immutable config");
  EXPECT_EQ(set(configuration, {"dir", "/tmp"}),
            "ERR CONFIG SET failed (possibly related to argument 'dir') - can't set protected config");
  EXPECT_EQ(set(configuration, {"dir", "/tmp"}, true), "OK");
  EXPECT_EQ(set(configuration, {"maxmemory-policy", "allkeys-lru"}),
            "ERR CONFIG SET failed (possibly related to argument 'maxmemory-policy') - "
            "maxmemory-policy 'allkeys-lru' is refused: eviction is not there yet");
}

TEST(Config, RewriteKeepsCommentsAndOrder) {
  Configuration configuration;
  std::string before = "# mine \nPort  1\n\n  timeout 5\nsave 1 1\nsave 2 2\ninclude other\n";
  ASSERT_TRUE(configuration.load_text("port 1\ntimeout 5\nsave 1 1\nsave 2 2\n"));
  ASSERT_EQ(set(configuration, {"timeout", "9", "maxmemory", "64mb", "save", "7 7", "requirepass", "a b"}),
            "OK");
  EXPECT_EQ(configuration.rewritten(before),
            "# mine \nPort  1\n\ntimeout 9\nsave 7 7\ninclude other\n# Generated by CONFIG REWRITE\n"
            "requirepass \"a b\"\nmaxmemory 64mb\n");
}

// Found by the fuzzer: an address that needs quotes was written without them, and the file was unreadable.
TEST(Config, RewriteQuotesAddresses) {
  Configuration configuration;
  ASSERT_TRUE(configuration.load_text("bind a '\\'' \"\"\n"));
  EXPECT_EQ(configuration.rewritten(""), "# Generated by CONFIG REWRITE\nbind a \"'\" \"\"\n");
}

TEST(Config, NamesAreUnique) {
  std::set<std::string> names;
  for (auto part : {honoured_directives(), elsewhere_directives()}) {
    for (const Directive& directive : part) {
      EXPECT_TRUE(names.insert(directive.name).second) << directive.name;
      if (directive.alias) {
        EXPECT_TRUE(names.insert(directive.alias).second) << directive.alias;
      }
      EXPECT_TRUE(directive.has_place() || directive.initial) << directive.name;
      EXPECT_EQ(directive.treatment == Treatment::kHonoured, directive.reason == nullptr) << directive.name;
    }
  }
}

}  // namespace
}  // namespace strata
