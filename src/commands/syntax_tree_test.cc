#include "commands/syntax_tree.h"

#include <gtest/gtest.h>

namespace strata {
namespace {

// name:type, with token in front, ? for optional, * for multiple, and the inside in brackets.
std::string show(const std::vector<SyntaxArgument>& arguments) {
  std::string text;
  for (const SyntaxArgument& a : arguments) {
    text += text.empty() ? "" : " ";
    text += (a.token.empty() ? "" : a.token + "=") + a.name + ":" + argument_type_name(a.type);
    text += (a.is_optional ? "?" : "") + std::string(a.is_multiple ? "*" : "");
    if (!a.arguments.empty()) text += "(" + show(a.arguments) + ")";
  }
  return text;
}
std::string parse(std::string_view text) { return show(parse_syntax(text, 1)); }

TEST(SyntaxTree, PlainArguments) {
  EXPECT_EQ(parse(""), "");
  EXPECT_EQ(parse("key value"), "key:key value:string");
  EXPECT_EQ(parse("key [count]"), "key:key count:integer?");
}

TEST(SyntaxTree, RepetitionMakesMultiple) {
  EXPECT_EQ(parse("key element [element ...]"), "key:key element:string*");
  EXPECT_EQ(parse("key value [key value ...]"), "key_value:block*(key:key value:string)");
  EXPECT_EQ(parse("numkeys key [key ...] <LEFT | RIGHT> [COUNT count]"),
            "numkeys:integer key:key* left_right:oneof(LEFT=left:pure-token RIGHT=right:pure-token) "
            "COUNT=count:integer?");
}

TEST(SyntaxTree, AlternativesAndTokens) {
  EXPECT_EQ(parse("key [NX | XX] [GET] [EX seconds | PXAT unix-time-milliseconds | KEEPTTL]"),
            "key:key nx_xx:oneof?(NX=nx:pure-token XX=xx:pure-token) GET=get:pure-token? "
            "seconds_unix-time-milliseconds_keepttl:oneof?(EX=seconds:integer "
            "PXAT=unix-time-milliseconds:unix-time KEEPTTL=keepttl:pure-token)");
  EXPECT_EQ(parse("[protover [AUTH username password] [SETNAME clientname]]"),
            "protover_username_password_clientname:block?(protover:integer "
            "AUTH=username_password:block?(username:string password:string) SETNAME=clientname:string?)");
}

TEST(SyntaxTree, KeysBelongToSpecifications) {
  auto arguments = parse_syntax("source destination", 2);
  EXPECT_EQ(arguments[0].key_spec_index, 0);
  EXPECT_EQ(arguments[1].key_spec_index, 1);
  EXPECT_EQ(parse_syntax("key", 0)[0].key_spec_index, -1);
}

TEST(SyntaxTree, MalformedTextEnds) {
  for (const char* text : {"[", "]", "<a", "a |", "[a [b", "...", "[...]", "> x"}) parse_syntax(text, 1);
  parse_syntax(std::string(1000, '['), 1);
}

}  // namespace
}  // namespace strata
