// F3 of QUALITY.md: RESTORE with a right checksum over a mutated body never harms, whatever is done with the
// result.
//
// Bodies are those of real values in every encoding, of now and of before, changed in a few places. The test
// is a short run; the campaign is
//
//   STRATA_RESTORE_PAYLOADS=2000000 STRATA_RESTORE_SEED=7 build/asan/bin/commands_test
//   --gtest_filter='RestoreMutation.*'

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/random.h"
#include "commands/restore_checker.h"

namespace strata {
namespace {

uint64_t setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::string le(uint64_t value, size_t bytes) {
  std::string out;
  for (size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

// A ziplist of short strings.
std::string ziplist(const std::vector<std::string>& elements) {
  std::string entries;
  size_t previous = 0;
  size_t tail = 10;
  for (const std::string& element : elements) {
    tail = 10 + entries.size();
    const size_t begin = entries.size();
    entries += static_cast<char>(previous);
    entries += static_cast<char>(element.size());
    entries += element;
    previous = entries.size() - begin;
  }
  return le(11 + entries.size(), 4) + le(tail, 4) + le(elements.size(), 2) + entries + '\xFF';
}

std::string str(const std::string& bytes) { return std::string(1, static_cast<char>(bytes.size())) + bytes; }

// Entries 1000-1, 1000-5 (deleted) and 1007-2, as DUMP of redis-server 7.0.15 gave the node; a group with two
// consumers, of which one has an entry. `type` says which counters there are.
std::string stream(uint8_t type) {
  using namespace std::string_literals;
  const std::string id = "\0\0\0\0\0\0\x03\xE8\0\0\0\0\0\0\0\x01"s;
  const std::string node =
      "\x45\x00\x00\x00\x19\x00\x02\x01\x01\x01\x02\x01\x81"
      "a\x02\x82"
      "bb\x03\x00\x01\x02\x01\x00\x01\x00\x01\x01\x01\x85hello\x06\x05\x01\x03\x01\x00\x01\x04\x01\xc1,"
      "\x02\x81x\x02"
      "\x05\x01\x00\x01\a\x01\x01\x01\x01\x01\x82zz\x03\t\x01\x06\x01\xff"s;
  const bool has_counters = type > 0x0F;
  const bool has_activity = type == 0x15;
  const std::string time = le(1'700'000'000'000, 8);
  std::string body(1, static_cast<char>(type));
  body += "\x01"s + str(id) + "\x40\x45"s + node + "\x02\x43\xEF\x02"s;
  if (has_counters) body += "\x43\xE8\x01\x43\xE8\x05\x03"s;
  body += "\x01"s + str("group") + "\x43\xE8\x01"s;
  if (has_counters) body += "\x01"s;
  body += "\x01"s + id + time + "\x02\x02"s;
  body += str("ann") + time + (has_activity ? time : "") + "\x01"s + id;
  return body + str("bob") + time + (has_activity ? time : "") + "\x00"s;
}

// A stream without entries that knows two producers, not packed, so that changes reach what is said of them
// (rdb_producers.h).
std::string stream_of_producers() {
  using namespace std::string_literals;
  const auto known = [](const std::string& producer, const std::string& iid, uint8_t sequence) {
    return le(producer.size(), 4) + producer + le(iid.size(), 4) + iid + std::string(15, '\0') +
           static_cast<char>(sequence);
  };
  const std::string text = le(100, 8) + le(100, 8) + le(3, 8) + le(1, 8) + known("ann", "1", 1) +
                           known("ann", "2", 2) + known("bob", "1", 1);
  return "\x13\x00\x00\x09\x03\x00\x00\x00\x00\x03\x00\xFA"s + str("strata-producers") + "\x40"s + str(text);
}

// Values as older versions wrote them.
std::vector<std::string> bodies_of_before() {
  using namespace std::string_literals;
  return {
      "\x01\x03"s + str("a") + str("b") + "\xC0\x07"s,
      "\x03\x03"s + str("a") + str("1.5") + str("b") + "\xFE"s + str("c") + str("-3"),
      "\x04\x02"s + str("a") + str("b") + str("c") + "\xC1\x07\x08"s,
      "\x09"s +
          str("\x02\x01"s + "a" + "\x01\x00"s + "b" + "\x03"s + "key" + "\x05\x01"s + "valueX" + "\xFF"s),
      "\x0A"s + str(ziplist({"a", "b", "c"})),
      "\x0C"s + str(ziplist({"a", "1", "b", "2.5"})),
      "\x0D"s + str(ziplist({"a", "1", "b", "two"})),
      "\x0E\x02"s + str(ziplist({"a", "b"})) + str(ziplist({"c"})),
      "\x14"s + str("\x0D\x00\x00\x00\x02\x00\x81"s + "a" + "\x02\x81"s + "b" + "\x02\xFF"s),
      stream(0x0F),
      stream(0x13),
      stream(0x15),
      stream_of_producers(),
  };
}

// Bodies of DUMP, after the type: what each of these makes.
std::vector<std::string> bodies_of_now() {
  const std::string many_as(70, 'a');
  const std::string values[] = {
      "SET k hello",
      "SET k 12345",
      "SET k " + many_as,
      "RPUSH k a b c 1 2 3",
      "RPUSH k " + many_as + " b -70000 c d e f g h",
      "SADD k 1 2 3 70000",
      "SADD k 1 99999999999",
      "SADD k a b c 7 -300",
      "HSET k a 1 b two c 70000 number 5",
      "HSET k a " + many_as + " b c",
      "ZADD k 1 a 2.5 b -inf c 70000 7",
      "ZADD k 0 a 0 b 0 c 0 " + many_as,
      "XADD k IDMP producer once * field value",
  };
  std::vector<std::string> bodies;
  for (bool is_small : {false, true}) {
    TestDatabase db(data_command_groups(), 1);
    if (is_small) {
      db.options.list.listpack_size = 3;
      db.options.hash = {2, 8};
      db.options.set = {2, 2, 8};
      db.options.zset = {2, 8};
    }
    for (const std::string& line : values) {
      db.run("DEL k");
      db.run(line);
      const std::string reply = db.run("DUMP k");
      const size_t begin = reply.find("\r\n") + 2;
      bodies.push_back(reply.substr(begin, reply.size() - begin - 2 - kRdbDumpFooterBytes));
    }
  }
  return bodies;
}

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed), bodies_(bodies_of_now()) {
    for (std::string& body : bodies_of_before()) bodies_.push_back(std::move(body));
  }

  const std::vector<std::string>& bodies() const { return bodies_; }
  std::string next() {
    std::string body = bodies_[random_.below(bodies_.size())];
    for (uint64_t changes = 1 + random_.below(random_.one_in(4) ? 8 : 2); changes > 0; --changes)
      change(body);
    return body;
  }
  uint8_t byte() { return static_cast<uint8_t>(random_.next()); }

 private:
  void change(std::string& body) {
    static constexpr uint8_t kOdd[] = {0,    1,    2,    0x3F, 0x40, 0x7F, 0x80, 0x81, 0xBF, 0xC0, 0xC1, 0xC2,
                                       0xC3, 0xDF, 0xE0, 0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xFD, 0xFE, 0xFF};
    static constexpr uint8_t kTypes[] = {0,  1,  2,  3,  4,  5,  7,  9,  10, 11, 12, 13,
                                         14, 15, 16, 17, 18, 19, 20, 21, 24, 25, 26, 27};
    if (body.empty()) body.push_back(static_cast<char>(byte()));
    const size_t at = random_.below(body.size());
    switch (random_.below(9)) {
      case 0:
        body[at] = static_cast<char>(body[at] ^ 1 << random_.below(8));
        return;
      case 1:
        body[at] = static_cast<char>(kOdd[random_.below(std::size(kOdd))]);
        return;
      case 2:
        body[at] = static_cast<char>(byte());
        return;
      case 3:
        body[at] = static_cast<char>(body[at] + (random_.one_in(2) ? 1 : -1));
        return;
      case 4:
        body.erase(at, 1 + random_.below(4));
        return;
      case 5:
        body.insert(at, 1 + random_.below(4), static_cast<char>(kOdd[random_.below(std::size(kOdd))]));
        return;
      case 6:
        body.insert(at, body.substr(random_.below(body.size()), 1 + random_.below(12)));
        return;
      case 7: {
        const std::string& other = bodies_[random_.below(bodies_.size())];
        body = body.substr(0, at) + other.substr(random_.below(other.size()));
        return;
      }
      default:
        body[0] = static_cast<char>(kTypes[random_.below(std::size(kTypes))]);
    }
  }

  Random random_;
  std::vector<std::string> bodies_;
};

TEST(RestoreMutation, RealBodiesAreTaken) {
  Mutator mutator(1);
  RestoreChecker checker;
  for (const std::string& body : mutator.bodies()) {
    for (uint8_t limits = 0; limits < 4; ++limits) EXPECT_TRUE(checker.check(body, limits, 0)) << body;
  }
  checker.clean();
}

TEST(RestoreMutation, MutatedBodiesDoNoHarm) {
  const uint64_t payloads = setting("STRATA_RESTORE_PAYLOADS", 20'000);
  const uint64_t seed = setting("STRATA_RESTORE_SEED", 1);
  Mutator mutator(seed);
  RestoreChecker checker;
  uint64_t taken = 0;
  for (uint64_t i = 0; i < payloads; ++i)
    taken += checker.check(mutator.next(), mutator.byte(), mutator.byte());
  checker.clean();
  std::printf("seed %lu: %lu payloads, %lu taken and used\n", seed, payloads, taken);
  // Neither all refused nor all taken, or this would be a test of something else.
  EXPECT_GT(taken, payloads / 20);
  EXPECT_LT(taken, payloads - payloads / 20);
}

}  // namespace
}  // namespace strata
