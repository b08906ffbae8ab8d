#!/usr/bin/python3
"""SCAN with MATCH, TYPE and COUNT finds what it should, whatever happens meanwhile; RANDOMKEY picks fairly.

    walks.py STRATA_SERVER [--threads N]
"""

import argparse
import fnmatch
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from resp import encode, to_bytes  # noqa: E402
from servers import without_persistence  # noqa: E402

KEYS_OF_A_TYPE = 3000
MAKERS = {"string": ("SET", "v"), "list": ("RPUSH", "e"), "set": ("SADD", "m"), "hash": ("HSET", "f", "v"), "zset": ("ZADD", 1, "m")}


def pipeline(connection, commands):
    commands = [[to_bytes(word) for word in command] for command in commands]
    connection.send(b"".join(map(encode, commands)))
    return [connection.read() for _ in commands]


def scan(connection, *options, meanwhile=lambda: None):
    """All keys of a full iteration, in order, with repetitions, and the number of calls."""
    found, cursor, calls = [], b"0", 0
    while True:
        cursor, keys = (part.value for part in connection.command("SCAN", cursor, *options).value)
        found += [key.value.decode() for key in keys]
        calls += 1
        if cursor == b"0":
            return found, calls
        meanwhile()


def fill(connection):
    names = {kind: {f"{kind}:{number}" for number in range(KEYS_OF_A_TYPE)} for kind in MAKERS}
    for kind, (command, *rest) in MAKERS.items():
        pipeline(connection, [(command, name, *rest) for name in names[kind]])
    return names


def options_are_honoured(connection, names):
    every = set().union(*names.values())
    for count in (1, 10, 1000, 10**6):
        for pattern in (None, "*", "list:*", "*:1?", "*[0-4]", "nothing*"):
            for kind in (None, "list", "ZSET", "nosuchtype"):
                options = [*(("MATCH", pattern) if pattern else ()), *(("TYPE", kind) if kind else ()), "COUNT", count]
                if count == 1 and pattern != "*:1?":
                    continue  # Many calls: one pattern will do.
                found, calls = scan(connection, *options)
                wanted = {name for name in every if (pattern is None or fnmatch.fnmatchcase(name, pattern)) and
                          (kind is None or name.startswith(kind.lower() + ":"))}
                assert set(found) == wanted, f"SCAN {options}: {len(set(found))} instead of {len(wanted)}"
                assert len(found) == len(wanted), f"SCAN {options}: repetitions though nothing changed"
                assert count > 1 or calls > len(every) / 100, f"SCAN {options}: COUNT is not honoured, {calls} calls"


def nothing_is_missed(connection, names):
    """Keys that are there from the first call to the last are found, while others come and go."""
    chooser, made = random.Random(1), []

    def meanwhile():
        fresh = [f"passing:{chooser.randrange(10**6)}" for _ in range(50)]
        made.extend(fresh)
        gone = [made.pop(chooser.randrange(len(made))) for _ in range(20)]
        pipeline(connection, [*(("SET", name, 1) for name in fresh), *(("DEL", name) for name in gone)])

    every = set().union(*names.values())
    found, _ = scan(connection, "COUNT", 100, meanwhile=meanwhile)
    assert every <= set(found), f"{len(every - set(found))} keys were not found"


def random_keys_are_fair(connection):
    """Chi-square over 64 keys; the limit is passed by chance once in a million runs."""
    pipeline(connection, [("FLUSHALL",), *(("SET", f"key:{number}", 1) for number in range(64))])
    draws, counts = 64 * 200, {}
    for reply in pipeline(connection, [("RANDOMKEY",)] * draws):
        counts[reply.value] = counts.get(reply.value, 0) + 1
    assert len(counts) == 64
    expected = draws / 64
    chi_square = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_square < 130, f"chi-square of 63 degrees of freedom: {chi_square:.0f}"


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("strata")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    with without_persistence(options.strata, "--threads", options.threads) as server:
        connection = server.connect()
        names = fill(connection)
        options_are_honoured(connection, names)
        nothing_is_missed(connection, names)
        random_keys_are_fair(connection)
    print("walks are complete")
    return 0


if __name__ == "__main__":
    sys.exit(main())
