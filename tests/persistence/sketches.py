#!/usr/bin/python3
"""HyperLogLogs byte for byte after a restart and in redis-server: PFCOUNT writes into the value, and is logged for that.

    sketches.py STRATA_SERVER [--threads N] [--only CASE] [--keep]
"""

import sys

from cases import run_cases

LOG = ("--appendonly", "yes")
COMMANDS = """
PFADD few a b c
PFCOUNT few
PFADD fresh a b c
PFADD again a
PFCOUNT again
PFADD again b
PFCOUNT few nokey
PFADD other x y
PFCOUNT few other
PFMERGE merged few other
PFCOUNT merged
PFMERGE uncounted few other
MULTI
PFADD inside a b
PFCOUNT inside
EXEC
""".strip().splitlines()


def fill(connection):
    for line in COMMANDS:
        reply = connection.command(*line.split())
        assert reply.kind != "-", f"{line}: {reply.value}"
    connection.command("PFADD", "dense", *(f"element:{number}" for number in range(20_000)))
    connection.command("PFCOUNT", "dense")


def values(connection):
    return {name.value: connection.command("GET", name.value).value for name in connection.command("KEYS", "*").value}


def ours(case):
    folder = case.path("ours")
    with case.ours(folder, *LOG) as server:
        fill(server.connect())
        expected = values(server.connect())
        server.kill()
        copy = case.copy("redis", folder)
        server.start()
        assert values(server.connect()) == expected, "after kill -9"
    with case.redis(copy, *LOG) as server:
        assert values(server.connect()) == expected, "in redis-server"


def theirs(case):
    folder = case.path("redis")
    with case.redis(folder, *LOG) as server:
        fill(server.connect())
        expected = values(server.connect())
        server.kill()
    with case.ours(case.copy("ours", folder), *LOG) as server:
        assert values(server.connect()) == expected, "of redis-server"


def alike(case):
    """The same commands leave the same bytes in both."""
    with case.ours(case.path("ours"), *LOG) as server, case.redis(case.path("redis"), *LOG) as redis:
        fill(server.connect())
        fill(redis.connect())
        assert values(server.connect()) == values(redis.connect())


CASES = (ours, theirs, alike)

if __name__ == "__main__":
    sys.exit(run_cases(CASES, __doc__))
