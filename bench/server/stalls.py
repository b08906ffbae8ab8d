#!/usr/bin/python3
"""What other clients see while one client works on a large value: the worst answer time of a paced PING.

    stalls.py [--strata build/release/bin/strata-server] [--elements 1000000] [--rounds 5] [--threads 1] [--peer]
              [--only TEXT] [--log] [--check]

For each command: a value of so many elements, a probe that sends PING every millisecond from a process of its own, and
the command on it. Quiet and busy windows take turns; each figure is the median over the rounds of a window's worst
PING. A row is good when that is below 20 ms, or below twice the quiet windows' worst where that is more, and when
the server itself says that no loop turn and no shard hold took 5 ms of CPU time. --check ends with 1 if a row is
not good. --peer does the same with redis-server. With --log the servers write a log (appendfsync everysec).
"""

import argparse
import multiprocessing
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from resp import Connection, ConnectionLost, encode, to_bytes  # noqa: E402
from servers import REDIS_SERVER, Server, without_persistence  # noqa: E402

WORST_PING_MS = 20
LONGEST_HOLD_US = 5000
PACE_SECONDS = 0.001
QUIET_SECONDS = 0.3
BATCH = 1000


def probe(port, window, worst):
    """Sends paced PINGs for ever; `worst` holds the longest answer of the window whose number is in `window`."""
    connection = Connection(port)
    seen = 0
    while window.value >= 0:
        if window.value != seen:
            seen = window.value
            worst.value = 0.0
        began = time.perf_counter()
        connection.command("PING")
        took = time.perf_counter() - began
        if window.value == seen:
            worst.value = max(worst.value, took)
        time.sleep(PACE_SECONDS)


def fill(connection, head, elements, per_element):
    """Sends `head` with the arguments of BATCH elements at a time."""
    for first in range(0, elements, BATCH):
        arguments = [to_bytes(part) for part in head]
        for number in range(first, min(first + BATCH, elements)):
            arguments.extend(per_element(number))
        connection.send(encode(arguments))
        connection.read()


def a_list(connection, key, elements):
    fill(connection, ["RPUSH", key], elements, lambda number: [b"element:%d" % number])


def a_set(connection, key, elements):
    fill(connection, ["SADD", key], elements, lambda number: [b"member:%d" % number])


def a_hash(connection, key, elements):
    fill(connection, ["HSET", key], elements, lambda number: [b"field:%d" % number, b"v%d" % number])


def a_zset(connection, key, elements):
    fill(connection, ["ZADD", key], elements, lambda number: [b"%d" % number, b"member:%d" % number])


def keys(connection, _, elements):
    fill(connection, ["MSET"], elements, lambda number: [b"key:%d" % number, b"v"])


def text(connection, key, elements):
    connection.command("SET", key, b"ab" * (elements // 250))


def a_stream(connection, key, elements):
    """Entries 1-0, 2-0, …"""
    for first in range(1, elements + 1, BATCH):
        last = min(first + BATCH - 1, elements)
        connection.send(b"".join(encode([b"XADD", to_bytes(key), b"%d-0" % number, b"field", b"value:%d" % number])
                                 for number in range(first, last + 1)))
        for _ in range(first, last + 1):
            connection.read()


def a_group(connection, key, elements):
    """A stream all of whose entries are pending."""
    a_stream(connection, key, elements)
    connection.command("XGROUP", "CREATE", key, "g", "0")
    for _ in range(0, elements, 10 * BATCH):
        connection.command("XREADGROUP", "GROUP", "g", "c", "COUNT", 10 * BATCH, "STREAMS", key, ">")


def an_unread_group(connection, key, elements):
    a_stream(connection, key, elements)
    connection.command("XGROUP", "CREATE", key, "g", "0")


def ids(count, step):
    """That many IDs of entries, apart from each other."""
    return [f"{number}-0" for number in range(1, count * step + 1, step)]


def long_string(connection, key, elements):
    """Of 100 MB, for a million elements."""
    connection.command("SETRANGE", key, 100 * elements - 1, "x")


FAR = 512 * 1024 * 1024 - 16  # nearly as long as a string can be

# name, what is there before each run, the commands, and one by which another client waits for them
CASES = [
    ("DEL list", {"a": a_list}, [["DEL", "a"]]),
    ("DEL hash", {"a": a_hash}, [["DEL", "a"]]),
    ("DEL set", {"a": a_set}, [["DEL", "a"]]),
    ("DEL zset", {"a": a_zset}, [["DEL", "a"]]),
    ("SET over zset", {"a": a_zset}, [["SET", "a", "v"]]),
    ("EXPIRE in the past", {"a": a_hash}, [["EXPIRE", "a", "-1"]]),
    ("LREM", {"a": a_list}, [["LREM", "a", "0", "element:999"]]),
    ("LTRIM", {"a": a_list}, [["LTRIM", "a", "400000", "500000"]]),
    ("LINSERT", {"a": a_list}, [["LINSERT", "a", "BEFORE", "element:999998", "x"]]),
    ("LPOS", {"a": a_list}, [["LPOS", "a", "none"]]),
    ("LSET", {"a": a_list}, [["LSET", "a", "500000", "x"]]),
    ("LPOP", {"a": a_list}, [["LPOP", "a", "900000"]]),
    ("LMPOP", {"a": a_list}, [["LMPOP", "1", "a", "RIGHT", "COUNT", "1000000"]]),
    ("LMOVEM", {"a": a_list, "b": a_list}, [["LMOVEM", "a", "b", "LEFT", "LEFT", "COUNT", "1000000", "OBO"]]),
    ("LMOVEM rotates", {"a": a_list}, [["LMOVEM", "a", "a", "LEFT", "RIGHT", "EXACTLY", "900000", "BULK"]]),
    ("BLMPOP served", {"a": a_list}, [["RENAME", "a", "c"]], ["BLMPOP", "0", "1", "c", "LEFT", "COUNT", "1000000"]),
    ("BLMOVEM served", {"a": a_list}, [["RENAME", "a", "c"]],
     ["BLMOVEM", "c", "d", "LEFT", "RIGHT", "0", "EXACTLY", "900000", "BULK"]),
    ("BZMPOP served", {"a": a_zset}, [["RENAME", "a", "c"]], ["BZMPOP", "0", "1", "c", "MAX", "COUNT", "1000000"]),
    ("SETBIT far out", {}, [["SETBIT", "a", 8 * FAR, "1"]]),
    ("SETRANGE far out", {}, [["SETRANGE", "a", FAR, "x"]]),
    ("SETRANGE far behind", {"a": long_string}, [["SETRANGE", "a", FAR, "x"]]),
    ("APPEND to a long one", {"a": long_string}, [["APPEND", "a", "x"]]),
    ("DEL of a long string", {"a": long_string}, [["DEL", "a"]]),
    ("LRANGE", {"a": a_list}, [["LRANGE", "a", "0", "-1"]]),
    ("SMEMBERS", {"a": a_set}, [["SMEMBERS", "a"]]),
    ("SPOP all", {"a": a_set}, [["SPOP", "a", "999999"]]),
    ("SRANDMEMBER", {"a": a_set}, [["SRANDMEMBER", "a", "500000"]]),
    ("SRANDMEMBER -", {"a": a_set}, [["SRANDMEMBER", "a", "-500000"]]),
    ("SUNION", {"a": a_set, "b": a_set}, [["SUNION", "a", "b"]]),
    ("SUNIONSTORE", {"a": a_set, "b": a_set}, [["SUNIONSTORE", "c", "a", "b"]]),
    ("SDIFF", {"a": a_set}, [["SDIFF", "a", "none"]]),
    ("SINTER", {"a": a_set, "b": a_set}, [["SINTER", "a", "b"]]),
    ("SINTERSTORE", {"a": a_set, "b": a_set}, [["SINTERSTORE", "c", "a", "b"]]),
    ("SDIFFSTORE", {"a": a_set}, [["SDIFFSTORE", "c", "a", "none"]]),
    ("HGETALL", {"a": a_hash}, [["HGETALL", "a"]]),
    ("HKEYS", {"a": a_hash}, [["HKEYS", "a"]]),
    ("HRANDFIELD", {"a": a_hash}, [["HRANDFIELD", "a", "500000", "WITHVALUES"]]),
    ("ZRANGE", {"a": a_zset}, [["ZRANGE", "a", "0", "-1", "WITHSCORES"]]),
    ("ZREVRANGEBYSCORE", {"a": a_zset}, [["ZREVRANGEBYSCORE", "a", "+inf", "-inf"]]),
    ("ZREMRANGEBYRANK", {"a": a_zset}, [["ZREMRANGEBYRANK", "a", "10", "-10"]]),
    ("ZPOPMIN", {"a": a_zset}, [["ZPOPMIN", "a", "999999"]]),
    ("ZRANDMEMBER", {"a": a_zset}, [["ZRANDMEMBER", "a", "500000"]]),
    ("ZUNIONSTORE", {"a": a_zset, "b": a_zset}, [["ZUNIONSTORE", "c", "2", "a", "b"]]),
    ("ZINTERSTORE", {"a": a_zset, "b": a_zset}, [["ZINTERSTORE", "c", "2", "a", "b"]]),
    ("ZDIFFSTORE", {"a": a_zset}, [["ZDIFFSTORE", "c", "2", "a", "none"]]),
    ("ZUNION", {"a": a_zset, "b": a_zset}, [["ZUNION", "2", "a", "b", "WITHSCORES"]]),
    ("ZMPOP", {"a": a_zset}, [["ZMPOP", "1", "a", "MIN", "COUNT", "1000000"]]),
    ("ZRANGESTORE", {"a": a_zset}, [["ZRANGESTORE", "c", "a", "0", "-1"]]),
    ("DEL stream", {"a": a_group}, [["DEL", "a"]]),
    ("XRANGE", {"a": a_stream}, [["XRANGE", "a", "-", "+"]]),
    ("XREVRANGE", {"a": a_stream}, [["XREVRANGE", "a", "+", "-"]]),
    ("XREAD", {"a": a_stream}, [["XREAD", "STREAMS", "a", "0"]]),
    ("XTRIM", {"a": a_stream}, [["XTRIM", "a", "MAXLEN", "10"]]),
    ("XADD MAXLEN", {"a": a_stream}, [["XADD", "a", "MAXLEN", "10", "*", "field", "value"]]),
    ("XDEL of 100,000", {"a": a_stream}, [["XDEL", "a", *ids(100_000, 7)]]),
    ("XREADGROUP", {"a": an_unread_group}, [["XREADGROUP", "GROUP", "g", "c", "STREAMS", "a", ">"]]),
    ("XREADGROUP CLAIM", {"a": a_group}, [["XREADGROUP", "GROUP", "g", "d", "CLAIM", "0", "STREAMS", "a", ">"]]),
    ("XREADGROUP history", {"a": a_group}, [["XREADGROUP", "GROUP", "g", "c", "STREAMS", "a", "0"]]),
    ("XACK of 100,000", {"a": a_group}, [["XACK", "a", "g", *ids(100_000, 7)]]),
    ("XCLAIM of 100,000", {"a": a_group}, [["XCLAIM", "a", "g", "d", "0", *ids(100_000, 7)]]),
    ("XDEL of 1,000,000", {"a": a_stream}, [["XDEL", "a", *ids(1_000_000, 1)]]),
    ("XACK of 1,000,000", {"a": a_group}, [["XACK", "a", "g", *ids(1_000_000, 1)]]),
    ("XCLAIM of 1,000,000", {"a": a_group}, [["XCLAIM", "a", "g", "d", "0", *ids(1_000_000, 1), "JUSTID"]]),
    ("XACKDEL of 1,000,000", {"a": a_group}, [["XACKDEL", "a", "g", "IDS", "1000000", *ids(1_000_000, 1)]]),
    ("XTRIM DELREF", {"a": a_group}, [["XTRIM", "a", "MAXLEN", "10", "DELREF"]]),
    ("XAUTOCLAIM of the gone", {"a": a_group}, [["XTRIM", "a", "MAXLEN", "10"], ["XAUTOCLAIM", "a", "g", "d", "0", "0", "COUNT", "1000000"]]),
    ("XAUTOCLAIM", {"a": a_group}, [["XAUTOCLAIM", "a", "g", "d", "0", "0", "COUNT", "1000000"]]),
    ("XPENDING", {"a": a_group}, [["XPENDING", "a", "g", "-", "+", "1000000"]]),
    ("XPENDING IDLE", {"a": a_group}, [["XPENDING", "a", "g", "IDLE", "100000000", "-", "+", "10"]]),
    ("XINFO FULL", {"a": a_group}, [["XINFO", "STREAM", "a", "FULL", "COUNT", "0"]]),
    ("XGROUP DELCONSUMER", {"a": a_group}, [["XGROUP", "DELCONSUMER", "a", "g", "c"]]),
    ("XGROUP DESTROY", {"a": a_group}, [["XGROUP", "DESTROY", "a", "g"]]),
    ("COPY stream", {"a": a_group}, [["COPY", "a", "c"]]),
    ("COPY list", {"a": a_list}, [["COPY", "a", "c"]]),
    ("COPY hash", {"a": a_hash}, [["COPY", "a", "c"]]),
    ("COPY zset", {"a": a_zset}, [["COPY", "a", "c"]]),
    ("RENAME", {"a": a_hash}, [["RENAME", "a", "c"]]),
    ("SORT", {"a": a_list}, [["SORT", "a", "ALPHA"]]),
    ("SORT STORE", {"a": a_zset}, [["SORT", "a", "ALPHA", "STORE", "c"]]),
    ("DUMP", {"a": a_hash}, [["DUMP", "a"]]),
    ("LCS", {"{t}a": text, "{t}b": text}, [["LCS", "{t}a", "{t}b", "LEN"]]),
    ("KEYS", {"": keys}, [["KEYS", "*99"]]),
    ("FLUSHALL", {"": keys, "a": a_hash}, [["FLUSHALL"]]),
    ("FLUSHALL SYNC", {"": keys, "a": a_hash}, [["FLUSHALL", "SYNC"]]),
    ("FLUSHDB ASYNC", {"": keys, "a": a_zset}, [["FLUSHDB", "ASYNC"]]),
    ("SWAPDB", {"": keys}, [["SWAPDB", "0", "1"]]),
    ("MULTI DEL", {"a": a_zset}, [["MULTI"], ["DEL", "a"], ["EXEC"]]),
    ("UNLINK of 10,000 keys", {"": keys}, [["UNLINK", *[f"key:{number}" for number in range(10_000)]]]),
]


def own_figures(connection):
    """The longest loop turn and shard hold that the server saw, in microseconds; zeros for redis-server."""
    figures = {}
    for line in connection.command("INFO", "everything").value.decode().splitlines():
        name, _, value = line.partition(":")
        figures[name] = value
    return (int(figures.get("longest_loop_turn_usec", 0)), int(figures.get("longest_shard_hold_usec", 0)))


class Windows:
    """Measures the probe's worst answer while something runs."""

    def __init__(self, window, worst):
        self.window, self.worst = window, worst

    def measure(self, work):
        self.window.value += 1
        time.sleep(5 * PACE_SECONDS)
        work()
        time.sleep(20 * PACE_SECONDS)  # an answer that is still on its way belongs to this window
        return self.worst.value * 1000


def run_case(connection, windows, case, arguments):
    _, prepared, commands, *waits = case
    quiet, busy, took, turns, holds, error = [], [], [], [], [], ""
    for _ in range(arguments.rounds):
        connection.command("FLUSHALL")
        for key, make in prepared.items():
            make(connection, key, arguments.elements)
        waiters = [Connection(connection.socket.getpeername()[1], timeout=120) for _ in waits]
        for waiter, command in zip(waiters, waits):
            waiter.send(encode([to_bytes(part) for part in command]))
        time.sleep(0.1)
        quiet.append(windows.measure(lambda: time.sleep(QUIET_SECONDS)))
        connection.command("CONFIG", "RESETSTAT")

        def work():
            nonlocal error
            began = time.perf_counter()
            for command in commands:
                connection.send(encode([to_bytes(part) for part in command]))
            for _ in commands:
                reply = connection.read()
                if reply.kind == "-":
                    error = reply.value.decode()
            for waiter in waiters:
                waiter.read()
            took.append((time.perf_counter() - began) * 1000)

        busy.append(windows.measure(work))
        turn, hold = own_figures(connection)
        turns.append(turn)
        holds.append(hold)
        if error:
            break
    return [statistics.median(figures) for figures in (quiet, busy, took, turns, holds)], error


def with_log(binary, *options):
    return Server(binary, "--save", "", "--appendonly", "yes", "--auto-aof-rewrite-percentage", "0", *options)


def run_server(binary, options, arguments):
    """Prints a row for each case; returns how many are not good."""
    bad = 0
    start = with_log if arguments.log else without_persistence
    with start(binary, *options) as server:
        window, worst = multiprocessing.Value("i", 0), multiprocessing.Value("d", 0.0)
        prober = multiprocessing.Process(target=probe, args=(server.port, window, worst), daemon=True)
        prober.start()
        windows = Windows(window, worst)
        connection = Connection(server.port, timeout=120)
        for case in CASES:
            if arguments.only and arguments.only not in case[0]:
                continue
            try:
                (quiet, busy, took, turn, hold), error = run_case(connection, windows, case, arguments)
            except ConnectionLost as lost:
                print(f"| {case[0]} | {lost} |")
                return bad + 1
            good = busy < max(WORST_PING_MS, 2 * quiet) and max(turn, hold) < LONGEST_HOLD_US
            bad += not good and not error
            verdict = f"({error[:50]})" if error else "" if good else "**stalls**"
            print(
                f"| {case[0]} | {took:.0f} | {busy:.1f} | {quiet:.1f} | {turn / 1000:.1f} | {hold / 1000:.1f} | {verdict} |",
                flush=True,
            )
        window.value = -1
        prober.join()
    return bad


def main():
    parser = argparse.ArgumentParser(usage=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strata", default=str(ROOT / "build/release/bin/strata-server"))
    parser.add_argument("--elements", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--log", action="store_true")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    servers = [("Strata", arguments.strata, ["--threads", arguments.threads])]
    if arguments.peer:
        servers.append(("redis-server", REDIS_SERVER, []))
    bad = 0
    for name, binary, options in servers:
        print(f"\n{name}, {arguments.elements:,} elements, median of {arguments.rounds}\n")
        print("| command | took ms | worst PING ms | when quiet | longest turn ms | longest hold ms | |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        stalls = run_server(binary, options, arguments)
        bad += stalls if name == "Strata" else 0
    sys.exit(1 if arguments.check and bad else 0)


if __name__ == "__main__":
    main()
