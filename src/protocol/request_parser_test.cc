#include "protocol/request_parser.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "text/quote.h"

namespace strata {
namespace {

using Words = std::vector<std::string>;

struct Outcome {
  std::vector<Words> commands;
  std::vector<std::string> raws;
  std::vector<bool> canonical;
  std::string error;
  size_t left = 0;  // bytes of an incomplete command

  bool operator==(const Outcome&) const = default;
};

void collect(const ParsedBatch& batch, Outcome& outcome) {
  for (const ParsedCommand& command : batch.commands()) {
    outcome.commands.emplace_back(command.args.begin(), command.args.end());
    outcome.raws.emplace_back(command.raw);
    outcome.canonical.push_back(command.canonical);
  }
  outcome.error = batch.error();
}

// Gives the parser `input` in pieces, in a buffer that moves at every step, as a connection would.
Outcome parse_pieces(const std::vector<Bytes>& pieces, const RequestLimits& limits = {}) {
  RequestParser parser;
  parser.limits() = limits;
  ParsedBatch batch;
  Outcome outcome;
  std::string buffer;
  for (const Bytes piece : pieces) {
    buffer += piece;
    for (;;) {
      const std::string moved(buffer);
      const size_t consumed = parser.parse(moved, batch);
      collect(batch, outcome);
      EXPECT_LE(consumed, moved.size());
      if (!batch.commands().empty()) {
        EXPECT_LE(batch.commands().back().end, consumed);
      }
      buffer.erase(0, consumed);
      if (!outcome.error.empty()) return outcome;
      if (consumed == 0) {
        EXPECT_GT(parser.needed_bytes(), buffer.size());
        break;
      }
    }
  }
  outcome.left = buffer.size();
  return outcome;
}

Outcome parse_whole(Bytes input, const RequestLimits& limits = {}) { return parse_pieces({input}, limits); }

std::string resp(const Words& words) {
  std::string text("*");
  text.append(std::to_string(words.size())).append("\r\n");
  for (const std::string& word : words) {
    text.append("$").append(std::to_string(word.size())).append("\r\n").append(word).append("\r\n");
  }
  return text;
}

std::string error_of(Bytes input, const RequestLimits& limits = {}) {
  const Outcome outcome = parse_whole(input, limits);
  constexpr Bytes kPrefix = "ERR Protocol error: ";
  return outcome.error.starts_with(kPrefix) ? outcome.error.substr(kPrefix.size()) : outcome.error;
}

TEST(RequestParser, Arrays) {
  const std::string input = resp({"SET", "key", std::string("a\0\r\nb", 5)}) + resp({"GET", ""});
  const Outcome outcome = parse_whole(input);
  EXPECT_EQ(outcome.commands, (std::vector<Words>{{"SET", "key", std::string("a\0\r\nb", 5)}, {"GET", ""}}));
  EXPECT_EQ(outcome.raws[0] + outcome.raws[1], input);
  EXPECT_TRUE(outcome.canonical[0] && outcome.canonical[1]);
  EXPECT_EQ(outcome.left, 0u);
}

TEST(RequestParser, ArgumentsAreViewsIntoTheInput) {
  const std::string input = resp({"GET", "key"}) + "echo hi\n";
  RequestParser parser;
  ParsedBatch batch;
  EXPECT_EQ(parser.parse(input, batch), input.size());
  ASSERT_EQ(batch.size(), 2u);
  EXPECT_EQ(batch.commands()[0].args[1].data(), input.data() + input.find("key"));
  EXPECT_EQ(batch.commands()[1].args[1].data(), input.data() + input.find("hi"));
  EXPECT_EQ(batch.commands()[0].end, input.find("echo"));
  EXPECT_EQ(batch.commands()[1].end, input.size());
}

TEST(RequestParser, InlineCommands) {
  EXPECT_EQ(parse_whole("PING\r\n").commands, (std::vector<Words>{{"PING"}}));
  EXPECT_EQ(parse_whole("  set\t a \"b c\\n\\x41\" 'd\\'e' \r\nPING\n").commands,
            (std::vector<Words>{{"set", "a", "b c\nA", "d'e"}, {"PING"}}));
  EXPECT_EQ(parse_whole("PI\rNG\r\n").commands, (std::vector<Words>{{"PI", "NG"}}));
  EXPECT_EQ(parse_whole("\"\"\r\n").commands, (std::vector<Words>{{""}}));
  EXPECT_FALSE(parse_whole("PING\r\n").canonical[0]);
}

TEST(RequestParser, EmptyRequestsAreSkipped) {
  const Outcome outcome = parse_whole("*0\r\n*-1\r\n\r\n   \r\n*-9223372036854775808\r\n" + resp({"PING"}));
  EXPECT_EQ(outcome.commands, (std::vector<Words>{{"PING"}}));
  EXPECT_EQ(outcome.raws[0], resp({"PING"}));
  EXPECT_EQ(parse_whole("*0\r\n").left, 0u);
}

// redis-server does not look at the two bytes after a bulk and the one after a CR.
TEST(RequestParser, SloppyLineEndsAreAcceptedButNotCanonical) {
  const Outcome outcome = parse_whole("*1\rX$4\rYPINGZZ" + resp({"PING"}) + "*1\r\n$4\r\nPING\n\n");
  EXPECT_EQ(outcome.commands, (std::vector<Words>{{"PING"}, {"PING"}, {"PING"}}));
  EXPECT_EQ(outcome.canonical, (std::vector<bool>{false, true, false}));
}

// Seen with redis-server 7.0.15 on a raw socket.
TEST(RequestParser, ErrorTexts) {
  EXPECT_EQ(error_of("*abc\r\n"), "invalid multibulk length");
  EXPECT_EQ(error_of("*\r\n"), "invalid multibulk length");
  EXPECT_EQ(error_of("*+1\r\n"), "invalid multibulk length");
  EXPECT_EQ(error_of("*01\r\n"), "invalid multibulk length");
  EXPECT_EQ(error_of("*00\r\n"), "invalid multibulk length");
  EXPECT_EQ(error_of("*-0\r\n"), "invalid multibulk length");
  EXPECT_EQ(error_of("*1 \r\n"), "invalid multibulk length");
  EXPECT_EQ(error_of("*2147483648\r\n"), "invalid multibulk length");
  EXPECT_EQ(error_of("*99999999999999999999\r\n"), "invalid multibulk length");
  EXPECT_EQ(error_of("*2147483647\r\n"), "");
  EXPECT_EQ(error_of("*1\r\nx\r\n"), "expected '$', got 'x'");
  EXPECT_EQ(error_of("*1\r\n\r\n"), "expected '$', got ' '");
  EXPECT_EQ(error_of("*1\r\n\n\r\n"), "expected '$', got ' '");
  EXPECT_EQ(error_of("*1\r\n\xff\r\n"), "expected '$', got '\xff'");
  EXPECT_EQ(error_of("*1\r\nx"), "");
  EXPECT_EQ(error_of("*1\r\nx\r"), "");
  EXPECT_EQ(error_of("*1\r\n$-1\r\n"), "invalid bulk length");
  EXPECT_EQ(error_of("*1\r\n$abc\r\n"), "invalid bulk length");
  EXPECT_EQ(error_of("*1\r\n$\r\n"), "invalid bulk length");
  EXPECT_EQ(error_of("*1\r\n$04\r\nPING\r\n"), "invalid bulk length");
  EXPECT_EQ(error_of("*1\r\n$536870913\r\n"), "invalid bulk length");
  EXPECT_EQ(error_of("*1\r\n$536870912\r\n"), "");
  EXPECT_EQ(error_of("set \"a\r\n"), "unbalanced quotes in request");
  EXPECT_EQ(error_of("\"PING\"a\r\n"), "unbalanced quotes in request");
}

TEST(RequestParser, LongLines) {
  for (size_t size : {65535u, 65536u, 65537u}) {
    const bool too_long = size > 65536;
    EXPECT_EQ(error_of(std::string(size, 'a')), too_long ? "too big inline request" : "");
    EXPECT_EQ(error_of("*" + std::string(size - 1, '1')), too_long ? "too big mbulk count string" : "");
    EXPECT_EQ(error_of("*1\r\n$" + std::string(size - 1, '1')), too_long ? "too big bulk count string" : "");
  }
  EXPECT_EQ(parse_whole(std::string(65536, 'a') + "\n").commands.size(), 1u);
  EXPECT_EQ(error_of(std::string(65537, 'a') + "\n"), "too big inline request");
}

TEST(RequestParser, NulBytesInLines) {
  EXPECT_EQ(error_of(Bytes("PING\0 a\r\n", 9)), "NUL byte in inline request");
  EXPECT_EQ(error_of(Bytes("*1\0\r\n", 5)), "invalid multibulk length");
  EXPECT_EQ(error_of(Bytes("*1\r\n$1\0\r\n", 9)), "invalid bulk length");
}

TEST(RequestParser, CommandsBeforeAnErrorAreGood) {
  const Outcome outcome = parse_whole(resp({"SET", "a", "b"}) + "*x\r\n" + resp({"PING"}));
  EXPECT_EQ(outcome.commands, (std::vector<Words>{{"SET", "a", "b"}}));
  EXPECT_EQ(outcome.error, "ERR Protocol error: invalid multibulk length");
}

TEST(RequestParser, UnauthenticatedLimits) {
  RequestLimits limits;
  limits.authenticated = false;
  EXPECT_EQ(error_of("*10\r\n", limits), "");
  EXPECT_EQ(error_of("*11\r\n", limits), "unauthenticated multibulk length");
  EXPECT_EQ(error_of("*1\r\n$16384\r\n", limits), "");
  EXPECT_EQ(error_of("*1\r\n$16385\r\n", limits), "unauthenticated bulk length");
  EXPECT_EQ(error_of("*1\r\n$536870913\r\n", limits), "invalid bulk length");
  EXPECT_EQ(error_of("*2147483648\r\n", limits), "invalid multibulk length");
}

TEST(RequestParser, AuthLiftsTheLimitsForTheSamePipeline) {
  const Words long_command(20, "x");
  const std::string input = resp({"AUTH", "x"}) + resp(long_command);
  RequestParser parser;
  parser.limits().authenticated = false;
  ParsedBatch batch;
  const size_t consumed = parser.parse(input, batch);
  EXPECT_EQ(consumed, resp({"AUTH", "x"}).size());
  EXPECT_EQ(batch.size(), 1u);
  EXPECT_EQ(batch.error(), "");
  parser.limits().authenticated = true;
  EXPECT_EQ(parser.parse(Bytes(input).substr(consumed), batch), input.size() - consumed);
  EXPECT_EQ(batch.commands()[0].args.size(), 20u);
}

TEST(RequestParser, ConfiguredLimits) {
  RequestLimits limits;
  limits.max_bulk_bytes = 10;
  limits.max_arguments = 3;
  EXPECT_EQ(error_of("*4\r\n", limits), "invalid multibulk length");
  EXPECT_EQ(error_of("*1\r\n$11\r\n", limits), "invalid bulk length");
  EXPECT_EQ(parse_whole(resp({"0123456789", "", ""}), limits).commands.size(), 1u);
}

TEST(RequestParser, BatchesEndAtTheirCapacity) {
  std::string input;
  for (int i = 0; i < 200; ++i) input += resp({"GET", std::to_string(i)});
  RequestParser parser;
  ParsedBatch batch;
  const size_t consumed = parser.parse(input, batch);
  EXPECT_TRUE(batch.full());
  EXPECT_EQ(batch.commands().back().end, consumed);
  EXPECT_EQ(parser.needed_bytes(), 1u);
  const Outcome outcome = parse_whole(input);
  ASSERT_EQ(outcome.commands.size(), 200u);
  EXPECT_EQ(outcome.commands[199][1], "199");
}

TEST(RequestParser, ArgumentsSurviveGrowthWithinABatch) {
  std::vector<Words> commands;
  std::string input;
  for (size_t i = 0; i < 64; ++i) {
    commands.emplace_back(i * 3 + 1, std::to_string(i));
    input += resp(commands.back());
  }
  RequestParser parser;
  ParsedBatch batch;
  EXPECT_EQ(parser.parse(input, batch), input.size());
  Outcome outcome;
  collect(batch, outcome);
  EXPECT_EQ(outcome.commands, commands);
}

TEST(RequestParser, NeededBytesIsExactInsideABulk) {
  RequestParser parser;
  ParsedBatch batch;
  EXPECT_EQ(parser.needed_bytes(), 1u);
  const std::string head = "*2\r\n$3\r\nSET\r\n$1000000\r\n";
  EXPECT_EQ(parser.parse(head, batch), 0u);
  EXPECT_EQ(parser.needed_bytes(), head.size() + 1000002);
  const std::string whole = head + std::string(1000000, 'x') + "\r\n";
  EXPECT_EQ(parser.parse(whole, batch), whole.size());
  EXPECT_EQ(parser.needed_bytes(), 1u);
}

TEST(RequestParser, ResetForgetsAnIncompleteCommand) {
  const Words words(500, "word");
  const std::string input = resp(words);
  RequestParser parser;
  ParsedBatch batch;
  EXPECT_EQ(parser.parse(Bytes(input).substr(0, input.size() / 2), batch), 0u);
  EXPECT_GT(parser.allocated_bytes(), 0u);
  parser.reset();
  EXPECT_EQ(parser.allocated_bytes(), 0u);
  EXPECT_EQ(parser.parse(resp({"PING"}) + input, batch), input.size() + resp({"PING"}).size());
  EXPECT_EQ(batch.size(), 2u);
}

TEST(RequestParser, MillionArgumentsInPieces) {
  constexpr size_t kCount = 1'000'000;
  std::string input = "*1000000\r\n";
  for (size_t i = 0; i < kCount; ++i) input += "$1\r\nx\r\n";
  RequestParser parser;
  ParsedBatch batch;
  for (size_t size = 0; size < input.size(); size += 64 * 1024) {
    ASSERT_EQ(parser.parse(Bytes(input).substr(0, size), batch), 0u);
  }
  ASSERT_EQ(parser.parse(input, batch), input.size());
  ASSERT_EQ(batch.size(), 1u);
  EXPECT_EQ(batch.commands()[0].args.size(), kCount);
  EXPECT_EQ(batch.commands()[0].raw, input);
  EXPECT_TRUE(batch.commands()[0].canonical);
  EXPECT_EQ(parser.allocated_bytes(), 0u);
}

TEST(RequestParser, UnquotedInlineWordsAreThoseOfSplitArgs) {
  std::mt19937_64 random(7);
  constexpr Bytes kAlphabet = " \t\r\v\fab\\$*\xff";
  for (int i = 0; i < 5000; ++i) {
    std::string line = "x";
    for (size_t n = random() % 20; n > 0; --n) line += kAlphabet[random() % kAlphabet.size()];
    const Outcome outcome = parse_whole(line + "\r\n");
    ASSERT_EQ(outcome.commands.size(), 1u);
    ASSERT_EQ(outcome.commands[0], split_args(line)) << quote(line);
  }
}

class RandomStream {
 public:
  explicit RandomStream(uint64_t seed) : random_(seed) {}

  std::string next(bool with_garbage) {
    std::string input;
    for (size_t n = random_() % 12; n > 0; --n) input += request(with_garbage);
    if (random_() % 3 == 0) input.resize(random_() % (input.size() + 1));
    return input;
  }
  size_t below(size_t bound) { return random_() % bound; }

 private:
  std::string word() {
    std::string text(random_() % (random_() % 8 == 0 ? 300 : 12), '\0');
    for (char& c : text) c = "ab\r\n$*1\"' \0\xff"[random_() % 12];
    return text;
  }
  std::string request(bool with_garbage) {
    switch (random_() % (with_garbage ? 9 : 7)) {
      case 0:
        return "\r\n";
      case 1:
        return random_() % 2 == 0 ? "*0\r\n" : "*-1\r\n";
      case 2:
        return "set key " + quote(word()) + "\r\n";
      case 3:
        return "*1\rX$4\rYPINGZZ";
      case 4:
        return resp(Words(random_() % 200 + 1, "abc"));
      case 7:
        return word();
      case 8:
        return "*2\r\n$1\r\na\r\n" + word() + "\r\n";
      default: {
        Words words(random_() % 5 + 1);
        for (std::string& text : words) text = word();
        return resp(words);
      }
    }
  }
  std::mt19937_64 random_;
};

TEST(RequestParser, SplitAtEveryByteGivesTheSame) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  RandomStream stream(seed);
  for (int round = 0; round < 60; ++round) {
    const std::string input = stream.next(round % 2 == 1);
    const Outcome whole = parse_whole(input);
    for (size_t at = 0; at <= input.size(); ++at) {
      ASSERT_EQ(parse_pieces({Bytes(input).substr(0, at), Bytes(input).substr(at)}), whole) << quote(input);
    }
  }
}

TEST(RequestParser, RandomPiecesGiveTheSame) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  RandomStream stream(seed);
  for (int round = 0; round < 600; ++round) {
    const std::string input = stream.next(round % 2 == 1);
    RequestLimits limits;
    limits.authenticated = round % 3 != 0;
    if (round % 5 == 0) limits.max_line_bytes = 20;
    const Outcome whole = parse_whole(input, limits);
    const size_t longest = round % 4 == 0 ? 1 : 1 + stream.below(60);
    std::vector<Bytes> pieces;
    for (Bytes rest = input; !rest.empty(); rest.remove_prefix(pieces.back().size())) {
      pieces.push_back(rest.substr(0, 1 + stream.below(longest)));
    }
    ASSERT_EQ(parse_pieces(pieces, limits), whole) << quote(input);
  }
}

TEST(PeekSecondArgument, FindsTheKeyOrNothing) {
  EXPECT_EQ(peek_second_argument("*2\r\n$3\r\nGET\r\n$5\r\nhello\r\n"), "hello");
  EXPECT_EQ(peek_second_argument("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$900\r\nxx"), "k");
  EXPECT_EQ(peek_second_argument("*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"), "");
  EXPECT_EQ(peek_second_argument("GET key\r\n"), "");
  EXPECT_EQ(peek_second_argument("*2\r\n$3\r\nGET\r\n$-1\r\n\r\n"), "");
  EXPECT_EQ(peek_second_argument("*2\r\n$999999999\r\nGET\r\n$1\r\nk\r\n"), "");
  const Bytes whole = "*2\r\n$3\r\nGET\r\n$5\r\nhello\r\n";
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_EQ(peek_second_argument(whole.substr(0, size)), "");
}

}  // namespace
}  // namespace strata
