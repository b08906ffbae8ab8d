"""Random commands from templates: what the generator may send.

A template is a line of words. lower case stands for itself, UPPER for a random word of that kind (class Words),
[a | b] for one of them or nothing, (a | b) for one of them, <a> for a one to four times.
The key space and the pools of members are small, so that commands meet keys of every type and state.

Deadlines are far away or past, never soon, or the two servers' clocks would decide. For the same reason relative
and absolute deadlines never come near each other. Random choices (SPOP) take the whole set or have only their
reply's shape compared.
"""

import re

from grammar_dump import DUMP_GROUPS, DumpWords
from grammar_members import MEMBER_GROUPS, MemberWords
import grammar_sketches
import grammar_streams
import grammar_zsets
from grammar_sort import SORT_GROUPS, SORT_OWN_KEYS, SortWords

STRINGS = """
set KEY VALUE [nx | xx] [get] [ex FAR_S | px FAR_MS | exat FAR_AT_S | pxat FAR_AT_MS | keepttl | ex BAD_INT]
set KEY VALUE
get KEY
getset KEY VALUE
getdel KEY
getex KEY [ex FAR_S | px FAR_MS | exat FAR_AT_S | pxat FAR_AT_MS | persist | exat PAST_S]
append KEY VALUE
strlen KEY
getrange KEY INDEX INDEX
substr KEY INDEX INDEX
setrange KEY (0 | 1 | 5 | 100 | BAD_INT) VALUE
incr KEY
decr KEY
incrby KEY INT
decrby KEY INT
incrbyfloat KEY FLOAT
mget <KEY>
mset <KEY VALUE>
msetnx <KEY VALUE>
setnx KEY VALUE
setex KEY FAR_S VALUE
psetex KEY FAR_MS VALUE
lcs KEY KEY [len | idx [minmatchlen 2] [withmatchlen]]
""".strip().splitlines()

GENERIC = """
del <KEY>
unlink <KEY>
exists <KEY>
touch <KEY>
type KEY
rename KEY KEY
renamenx KEY KEY
copy KEY KEY [db DB] [replace]
move KEY DB
keys PATTERN
scan 0 count 100000 [match PATTERN] [type TYPE]
dbsize
randomkey
expire KEY (FAR_S | PAST_S) [nx | xx]
pexpire KEY (FAR_MS | -1) [nx | xx]
expireat KEY (FAR_AT_S | PAST_S) [nx | xx | gt | lt]
pexpireat KEY (FAR_AT_MS | PAST_S) [nx | xx | gt | lt]
expire KEY (BAD_INT | FAR_S) [nx xx | gt lt | nx gt | bad]
ttl KEY
pttl KEY
expiretime KEY
pexpiretime KEY
persist KEY
object encoding KEY
object refcount KEY
object idletime KEY
object freq KEY
select DB
select BAD_INT
swapdb DB DB
""".strip().splitlines()

LISTS = """
lpush KEY <VALUE>
rpush KEY <VALUE>
lpushx KEY <VALUE>
rpushx KEY <VALUE>
rpush KEY MANY
lpop KEY [COUNT]
rpop KEY [COUNT]
llen KEY
lindex KEY INDEX
lrange KEY INDEX INDEX
ltrim KEY INDEX INDEX
lset KEY INDEX VALUE
linsert KEY (before | after | bad) VALUE VALUE
lrem KEY INDEX VALUE
lpos KEY VALUE [rank INDEX] [count COUNT] [maxlen COUNT]
lmove KEY KEY (left | right) (left | right)
rpoplpush KEY KEY
lmpop COUNT KEY (left | right) [count COUNT]
lmpop 2 KEY KEY (left | right) [count COUNT]
""".strip().splitlines()

HASHES = """
hset KEY <MEMBER VALUE>
hmset KEY <MEMBER VALUE>
hset KEY MANY_PAIRS
hsetnx KEY MEMBER VALUE
hget KEY MEMBER
hmget KEY <MEMBER>
hgetall KEY
hdel KEY <MEMBER>
hlen KEY
hexists KEY MEMBER
hkeys KEY
hvals KEY
hincrby KEY MEMBER INT
""".strip().splitlines()

SETS = """
sadd KEY <MEMBER>
sadd KEY <INT>
sadd KEY MANY
sadd KEY MANY_NUMBERS
srem KEY <MEMBER>
smembers KEY
(sinter | sunion | sdiff) KEY [KEY] [KEY]
(sinterstore | sunionstore | sdiffstore) KEY KEY [KEY] [KEY]
sintercard 2 KEY KEY [limit COUNT]
scard KEY
sismember KEY MEMBER
spop KEY 1000000
srandmember KEY
srandmember KEY COUNT
srandmember KEY -3
""".strip().splitlines()

ZSETS = """
zadd KEY [nx | xx] [gt | lt] [ch] <SCORE MEMBER>
zadd KEY <SCORE MEMBER>
zadd KEY MANY_PAIRS
zadd KEY [nx | xx] incr SCORE MEMBER
zrem KEY <MEMBER>
zscore KEY MEMBER
zcard KEY
zincrby KEY SCORE MEMBER
zrange KEY INDEX INDEX [rev] [withscores]
zpopmin KEY [COUNT]
zpopmax KEY [COUNT]
""".strip().splitlines()

TRANSACTIONS = """
multi
exec
exec
exec
exec
discard
watch <KEY>
unwatch
""".strip().splitlines()

RARE = """
flushdb
flushall [async | sync]
ping [VALUE]
echo VALUE
nosuchcommand KEY VALUE
client setname (name | with\\ space | VALUE)
client getname
command getkeys mset <KEY VALUE>
command getkeys lmpop 2 KEY KEY left
memory usage KEY [samples 5]
object help
object bad KEY
""".strip().splitlines()

GROUPS = {"strings": (8, STRINGS), "generic": (7, GENERIC), "lists": (6, LISTS), "hashes": (4, HASHES),
          "sets": (4, SETS), "zsets": (4, ZSETS), "transactions": (1, TRANSACTIONS), "rare": (0.15, RARE), **SORT_GROUPS, **DUMP_GROUPS,
          **MEMBER_GROUPS}
OWN_KEYS = {"strings": 0, "lists": 3, "hashes": 6, "sets": 8, "zsets": 10, **SORT_OWN_KEYS}  # The first of three keys each.

# A word put in a wrong place by a mutation; no small positive number, which could become a soon deadline.
ODD_WORDS = [b"", b"abc", b"-1", b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808", b"1.5",
             b"nx", b"count", b"withscores", b"0", b"nan", b" 1", b"1e500", b"get", b"\xff\xfe"]
NEVER_MUTATED = {b"spop", b"flushall", b"flushdb", *grammar_zsets.NEVER_MUTATED,
                 *grammar_sketches.NEVER_MUTATED, *grammar_streams.NEVER_MUTATED}
MUTATION_CHANCE = 0.04
TRANSACTION_CHANCE = 0.03

FAR_SECONDS = 4_000_000_000  # The year 2096; relative deadlines stay below it.


class Words(SortWords, DumpWords, MemberWords):
    """The random words of a template, one method for each kind."""

    def __init__(self, random):
        self.random = random
        self.group = None
        self.keys = [b"k%d" % number for number in range(13)] + [b"{tag}a", b"{tag}b", b"long" * 30, b"\x00bin\r\n"]
        self.members = [b"m%d" % number for number in range(12)] + [b"", b"7", b"-12", b"300000", b"x" * 70]

    def KEY(self):
        """Mostly one of the few keys that commands of this group share: others are of another type as a rule."""
        if self.group in OWN_KEYS and self.random.random() < 0.9:
            return b"k%d" % (OWN_KEYS[self.group] + self.random.randrange(3))
        return self.random.choice(self.keys)

    def MEMBER(self):
        return self.random.choice(self.members)

    def VALUE(self):
        choice = self.random.random()
        if choice < 0.35:
            return b"v%d" % self.random.randrange(40)
        if choice < 0.65:
            return self.INT()
        if choice < 0.75:
            return self.FLOAT()
        size = self.random.choice([0, 1, 20, 44, 45, 64, 65, 200, 1000, 20000 if choice > 0.99 else 5])
        return bytes(self.random.choice(b"ab\r\n\x00z") for _ in range(min(size, 40))) + b"y" * max(0, size - 40)

    # Enough words at once to take a value beyond the sizes at which its encoding changes.

    def MANY(self):
        begin = self.random.randrange(1000)
        return [b"element%d" % number for number in range(begin, begin + self.random.choice([30, 129, 300]))]

    def MANY_NUMBERS(self):
        begin = self.random.randrange(-1000, 100_000)
        return [b"%d" % number for number in range(begin, begin + self.random.choice([30, 129, 600]))]

    def MANY_PAIRS(self):
        """Numbers, each with a word: scores with members, or fields with values."""
        return [word for number, member in zip(self.MANY_NUMBERS(), self.MANY()) for word in (number, member)]

    def INT(self):
        pool = [0, 1, -1, 5, 100, 9999, 10000, 32767, 32768, -40000, 2147483648, 9223372036854775807, -9223372036854775808]
        return b"%d" % (self.random.choice(pool) if self.random.random() < 0.3 else self.random.randrange(-50, 50))

    def BAD_INT(self):
        return self.random.choice([b"abc", b"", b"1.0", b"99999999999999999999", b"-1", b"0x10", b"+1", b" 5"])

    def FLOAT(self):
        return self.random.choice([b"0.1", b"-2.5", b"3", b"1e3", b"3.0e-5", b"100000000000", b"0.30000000000000004"])

    def SCORE(self):
        return self.random.choice([b"1", b"2", b"-3", b"1.5", b"0.1", b"1e20", b"3.0", b"inf", b"-inf", b"17179869185",
                                   b"nan" if self.random.random() < 0.1 else b"0"])

    def INDEX(self):
        return b"%d" % self.random.choice([0, 1, 2, 3, 5, 20, 1000, -1, -2, -3, -6, -1000])

    def COUNT(self):
        return b"%d" % self.random.choice([0, 1, 2, 3, 10, 1000])

    def DB(self):
        return self.random.choice([b"0", b"0", b"0", b"1", b"2"] + [b"99", b"-1"] * (self.random.random() < 0.1))

    def TYPE(self):
        return self.random.choice([b"string", b"list", b"hash", b"set", b"zset", b"nosuch"])

    def PATTERN(self):
        return self.random.choice([b"*", b"k*", b"k[0-4]", b"?ong*", b"*a", b"k[^1]", b"nothing", b"{tag}?"])

    def FAR_S(self):
        return b"%d" % self.random.randrange(100_000, 1_000_000_000)

    def FAR_MS(self):
        return b"%d" % self.random.randrange(100_000_000, 1_000_000_000_000)

    def FAR_AT_S(self):
        return b"%d" % (FAR_SECONDS + self.random.randrange(100))

    def FAR_AT_MS(self):
        return b"%d" % (FAR_SECONDS * 1000 + self.random.randrange(100_000))

    def PAST_S(self):
        return self.random.choice([b"-1", b"0", b"-9223372036854775808"])


grammar_zsets.extend(GROUPS, OWN_KEYS, Words)
grammar_sketches.extend(GROUPS, OWN_KEYS, Words)
grammar_streams.extend(GROUPS, OWN_KEYS, Words)


def parse(template):
    """A template as nested tuples: ("all", parts), ("one", choices), ("maybe", choices), ("repeat", part), or a word."""
    tokens = re.findall(r"[\[\](){}<>|]|(?:\\.|[^\s\[\]()<>|])+", template)

    def sequence(at, closing):
        choices, parts = [], []
        while at < len(tokens) and tokens[at] != closing:
            token = tokens[at]
            if token == "|":
                choices.append(("all", parts))
                parts = []
            elif token in "[(<":
                inner, at = sequence(at + 1, {"[": "]", "(": ")", "<": ">"}[token])
                parts.append(({"[": "maybe", "(": "one", "<": "repeat"}[token], inner))
            else:
                parts.append(token.replace("\\ ", " "))
            at += 1
        return [*choices, ("all", parts)], at

    return ("one", sequence(0, None)[0])


class Grammar:
    def __init__(self, random):
        self.random = random
        self.words = Words(random)
        self.names = list(GROUPS)
        self.weights = [weight for weight, _ in GROUPS.values()]
        self.templates = {name: [parse(template) for template in group] for name, (_, group) in GROUPS.items()}

    def expand(self, node, out):
        if isinstance(node, str):
            kind = getattr(self.words, node, None) if node.isupper() else None
            words = kind() if kind else node.encode()
            out.extend(words if isinstance(words, list) else [words])
            return
        name, inner = node
        if name == "all":
            for part in inner:
                self.expand(part, out)
        elif name == "one" or (name == "maybe" and self.random.random() < 0.35):
            self.expand(self.random.choice(inner), out)
        elif name == "repeat":
            for _ in range(self.random.choice([1, 1, 1, 2, 3, 4])):
                self.expand(inner[0], out)

    def commands(self):
        """One random command, or a whole transaction, as lists of bytes."""
        if self.random.random() > TRANSACTION_CHANCE:
            return [self.command()]
        body = [self.command() for _ in range(self.random.randrange(1, 8))]
        return [[b"multi"], *body, [b"exec"]]

    def command(self):
        """A random command, valid or slightly spoiled."""
        self.words.group = self.random.choices(self.names, self.weights)[0]
        out = []
        self.expand(self.random.choice(self.templates[self.words.group]), out)
        if self.random.random() < 0.05:
            out[0] = out[0].upper()
        if self.random.random() < MUTATION_CHANCE and NEVER_MUTATED.isdisjoint((out[0].lower(), out[-1], *out[1:3])):
            self.mutate(out)
        return out

    def mutate(self, out):
        at = self.random.randrange(1, len(out) + 1)
        choice = self.random.random()
        if choice < 0.35 and at < len(out):
            del out[at]
        elif choice < 0.7 and at < len(out):
            out[at] = self.random.choice(ODD_WORDS)
        else:
            out.insert(at, self.random.choice(ODD_WORDS))
