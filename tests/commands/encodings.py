#!/usr/bin/python3
"""OBJECT ENCODING around every threshold that CONFIG SET can move, against redis-server.

    encodings.py STRATA_SERVER [--threads N]

Each option is set under each of its names, live, and values are grown over the limit one by one, by count and by length of
an element. Where Redis 7.2 differs from 7.0 (release notes of 7.2: small lists and sets of words are listpacks) the rule
of 7.2 is written out here and redis-server 7.0 is not asked.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from servers import REDIS_SERVER, without_persistence  # noqa: E402

COUNTS = (1, 2, 5, 16, 128)
LENGTHS = (1, 8, 63, 64, 100)


class Pair:
    """Both servers, or ours alone; each command must give the same."""

    def __init__(self, ours, theirs):
        self.ours, self.theirs, self.checks = ours, theirs, 0

    def both(self, *command):
        replies = [connection.command(*command) for connection in (self.ours, self.theirs)]
        assert replies[0] == replies[1], f"{command[:4]}: {replies[0]} instead of {replies[1]}"
        return replies[0]

    def set(self, name, value):
        assert self.both("CONFIG", "SET", name, value).value == b"OK"

    def ours_alone(self, *command):
        reply = self.ours.command(*command)
        assert reply.kind != "-", (command[:4], reply)
        return reply

    def encoding(self, key):
        self.checks += 1
        return self.both("OBJECT", "ENCODING", key).value.decode()

    def expect(self, key, encoding):
        """For what 7.0 does not have."""
        self.checks += 1
        found = self.ours.command("OBJECT", "ENCODING", key).value.decode()
        assert found == encoding, f"{key}: {found} instead of {encoding}"


def alias_is_the_same(pair, *names):
    for name in names:
        pair.set(name, 7)
        for other in names:
            assert pair.both("CONFIG", "GET", other).value[1].value == b"7"


def hashes(pair):
    for entries, value in (("hash-max-listpack-entries", "hash-max-listpack-value"), ("hash-max-ziplist-entries", "hash-max-ziplist-value")):
        for limit in COUNTS:
            pair.both("FLUSHALL")
            pair.set(entries, limit)
            pair.set(value, 64)
            for number in range(limit + 2):
                pair.both("HSET", "h", f"f{number}", "v")
                pair.both("HINCRBY", "i", f"f{number}", 5)
                pair.both("HSETNX", "n", f"f{number}", "v")
                assert pair.encoding("h") == pair.encoding("n") == pair.encoding("i") == ("listpack" if number < limit else "hashtable")
            pair.both("HDEL", "h", *(f"f{number}" for number in range(limit)))
            assert pair.encoding("h") == "hashtable"  # never back
        for limit in LENGTHS:
            pair.set(value, limit)
            for length in (limit - 1, limit, limit + 1):
                pair.both("FLUSHALL")
                pair.both("HSET", "field", "f" * length, "v")
                pair.both("HSET", "value", "f", "v" * length)
                pair.both("HSET", "late", "a", "b", "f", "v" * length)
                for key in ("field", "value", "late"):
                    pair.encoding(key)


def zsets(pair):
    for entries, value in (("zset-max-listpack-entries", "zset-max-listpack-value"), ("zset-max-ziplist-entries", "zset-max-ziplist-value")):
        for limit in COUNTS:
            pair.both("FLUSHALL")
            pair.set(entries, limit)
            pair.set(value, 64)
            for number in range(limit + 2):
                pair.both("ZADD", "z", number, f"m{number}")
                pair.both("ZINCRBY", "i", 1.5, f"m{number}")
                assert pair.encoding("z") == pair.encoding("i") == ("listpack" if number < limit else "skiplist")
            pair.both("ZPOPMIN", "z", limit)
            assert pair.encoding("z") == "skiplist"
        for limit in LENGTHS:
            pair.set(value, limit)
            for length in (limit - 1, limit, limit + 1):
                pair.both("FLUSHALL")
                pair.both("ZADD", "z", 1, "m" * length)
                pair.both("ZADD", "late", 1, "a", 2, "m" * length)
                pair.encoding("z"), pair.encoding("late")


def sets(pair):
    for limit in COUNTS:
        pair.both("FLUSHALL")
        pair.set("set-max-intset-entries", limit)
        for number in range(limit + 2):
            pair.both("SADD", "s", number)
            assert pair.encoding("s") == ("intset" if number < limit else "hashtable")
    # 7.2: words go to a listpack.
    pair.set("set-max-intset-entries", 512)
    for limit in COUNTS:
        pair.both("FLUSHALL")
        pair.ours_alone("CONFIG", "SET", "set-max-listpack-entries", limit)
        for number in range(limit + 2):
            pair.both("SADD", "s", f"m{number}")
            pair.expect("s", "listpack" if number < limit else "hashtable")
        pair.both("SADD", "mixed", *range(limit))
        assert pair.encoding("mixed") == "intset"
        pair.both("SADD", "mixed", "word")
        pair.expect("mixed", "hashtable")
        pair.both("SADD", "few", *range(max(1, limit - 1)))
        pair.both("SADD", "few", "word")
        pair.expect("few", "listpack" if limit > 1 else "hashtable")
    pair.ours_alone("CONFIG", "SET", "set-max-listpack-entries", 128)
    for limit in LENGTHS:
        pair.ours_alone("CONFIG", "SET", "set-max-listpack-value", limit)
        for length in (limit - 1, limit, limit + 1):
            pair.both("FLUSHALL")
            pair.both("SADD", "s", "m" * length)
            pair.expect("s", "listpack" if length <= limit else "hashtable")
            pair.both("SADD", "late", "a" * min(limit, 5), "m" * length)
            pair.expect("late", "listpack" if length <= limit else "hashtable")


def lists(pair):
    """7.2: one node's worth is a listpack. 7.0 calls every list a quicklist."""
    for name in ("list-max-listpack-size", "list-max-ziplist-size"):
        for limit in COUNTS:
            pair.both("FLUSHALL")
            pair.set(name, limit)
            for number in range(limit + 2):
                pair.both("RPUSH", "l", f"e{number}")
                pair.both("LPUSH", "p", f"e{number}")
                for key in ("l", "p"):
                    pair.expect(key, "listpack" if number < limit else "quicklist")
        for kind, limit in ((-1, 4096), (-2, 8192), (-3, 16384), (-4, 32768), (-5, 65536)):
            pair.both("FLUSHALL")
            pair.set(name, kind)
            element = "x" * 1000
            for number in range(limit // 1000 - 1):
                pair.both("RPUSH", "l", element)
                pair.expect("l", "listpack")
            pair.both("RPUSH", "l", element, element, element)
            pair.expect("l", "quicklist")
            pair.both("RPUSH", "large", "y" * (limit + 1))
            pair.expect("large", "quicklist")
    pair.set("list-max-listpack-size", -2)


def strings(pair):
    for value in (0, 9999, 10000, -1, 2**63 - 1, -(2**63), 2**63, "007", "1.5", "", "+1", " 1", *("x" * size for size in (43, 44, 45, 1000, 5000))):
        pair.both("SET", "s", value)
        pair.encoding("s"), pair.both("OBJECT", "REFCOUNT", "s")
    for change in (("APPEND", "s", "x"), ("SETRANGE", "s", 1, "y"), ("INCR", "n"), ("INCRBYFLOAT", "n", "0.5"), ("INCRBYFLOAT", "n", "0.5"),
                   ("GETSET", "s", 12), ("COPY", "s", "t", "REPLACE"), ("APPEND", "t", "3"), ("COPY", "t", "u", "REPLACE"), ("RENAME", "u", "v")):
        pair.both(*change)
        for key in ("s", "n", "t", "u", "v"):
            if pair.both("EXISTS", key).value == b"1":
                pair.encoding(key)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("strata")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    with without_persistence(options.strata, "--threads", options.threads) as ours, without_persistence(REDIS_SERVER) as theirs:
        pair = Pair(ours.connect(), theirs.connect())
        for names in (("hash-max-listpack-entries", "hash-max-ziplist-entries"), ("hash-max-listpack-value", "hash-max-ziplist-value"),
                      ("zset-max-listpack-entries", "zset-max-ziplist-entries"), ("zset-max-listpack-value", "zset-max-ziplist-value"),
                      ("list-max-listpack-size", "list-max-ziplist-size")):
            alias_is_the_same(pair, *names)
        for check in (strings, lists, hashes, sets, zsets):
            check(pair)
        print(f"{pair.checks} encodings as they should be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
