#!/usr/bin/python3
"""Commands with many entries are logged slice by slice: what a restart and redis-server make of it.

    stream_slices.py STRATA_SERVER [--threads N] [--only CASE] [--keep]

Each command works on more entries than a slice takes. What the groups then hold (who has which entry since when and
how often, positions) must be what Strata has after kill -9, and what redis-server reads from the same log.
"""

import sys

from cases import run_cases
from resp import encode, to_bytes

ENTRIES = 6000
LOG = ("--appendonly", "yes")
TRANSACTION_BYTES_MAX = 200_000


def run(connection, *words):
    reply = connection.command(*words)
    assert reply.kind != "-", f"{words[:6]}: {reply.value}"
    return reply


def fill(connection, *keys):
    for key in keys:
        connection.send(b"".join(encode([b"XADD", to_bytes(key), b"%d-0" % number, b"field", b"value:%d" % number])
                                 for number in range(1, ENTRIES + 1)))
        for _ in range(ENTRIES):
            connection.read()
        run(connection, "XGROUP", "CREATE", key, "g", "0")


def ids(first, last, step=1):
    return [f"{number}-0" for number in range(first, last + 1, step)]


def plain(reply):
    if isinstance(reply.value, list):
        return [plain(part) for part in reply.value]
    return reply.value


def state(connection, *keys):
    """What is in the streams and their groups, with times, as far as both servers show it."""
    found = {}
    for key in keys:
        flat = plain(run(connection, "XINFO", "STREAM", key, "FULL", "COUNT", "0"))
        facts = dict(zip(flat[::2], flat[1::2]))
        groups = []
        for group in facts.pop(b"groups"):
            group = dict(zip(group[::2], group[1::2]))
            consumers = [dict(zip(one[::2], one[1::2])) for one in group.pop(b"consumers")]
            group["consumers"] = [(one[b"name"], one[b"pending"]) for one in consumers]
            groups.append(group)
        # How a stream is cut into nodes is no part of what it holds.
        for name in (b"radix-tree-keys", b"radix-tree-nodes"):
            facts.pop(name)
        found[key] = (facts, groups)
    return found


def require_same(found, expected, what):
    for key, (facts, groups) in expected.items():
        assert found[key][0] == facts, f"{what}: {key}"
        for group, wanted in zip(found[key][1], groups, strict=True):
            for name, value in wanted.items():
                assert group[name] == value, f"{what}: {key}, {name}: {str(group[name])[:300]} instead of {str(value)[:300]}"


def require_short_transactions(folder):
    """Not one record for all: that would be written while the shard is held."""
    for path in (folder / "appendonlydir").glob("*.incr.aof"):
        log = path.read_bytes()
        at = log.find(b"*1\r\n$5\r\nMULTI\r\n")
        while at >= 0:
            end = log.index(b"*1\r\n$4\r\nEXEC\r\n", at)
            assert end - at < TRANSACTION_BYTES_MAX, f"a transaction of {end - at} bytes in {path.name}"
            at = log.find(b"*1\r\n$5\r\nMULTI\r\n", end)


def require_everywhere(case, folder, work, with_redis=True):
    """Does the work, and compares."""
    with case.ours(folder, *LOG) as server:
        connection = server.connect(timeout=60)
        fill(connection, "s", "t")
        work(connection)
        expected = state(connection, "s", "t")
        server.kill()
        require_short_transactions(folder)
        copy = case.copy("redis", folder)
        server.start()
        require_same(state(server.connect(timeout=60), "s", "t"), expected, "started again")
    if not with_redis:
        return
    with case.redis(copy, *LOG) as server:
        require_same(state(server.connect(timeout=60), "s", "t"), expected, "redis-server")


def deliveries(case):
    def work(connection):
        reply = plain(run(connection, "XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "t", ">", ">"))
        assert [len(stream[1]) for stream in reply] == [ENTRIES, ENTRIES]
        assert len(plain(run(connection, "XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "0"))[0][1]) == ENTRIES
        assert plain(run(connection, "XPENDING", "s", "g"))[0] == b"%d" % ENTRIES

    require_everywhere(case, case.path("ours"), work)


def deliveries_without_acknowledgement(case):
    def work(connection):
        run(connection, "XREADGROUP", "GROUP", "g", "c", "NOACK", "STREAMS", "s", "t", ">", ">")
        assert plain(run(connection, "XPENDING", "s", "g"))[0] == b"0"

    require_everywhere(case, case.path("ours"), work)


def claims(case):
    def work(connection):
        run(connection, "XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
        claimed = run(connection, "XCLAIM", "s", "g", "d", "0", *ids(1, ENTRIES, 2), "RETRYCOUNT", "7")
        assert len(claimed.value) == ENTRIES // 2
        assert run(connection, "XDEL", "s", *ids(1, ENTRIES, 3)).value == b"%d" % (ENTRIES // 3)
        # Also those that are gone, and those nobody has.
        run(connection, "XCLAIM", "s", "g", "e", "0", *ids(1, ENTRIES // 2), "JUSTID")
        run(connection, "XCLAIM", "t", "g", "e", "0", *ids(1, ENTRIES), "FORCE", "LASTID", "4000-0", "TIME", "1000")
        automatic = run(connection, "XAUTOCLAIM", "s", "g", "f", "0", "0", "COUNT", ENTRIES).value
        assert len(automatic[2].value) == ENTRIES // 3 - ENTRIES // 6

    require_everywhere(case, case.path("ours"), work)


def acknowledgements(case):
    def work(connection):
        run(connection, "XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "t", ">", ">")
        assert run(connection, "XACK", "s", "g", *ids(1, ENTRIES + 1000)).value == b"%d" % ENTRIES
        assert run(connection, "XACK", "t", "g", *ids(1, ENTRIES, 2)).value == b"%d" % (ENTRIES // 2)
        # The last slices find nothing.
        assert run(connection, "XACK", "t", "g", *ids(2, 20), *ids(9000, 16000)).value == b"10"
        assert run(connection, "XDEL", "t", *ids(1, 2000), *ids(9000, 16000)).value == b"2000"

    require_everywhere(case, case.path("ours"), work)


def deletions_with_references(case):
    def work(connection):
        run(connection, "XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "t", ">", ">")
        outcomes = plain(run(connection, "XDELEX", "s", "DELREF", "IDS", 9000, *ids(1, 9000)))
        assert outcomes == [b"1"] * ENTRIES + [b"-1"] * 3000
        outcomes = plain(run(connection, "XACKDEL", "t", "g", "ACKED", "IDS", 4000, *ids(1, 4000)))
        assert outcomes == [b"1"] * 4000
        assert run(connection, "XTRIM", "t", "MAXLEN", "=", 100, "DELREF").value == b"%d" % (ENTRIES - 4100)
        assert plain(run(connection, "XPENDING", "t", "g"))[0] == b"100"

    require_everywhere(case, case.path("ours"), work)


def trims_with_an_entry(case):
    def work(connection):
        run(connection, "XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
        run(connection, "XADD", "s", "DELREF", "MAXLEN", 10, "7000-0", "field", "value")
        assert plain(run(connection, "XPENDING", "s", "g"))[0] == b"9"
        run(connection, "XADD", "t", "ACKED", "MAXLEN", 10, "7000-0", "field", "value")
        assert run(connection, "XLEN", "t").value == b"%d" % (ENTRIES + 1)

    require_everywhere(case, case.path("ours"), work)


def given_back(case):
    def work(connection):
        run(connection, "XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
        assert run(connection, "XNACK", "s", "g", "FAIL", "IDS", 9000, *ids(1, 9000)).value == b"%d" % ENTRIES

    # XNACK is of Redis 8.8.
    require_everywhere(case, case.path("ours"), work, with_redis=False)


def bad_ids(case):
    """An error is found before anything changes, also behind many slices' worth of IDs."""
    with case.ours(case.path("ours"), *LOG) as server:
        connection = server.connect(timeout=60)
        fill(connection, "s")
        run(connection, "XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
        before = state(connection, "s")
        many = [*ids(1, 3 * ENTRIES), "x"]
        for command in (["XACK", "s", "g", *many], ["XDEL", "s", *many], ["XCLAIM", "s", "g", "d", "0", *many],
                        ["XDELEX", "s", "IDS", len(many), *many], ["XACKDEL", "s", "g", "IDS", len(many), *many],
                        ["XNACK", "s", "g", "FAIL", "IDS", len(many), *many]):
            reply = connection.command(*command)
            assert reply.kind == "-", command[0]
            require_same(state(connection, "s"), before, command[0])


CASES = (deliveries, deliveries_without_acknowledgement, claims, acknowledgements, deletions_with_references,
         trims_with_an_entry, given_back, bad_ids)

if __name__ == "__main__":
    sys.exit(run_cases(CASES, __doc__))
