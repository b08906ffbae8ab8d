#!/usr/bin/python3
"""What DUMP of Strata gives, RESTORE of redis-server takes, and the other way round, for every type and encoding.

    dump.py STRATA_SERVER [--threads N] [--only CASE] [--keep]

Values travel there and back again; each stop is compared with what was sent, and with the encoding that redis-server
gives it.
"""

import random
import sys

from cases import run_cases
from dataset import commands, contents, pipeline, require_same, small_limits
from payload import signed

OPTIONS = ("--save", "", "--appendonly", "no")
LARGE = 20_000


def carry(source, target):
    """Every key of database 0 by DUMP and RESTORE."""
    names = [item.value for item in source.command("KEYS", "*").value]
    dumps = [source.command("DUMP", name).value for name in names]
    deadlines = [max(0, int(source.command("PEXPIRETIME", name).value)) for name in names]
    pipeline(target, [("RESTORE", *words, "ABSTTL", "REPLACE") for words in zip(names, deadlines, dumps)])
    return dict(zip(names, dumps))


def encodings(connection):
    names = [item.value for item in connection.command("KEYS", "*").value]
    return {name: connection.command("OBJECT", "ENCODING", name).value for name in names}


def require_encodings(ours, theirs):
    mine = encodings(ours)
    for name, encoding in encodings(theirs).items():
        packed = mine[name] == b"listpack" and encoding in (b"quicklist", b"hashtable")  # Redis 7.2 has it so.
        assert mine[name] == encoding or packed, f"{name[:60]!r}: {mine[name]} instead of {encoding}"


def pair(case, name, *options):
    return case.ours(case.path(f"{name} ours"), *OPTIONS, *options), case.redis(case.path(f"{name} redis"), *OPTIONS)


def every_encoding(case):
    """The whole data set, with Redis's limits and with small ones, which make large encodings."""
    for name, limit in (("usual", False), ("small", True)):
        ours, theirs = pair(case, name)
        with ours as strata, theirs as redis:
            here, there = strata.connect(), redis.connect()
            if limit:
                small_limits(here), small_limits(there)
                pipeline(there, [("CONFIG", "SET", "list-compress-depth", 1), ("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "10K")])
            pipeline(there, commands(7))
            expected = contents(there)
            carry(there, here)
            require_same(contents(here), expected, f"{name}: redis-server to Strata")
            pipeline(there, [("FLUSHALL",)])
            carry(here, there)
            require_encodings(here, there)
            require_same(contents(there), expected, f"{name}: Strata to redis-server")
            pipeline(here, [("FLUSHALL",)])
            pipeline(here, commands(7))
            carry(here, there)
            require_same(contents(there), contents(here), f"{name}: Strata to redis-server, over what is there")


def large_values(case):
    """Values that are taken in slices on our side."""
    chooser = random.Random(5)
    numbers = [chooser.randrange(10**12) for _ in range(LARGE)]
    words = [b"element %d %s" % (number, b"x" * (number % 60)) for number in numbers]
    fill = [("RPUSH", "list", *words), ("RPUSH", "list of numbers", *numbers), ("SADD", "set", *words),
            ("SADD", "ints", *numbers), ("HSET", "hash", *words), ("SET", "string", chooser.randbytes(3 << 20)),
            ("SET", "compressible", b"compress me " * 300_000),
            ("ZADD", "zset", *(word for pair in zip(numbers, words) for word in pair))]
    ours, theirs = pair(case, "large")
    with ours as strata, theirs as redis:
        here, there = strata.connect(), redis.connect()
        pipeline(here, fill)
        expected = contents(here)
        dumps = carry(here, there)
        require_same(contents(there), expected, "Strata to redis-server")
        pipeline(here, [("FLUSHALL",)])
        carry(there, here)
        require_same(contents(here), expected, "redis-server to Strata")
        # Cut and flipped: refused as a whole, and nothing is left of what was taken in before.
        for name, dump in dumps.items():
            for bad in (dump[: len(dump) // 2], dump[:-1], dump[:1000] + bytes([dump[1000] ^ 1]) + dump[1001:]):
                reply = here.command("RESTORE", b"bad " + name, 0, bad)
                assert reply.value == b"ERR DUMP payload version or checksum are wrong", reply
        pipeline(here, [("FLUSHALL",)])
        used = int(info_memory(here))
        for name, dump in dumps.items():
            bad = signed(dump[: len(dump) // 2])
            reply = here.command("RESTORE", b"bad " + name, 0, bad)
            assert reply.value == b"ERR Bad data format" or not (reply.kind == "-"), (name, reply)
            pipeline(here, [("DEL", b"bad " + name)])
        pipeline(here, [("FLUSHALL", "SYNC")])
        assert int(info_memory(here)) < used + (8 << 20), "what was refused is still there"


def survives_restart(case):
    """RESTORE is in the log, with a point in time as deadline."""
    folder = case.path("log")
    with case.ours(folder, "--appendonly", "yes") as server:
        connection = server.connect()
        pipeline(connection, commands(3))
        for name in [item.value for item in connection.command("KEYS", "*").value]:
            dump = connection.command("DUMP", name).value
            pipeline(connection, [("RESTORE", b"copy of " + name, 100_000_000, dump), ("RESTORE", name, 0, dump, "REPLACE")])
        pipeline(connection, [("RESTORE", "gone", 1, connection.command("DUMP", "string:short").value, "ABSTTL")])
        before = contents(connection)
        server.kill()
        server.start()
        require_same(contents(server.connect()), before, "after kill -9")


def versions(case):
    """Payloads of RDB versions up to 12 are taken, newer ones refused."""
    with case.ours(case.path("ours"), *OPTIONS) as server:
        connection = server.connect()
        for version in range(1, 20):
            reply = connection.command("RESTORE", f"v{version}", 0, signed(b"\x00\x05hello", version))
            assert (reply.value == b"OK") == (version <= 12), (version, reply)


def info_memory(connection):
    text = connection.command("INFO", "memory").value.decode()
    return next(line.split(":")[1] for line in text.splitlines() if line.startswith("used_memory:"))


CASES = (every_encoding, large_values, survives_restart, versions)

if __name__ == "__main__":
    sys.exit(run_cases(CASES, __doc__))
