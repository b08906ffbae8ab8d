// Every encoding that a dump file may hold, from files made by hand, and what is refused by name.

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "data/packed.h"
#include "persistence/rdb_test_support.h"

namespace strata {
namespace {

using namespace rdb_test;  // NOLINT

// ---- Encoders of what is no longer written ---------------------------------------------------------------

std::string be(uint64_t value, size_t bytes) {
  std::string out = le(value, bytes);
  std::reverse(out.begin(), out.end());
  return out;
}

// One entry of a ziplist without the length of the one before: strings by size, integers by width.
std::string zl_string(Bytes text, bool wide = false) {
  if (wide) return "\x80" + be(text.size(), 4) + std::string(text);
  if (text.size() < 64) return std::string(1, static_cast<char>(text.size())) + std::string(text);
  return be(text.size() | 0x4000, 2) + std::string(text);
}
std::string zl_integer(int64_t value, int width) {
  switch (width) {
    case 0:
      return std::string(1, static_cast<char>(0xF1 + value));
    case 1:
      return "\xFE" + le(static_cast<uint64_t>(value), 1);
    case 2:
      return "\xC0" + le(static_cast<uint64_t>(value), 2);
    case 3:
      return "\xF0" + le(static_cast<uint64_t>(value), 3);
    case 4:
      return "\xD0" + le(static_cast<uint64_t>(value), 4);
    default:
      return "\xE0" + le(static_cast<uint64_t>(value), 8);
  }
}
std::string ziplist(const Strings& entries, bool wide_backward = false) {
  std::string body;
  size_t previous = 0;
  size_t tail = 10;
  for (const std::string& entry : entries) {
    tail = 10 + body.size();
    const std::string backward = previous < 254 && !wide_backward
                                     ? std::string(1, static_cast<char>(previous))
                                     : "\xFE" + le(previous, 4);
    body += backward + entry;
    previous = backward.size() + entry.size();
  }
  return le(11 + body.size(), 4) + le(tail, 4) + le(entries.size(), 2) + body + "\xFF";
}

std::string zipmap(const std::vector<std::pair<std::string, std::string>>& pairs, size_t unused = 0) {
  std::string out(1, static_cast<char>(pairs.size()));
  const auto size = [](size_t bytes) {
    return bytes < 254 ? std::string(1, static_cast<char>(bytes)) : "\xFE" + le(bytes, 4);
  };
  for (const auto& [key, value] : pairs) {
    out += size(key.size()) + key + size(value.size()) + static_cast<char>(unused) + value +
           std::string(unused, '?');
  }
  return out + "\xFF";
}

std::string intset(const std::vector<int64_t>& numbers, uint32_t width) {
  std::string out = le(width, 4) + le(numbers.size(), 4);
  for (int64_t number : numbers) out += le(static_cast<uint64_t>(number), width);
  return out;
}

std::string listpack(const Strings& elements) {
  Heap heap;
  Blob* node = packed::create(heap);
  for (const std::string& text : elements) {
    const auto number = parse_i64(text);
    EXPECT_TRUE(packed::append(heap, node, number ? Element::of(*number) : Element::of(Bytes(text))));
  }
  return std::string(node->view());
}

// "aaaa…" as LZF: one literal, then copies of it.
std::string lzf_of_as(size_t count) {
  std::string packed("\0a", 2);
  size_t left = count - 1;
  while (left > 0) {
    const size_t run = std::min<size_t>(left, 264);
    if (run < 9) {  // literals end it
      packed += std::string(1, static_cast<char>(run - 1)) + std::string(run, 'a');
    } else {
      packed += std::string(1, '\xE0') + std::string(1, static_cast<char>(run - 9)) + '\0';
    }
    left -= run;
  }
  return "\xC3" + length(packed.size()) + length(count) + packed;
}

Held load_one(RdbType type, const std::string& value, const RdbLoadOptions& options = {}) {
  const std::string bytes = one_key(type, value);
  const Loaded loaded = load_bytes(bytes, options);
  EXPECT_TRUE(loaded.status) << loaded.report.detail;
  EXPECT_TRUE(verify_bytes(bytes, options));
  const Contents contents = loaded.contents();
  return contents.size() == 1 ? contents.begin()->second : Held{"nothing", 0, {}};
}

Strings repeated(const std::string& text) { return {text}; }

// ---- Strings and lengths
// ------------------------------------------------------------------------------------

TEST(RdbFormats, Strings) {
  EXPECT_EQ(load_one(RdbType::kString, str("")), (Held{"string embstr", -1, {""}}));
  EXPECT_EQ(load_one(RdbType::kString, str("text")).elements, Strings{"text"});
  EXPECT_EQ(load_one(RdbType::kString, "\xC0\x80").elements, Strings{"-128"});
  EXPECT_EQ(load_one(RdbType::kString, "\xC1" + le(static_cast<uint64_t>(-30000), 2)).elements,
            Strings{"-30000"});
  EXPECT_EQ(load_one(RdbType::kString, "\xC2" + le(2'000'000'000, 4)).elements, Strings{"2000000000"});
  EXPECT_EQ(load_one(RdbType::kString, str("12345678901")).kind, "string int");
  EXPECT_EQ(load_one(RdbType::kString, str("0123")).kind, "string embstr");
  for (size_t size : {10u, 25u, 300u, 3000u, 100'000u}) {
    EXPECT_EQ(load_one(RdbType::kString, lzf_of_as(size)).elements, repeated(std::string(size, 'a')));
  }
  const std::string text(70'000, 'y');
  EXPECT_EQ(load_one(RdbType::kString, "\x80" + be(text.size(), 4) + text).elements, Strings{text});
  EXPECT_EQ(load_one(RdbType::kString, "\x81" + be(text.size(), 8) + text).elements, Strings{text});
}

TEST(RdbFormats, KeysMayBeNumbersAndCompressed) {
  const std::string bytes =
      sealed(header(9) + '\0' + "\xC0\x07" + str("a") + '\0' + lzf_of_as(50) + str("b"));
  const Loaded loaded = load_bytes(bytes);
  ASSERT_TRUE(loaded.status) << loaded.report.detail;
  const Contents contents = loaded.contents();
  EXPECT_TRUE(contents.contains("0:7"));
  EXPECT_TRUE(contents.contains("0:" + std::string(50, 'a')));
}

// ---- Lists -----------------------------------------------------------------------------------------------

TEST(RdbFormats, Lists) {
  const std::string large(9000, 'L');
  const Strings expected = {"a", "-5", "", large, std::string(40, 'a')};
  const std::string plain = length(5) + str("a") + "\xC0\xFB" + str("") + str(large) + lzf_of_as(40);
  EXPECT_EQ(load_one(RdbType::kList, plain).elements, expected);

  const Strings entries = {zl_string("x"),
                           zl_string(std::string(100, 'm')),
                           zl_string("wide", true),
                           zl_integer(12, 0),
                           zl_integer(0, 0),
                           zl_integer(-100, 1),
                           zl_integer(-30'000, 2),
                           zl_integer(-8'000'000, 3),
                           zl_integer(2'000'000'000, 4),
                           zl_integer(INT64_MIN, 8),
                           zl_string(std::string(300, 'p')),
                           zl_string("after a long one")};
  const Strings texts = {"x",
                         std::string(100, 'm'),
                         "wide",
                         "12",
                         "0",
                         "-100",
                         "-30000",
                         "-8000000",
                         "2000000000",
                         "-9223372036854775808",
                         std::string(300, 'p'),
                         "after a long one"};
  EXPECT_EQ(load_one(RdbType::kListZiplist, str(ziplist(entries))), (Held{"list listpack", -1, texts}));
  EXPECT_EQ(load_one(RdbType::kListZiplist, str(ziplist(entries, true))).elements, texts);

  Strings twice = texts;
  twice.insert(twice.end(), {"1", "2"});
  const std::string second = str(ziplist({zl_integer(1, 0), zl_integer(2, 0)}));
  EXPECT_EQ(load_one(RdbType::kListQuicklist, length(3) + str(ziplist(entries)) + str(ziplist({})) + second)
                .elements,
            twice);

  const std::string nodes = length(4) + "\x02" + str(listpack({"a", "1"})) + "\x01" + str(large) + "\x01" +
                            str("small") + "\x02" + str(listpack({"z"}));
  EXPECT_EQ(load_one(RdbType::kListQuicklist2, nodes),
            (Held{"list quicklist", -1, {"a", "1", large, "small", "z"}}));
  EXPECT_EQ(load_one(RdbType::kListQuicklist2, length(1) + "\x02" + str(listpack({"a"}))).kind,
            "list listpack");
}

TEST(RdbFormats, NodesBeyondTheLimitsAreSplit) {
  Strings many;
  for (int i = 0; i < 1000; ++i) many.push_back("element " + std::to_string(i));
  RdbLoadOptions options;
  options.limits.list.listpack_size = 16;
  const Held held = load_one(RdbType::kListQuicklist2, length(1) + "\x02" + str(listpack(many)), options);
  EXPECT_EQ(held, (Held{"list quicklist", -1, many}));
}

// ---- Sets, hashes, sorted sets
// --------------------------------------------------------------------------------

TEST(RdbFormats, Sets) {
  EXPECT_EQ(load_one(RdbType::kSet, length(3) + str("b") + str("a") + "\xC0\x05"),
            (Held{"set listpack", -1, {"5", "a", "b"}}));
  EXPECT_EQ(load_one(RdbType::kSet, length(2) + "\xC0\x06" + "\xC0\x05").kind, "set intset");
  for (uint32_t width : {2u, 4u, 8u}) {
    EXPECT_EQ(load_one(RdbType::kSetIntset, str(intset({-3, 1, 2}, width))),
              (Held{"set intset", -1, {"-3", "1", "2"}}));
  }
  EXPECT_EQ(load_one(RdbType::kSetListpack, str(listpack({"x", "7"}))),
            (Held{"set listpack", -1, {"7", "x"}}));
  RdbLoadOptions small;
  small.limits.set = {2, 2, 64};
  EXPECT_EQ(load_one(RdbType::kSetIntset, str(intset({1, 2, 3}, 2)), small).kind, "set hashtable");
  EXPECT_EQ(load_one(RdbType::kSetListpack, str(listpack({"a", "b", "c"})), small).kind, "set hashtable");
}

TEST(RdbFormats, Hashes) {
  const Strings expected = {"f = v", "n = 12"};
  EXPECT_EQ(load_one(RdbType::kHash, length(2) + str("f") + str("v") + str("n") + "\xC0\x0C"),
            (Held{"hash listpack", -1, expected}));
  EXPECT_EQ(load_one(RdbType::kHashZipmap, str(zipmap({{"f", "v"}, {"n", "12"}}))),
            (Held{"hash listpack", -1, expected}));
  EXPECT_EQ(load_one(RdbType::kHashZipmap, str(zipmap({{"f", "v"}, {"n", "12"}}, 3))).elements, expected);
  const std::string large(300, 'z');
  EXPECT_EQ(load_one(RdbType::kHashZipmap, str(zipmap({{large, large}}))),
            (Held{"hash hashtable", -1, {large + " = " + large}}));
  const std::string list = ziplist({zl_string("f"), zl_string("v"), zl_string("n"), zl_integer(12, 0)});
  EXPECT_EQ(load_one(RdbType::kHashZiplist, str(list)), (Held{"hash listpack", -1, expected}));
  EXPECT_EQ(load_one(RdbType::kHashListpack, str(listpack({"f", "v", "n", "12"}))),
            (Held{"hash listpack", -1, expected}));
}

TEST(RdbFormats, SortedSets) {
  const Strings expected = {"low @ -inf", "a @ 1.5", "b @ 2", "high @ inf"};
  const std::string text = length(4) + str("low") + "\xFF" + str("a") + "\x03" + "1.5" + str("b") + "\x01" +
                           "2" + str("high") + "\xFE";
  EXPECT_EQ(load_one(RdbType::kZset, text), (Held{"zset listpack", -1, expected}));
  const auto binary = [](double score) { return le(std::bit_cast<uint64_t>(score), 8); };
  const std::string doubles = length(4) + str("low") + binary(-HUGE_VAL) + str("a") + binary(1.5) + str("b") +
                              binary(2) + str("high") + binary(HUGE_VAL);
  EXPECT_EQ(load_one(RdbType::kZset2, doubles).elements, expected);
  const std::string list = ziplist({zl_string("low"), zl_string("-inf"), zl_string("a"), zl_string("1.5"),
                                    zl_string("b"), zl_integer(2, 0), zl_string("high"), zl_string("inf")});
  EXPECT_EQ(load_one(RdbType::kZsetZiplist, str(list)), (Held{"zset listpack", -1, expected}));
  const std::string pack = listpack({"low", "-inf", "a", "1.5", "b", "2", "high", "inf"});
  EXPECT_EQ(load_one(RdbType::kZsetListpack, str(pack)), (Held{"zset listpack", -1, expected}));
}

// ---- The frame
// -----------------------------------------------------------------------------------------------

TEST(RdbFormats, DeadlinesDatabasesAndHints) {
  std::string body = header(12);
  body += "\xFA" + str("redis-ver") + str("7.4.0") + "\xFA" + str("redis-bits") + "\xC0\x40";
  body += "\xFE" + length(3) + "\xFB" + length(3) + length(2) + "\xF4" + length(1) + length(2) + length(3);
  body += "\xFD" + le(1000, 4) + '\0' + str("seconds") + str("v");
  body += "\xFC" + le(123'456'789'012, 8) + "\xF9\x05" + '\0' + str("ms") + str("v");
  body += "\xFE" + length(9) + "\xF8" + length(100) + '\0' + str("idle") + str("v");
  RdbLoadOptions options;
  options.now_ms = 1'000'000;
  const Loaded loaded = load_bytes(sealed(body), options);
  ASSERT_TRUE(loaded.status) << loaded.report.detail;
  const Contents contents = loaded.contents();
  EXPECT_EQ(contents.at("3:seconds").deadline_ms, 1'000'000);
  EXPECT_EQ(contents.at("3:ms").deadline_ms, 123'456'789'012);
  EXPECT_EQ(contents.at("9:idle").deadline_ms, kNoDeadline);
  EXPECT_EQ(loaded.report.deadline_count, 2u);
  EXPECT_EQ(loaded.report.type_counts[0], 3u);
  EXPECT_EQ(loaded.report.aux_value("redis-bits"), "64");
  const Entry* idle =
      database_for(*loaded.keyspace, 9, loaded.keyspace->key("idle")).find(loaded.keyspace->key("idle"));
  EXPECT_EQ(idle->access_clock, 900u);
}

TEST(RdbFormats, EveryVersionFromOneToTwelve) {
  for (uint32_t version = 1; version <= 13; ++version) {
    std::string bytes = header(version) + std::string(1, '\0') + str("k") + str("v");
    if (version >= kRdbVersionWithChecksum) {
      bytes = sealed(bytes);
    } else {
      bytes.push_back('\xFF');
    }
    const Loaded loaded = load_bytes(bytes);
    EXPECT_EQ(loaded.status.has_value(), version <= 12) << version << ": " << loaded.report.detail;
  }
}

TEST(RdbFormats, VersionsWithoutAChecksum) {
  for (uint32_t version : {1u, 2u, 4u}) {
    const std::string body = header(version) + '\0' + str("k") + str("v") + "\xFF";
    const Loaded loaded = load_bytes(body + "*1\r\n");
    ASSERT_TRUE(loaded.status) << loaded.report.detail;
    EXPECT_EQ(loaded.report.end_offset, body.size());
    EXPECT_FALSE(loaded.report.checksum_verified);
  }
}

TEST(RdbFormats, EmptyCollectionsAreDropped) {
  std::string body = header(11);
  const auto key = [&](RdbType type, const std::string& name, const std::string& value) {
    body += static_cast<char>(type) + str(name) + value;
  };
  key(RdbType::kList, "list", length(0));
  key(RdbType::kSet, "set", length(0));
  key(RdbType::kHash, "hash", length(0));
  key(RdbType::kZset2, "zset", length(0));
  key(RdbType::kHashListpack, "packed hash", str(listpack({})));
  key(RdbType::kListQuicklist2, "quicklist", length(1) + "\x02" + str(listpack({})));
  key(RdbType::kHashZipmap, "zipmap", str(zipmap({})));
  key(RdbType::kString, "string", str(""));
  const Loaded loaded = load_bytes(sealed(body));
  ASSERT_TRUE(loaded.status) << loaded.report.detail;
  EXPECT_EQ(loaded.contents().size(), 1u);
  EXPECT_EQ(loaded.report.empty_count, 7u);
  EXPECT_EQ(loaded.report.key_count, 1u);
}

// ---- What is refused
// --------------------------------------------------------------------------------------------

void expect_refused(const std::string& bytes, Errc code, const std::string& detail) {
  for (unsigned threads : {1u, 3u}) {
    RdbLoadOptions options;
    options.thread_count = threads;
    const Loaded loaded = load_bytes(bytes, options, 0, 4);
    ASSERT_FALSE(loaded.status) << detail;
    EXPECT_EQ(loaded.status.error().code, code) << loaded.report.detail;
    EXPECT_NE(loaded.report.detail.find(detail), std::string::npos) << loaded.report.detail;
  }
  const Status verified = verify_bytes(bytes);
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().code, code);
}

// ---- Streams
// ----------------------------------------------------------------------------------------------------

std::string stream_id(uint64_t ms, uint64_t sequence) {
  char out[16];
  store_be64(out, ms);
  store_be64(out + 8, sequence);
  return {out, sizeof out};
}
// One entry with the field f and the value v, written as its own master.
std::string stream_node_bytes() {
  using namespace std::string_literals;
  const std::string elements =
      "\x01\x01\x00\x01\x01\x01\x81\x66\x02\x00\x01"s + "\x02\x01\x00\x01\x00\x01\x81\x76\x02\x04\x01"s;
  return le(elements.size() + 7, 4) + le(10, 2) + elements + "\xFF";
}
// A stream of two such nodes, and a group "g" whose consumer "c" has an entry pending.
struct StreamBytes {
  std::string nodes = length(2) + str(stream_id(1, 0)) + str(stream_node_bytes()) + str(stream_id(5, 1)) +
                      str(stream_node_bytes());
  std::string facts =
      length(2) + length(5) + length(1) + length(1) + length(0) + length(0) + length(0) + length(2);
  std::string group = str("g") + length(5) + length(1) + length(2);
  std::string pending = length(1) + stream_id(5, 1) + le(1000, 8) + length(1);
  std::string consumers = length(1) + str("c") + le(1000, 8) + length(1) + stream_id(5, 1);

  std::string all() const { return nodes + facts + length(1) + group + pending + consumers; }
};

void expect_corrupt(const StreamBytes& bytes, const std::string& detail) {
  expect_refused(one_key(RdbType::kStreamListpacks2, bytes.all(), 10), Errc::kCorruption, detail);
}

TEST(RdbFormats, Streams) {
  const Loaded loaded = load_bytes(one_key(RdbType::kStreamListpacks2, StreamBytes().all(), 10));
  ASSERT_TRUE(loaded.status) << loaded.report.detail;
  const Strings expected = {"XADD 1-0 f v",
                            "XADD 5-1 f v",
                            "XSETID 5-1 ENTRIESADDED 2 MAXDELETEDID 0-0",
                            "XGROUP CREATE g 5-1 ENTRIESREAD 2",
                            "XGROUP CREATECONSUMER g c",
                            "XCLAIM g c 0 5-1 TIME 1000 RETRYCOUNT 1 FORCE JUSTID"};
  EXPECT_EQ(loaded.contents().at("0:k").elements, expected);
}

TEST(RdbFormats, StreamsThatLieAreRefused) {
  StreamBytes b;
  b.nodes = length(1) + str("short") + str(stream_node_bytes());
  expect_corrupt(b, "a stream node's ID");
  b = {};
  b.nodes = length(2) + str(stream_id(5, 1)) + str(stream_node_bytes()) + str(stream_id(1, 0)) +
            str(stream_node_bytes());
  expect_corrupt(b, "stream nodes out of order");
  b = {};
  b.nodes[b.nodes.size() - 2] ^= 1;
  expect_corrupt(b, "malformed stream node");
  b = {};
  b.facts[0] = 3;
  expect_corrupt(b, "number of a stream's entries");
  b = {};
  b.facts[1] = 4;
  expect_corrupt(b, "a stream's last ID");
  b = {};
  b.pending[0] = 2;
  b.pending += b.pending.substr(1);
  expect_corrupt(b, "a pending entry comes twice");
  b = {};
  b.consumers = length(1) + str("c") + le(1000, 8) + length(1) + stream_id(1, 0);
  expect_corrupt(b, "a consumer's entry that is not pending");
  b.consumers =
      length(2) + StreamBytes().consumers.substr(1) + str("d") + le(0, 8) + length(1) + stream_id(5, 1);
  expect_corrupt(b, "a pending entry of two consumers");
  b.consumers = length(2) + StreamBytes().consumers.substr(1) + StreamBytes().consumers.substr(1);
  expect_corrupt(b, "a consumer comes twice");
  b.consumers = length(0);
  expect_corrupt(b, "a pending entry without a consumer");
  b = {};
  b.group[b.group.size() - 1] = '\x81';
  b.group += std::string("\x80", 1) + std::string(7, '\0');
  expect_corrupt(b, "entries that a group has read");
}

TEST(RdbFormats, UnsupportedThingsAreNamed) {
  const auto refused = [](RdbType type, const std::string& detail) {
    expect_refused(one_key(type, str("whatever"), 12), Errc::kUnsupported, detail);
  };
  refused(RdbType::kModulePreGa, "module value at key \"k\"");
  refused(RdbType::kModule2, "module value at key \"k\"");
  refused(RdbType::kHashMetadataPreGa, "hash with expiring fields at key \"k\"");
  refused(RdbType::kHashListpackExPreGa, "hash with expiring fields at key \"k\"");
  refused(RdbType::kStreamListpacks4, "stream of Redis 8.6 at key \"k\"");
  refused(RdbType::kStreamListpacks5, "stream of Redis 8.8 at key \"k\"");
  expect_refused(sealed(header(10) + "\xF5" + str("#!lua name=mylib\ncode")), Errc::kUnsupported,
                 "function library \"#!lua name=mylib\"");
  expect_refused(sealed(header(10) + "\xF7" + length(7)), Errc::kUnsupported, "data of a module");
  expect_refused(sealed(header(13)), Errc::kUnsupported, "RDB version 13");
}

TEST(RdbFormats, WhatIsNoRdbIsRefused) {
  const auto corrupt = [](const std::string& bytes, const std::string& detail) {
    expect_refused(bytes, Errc::kCorruption, detail);
  };
  corrupt("", "too short for an RDB file");
  corrupt("REDIS00", "too short for an RDB file");
  corrupt("VALKEY080", "not an RDB file");
  corrupt(sealed("REDIS0000"), "not an RDB file");
  corrupt(one_key(static_cast<RdbType>(8), str("v")), "unknown type of value");
  corrupt(one_key(static_cast<RdbType>(99), str("v")), "unknown type of value");
  std::string wrong = one_key(RdbType::kString, str("v"));
  wrong.back() ^= 1;
  corrupt(wrong, "wrong RDB checksum");
  expect_refused(sealed(header(9) + "\xFE" + length(16) + '\0' + str("k") + str("v")), Errc::kInvalidArgument,
                 "database 16, of 16");
  const std::string key = '\0' + str("k") + str("v");
  expect_refused(sealed(header(9) + key + key), Errc::kExists, "RDB has duplicated key");
}

TEST(RdbFormats, AbsurdLengthsAllocateNothing) {
  const std::string huge = "\x81" + be(uint64_t{1} << 60, 8);
  for (int type : {0, 1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 16, 17, 18, 20}) {
    const Loaded loaded = load_bytes(one_key(static_cast<RdbType>(type), huge + "x"));
    ASSERT_FALSE(loaded.status) << type;
    const Loaded elements = load_bytes(one_key(static_cast<RdbType>(type), length(1) + huge + "x"));
    ASSERT_FALSE(elements.status) << type;
  }
  // LZF that claims to unpack to 4 GB from one byte.
  expect_refused(one_key(RdbType::kString, "\xC3" + length(1) + length(0xFFFFFF00) + "x"), Errc::kCorruption,
                 "LZF string of impossible length");
}

TEST(RdbFormats, MalformedValuesAreRefused) {
  const auto corrupt = [](RdbType type, const std::string& value, const std::string& detail) {
    SCOPED_TRACE(detail);
    expect_refused(one_key(type, value), Errc::kCorruption, detail);
  };
  corrupt(RdbType::kSet, length(2) + str("a") + str("a"), "a set with a member twice");
  corrupt(RdbType::kHash, length(2) + str("a") + str("1") + str("a") + str("2"), "a hash with a field twice");
  corrupt(RdbType::kZset, length(2) + str("a") + "\x01" + "1" + str("a") + "\x01" + "2", "member twice");
  corrupt(RdbType::kZset, length(1) + str("a") + "\xFD", "not a number");
  corrupt(RdbType::kZset, length(1) + str("a") + "\x03" + "1x2", "not a number");
  corrupt(RdbType::kZset2, length(1) + str("a") + le(0x7FF8'0000'0000'0000, 8), "not a number");
  corrupt(RdbType::kString, "\xC4", "unknown string encoding");
  corrupt(RdbType::kString, "\x82", "unknown length encoding");
  corrupt(RdbType::kHashListpack, "\xC0\x05", "an integer where a packed value belongs");
  corrupt(RdbType::kHashListpack, str(listpack({"odd"})), "malformed packed hash");
  corrupt(RdbType::kHashListpack, str(listpack({"a", "1", "a", "2"})), "field twice");
  corrupt(RdbType::kSetListpack, str(listpack({"a", "a"})), "");
  corrupt(RdbType::kZsetListpack, str(listpack({"a", "text"})), "malformed packed sorted set");
  corrupt(RdbType::kSetIntset, str(intset({2, 1}, 2)), "");
  corrupt(RdbType::kListQuicklist2, length(1) + "\x03" + str(listpack({"a"})), "unknown kind of list node");
  corrupt(RdbType::kListQuicklist2, length(1) + "\x02" + str("junk"), "malformed listpack");
  corrupt(RdbType::kHashZiplist, str(ziplist({zl_string("odd")})), "a field without a value");
  corrupt(RdbType::kZsetZiplist, str(ziplist({zl_string("m"), zl_string("x")})), "not a number");
  corrupt(RdbType::kString, "\xC3" + length(3) + length(30) + "\xE0\x10\x7F", "malformed LZF string");

  const std::string good = ziplist({zl_string("ab"), zl_string("cd")});
  const auto broken = [&](size_t at, char byte, const std::string& detail) {
    std::string bytes = good;
    bytes[at] = byte;
    corrupt(RdbType::kListZiplist, str(bytes), detail);
  };
  broken(0, 9, "ziplist: wrong size");
  broken(4, 11, "ziplist: wrong tail");
  broken(8, 3, "ziplist: wrong count");
  broken(10, 1, "ziplist: wrong backward length");
  broken(14, 9, "ziplist: wrong backward length");
  broken(11, 60, "ziplist: malformed entry");
  broken(11, '\xFF', "ziplist: malformed entry");
  broken(good.size() - 1, 0, "ziplist: no end");

  const std::string map = zipmap({{"k", "v"}});
  corrupt(RdbType::kHashZipmap, str(map.substr(0, map.size() - 1)), "zipmap: wrong end");
  corrupt(RdbType::kHashZipmap, str("\x02" + map.substr(1)), "zipmap: wrong count");
  corrupt(RdbType::kHashZipmap, str("\x01\x09k"), "zipmap: wrong key length");
}

}  // namespace
}  // namespace strata
