#!/usr/bin/python3
"""Commands on large values, which are worked on in slices here, give what redis-server gives: replies and contents,
and the same again after a restart from the log.

    large_values.py SERVER [--threads N]
"""

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from dataset import contents  # noqa: E402
from resp import Connection, show  # noqa: E402
from servers import REDIS_SERVER, Server  # noqa: E402

ELEMENTS = 20_000
BATCH = 2_000
FAR_MS = 4_000_000_000_000  # a deadline
ORDERED = ("LRANGE", "ZRANGE", "ZREVRANGE", "ZPOP", "ZRANGEBYSCORE", "ZUNION", "ZINTER", "ZDIFF", "ZMPOP")

# In this order, on values of ELEMENTS elements.
COMMANDS = """
LRANGE l 0 -1
LRANGE l 3000 -3000
LREM l 0 e:7
LREM l -5 e:8
LINSERT l BEFORE e:19999 new
LPOS l none
LPOS l e:19000 RANK -1
LTRIM l 100 -100
LLEN l
HGETALL h
HKEYS h
HVALS h
HLEN h
SMEMBERS s
SCARD s
SUNION s t
SINTER s t
SDIFF s t
SUNIONSTORE u s t
SINTERSTORE v s t
SDIFFSTORE w s t
SINTERCARD 2 s t
ZRANGE z 0 -1 WITHSCORES
ZREVRANGE z 10 -10
ZRANGEBYSCORE z (5 +inf
ZPOPMIN z 6000
ZPOPMAX z 5000
ZREMRANGEBYRANK z 100 -100
ZCARD z
COPY h hh
COPY l ll
COPY s ss
RENAME ss sss
LREM ll 0 none
ZADD y 1 member:3 2 other
ZUNION 2 z y WITHSCORES
ZUNION 3 z s y WEIGHTS 1 2 3 AGGREGATE MAX
ZINTER 2 sss z WITHSCORES
ZDIFF 2 z y
ZINTERCARD 2 z sss
ZUNIONSTORE za 2 z sss
ZINTERSTORE zb 2 za sss WEIGHTS 0.5 1
ZDIFFSTORE zc 2 za y
ZRANGESTORE zd za 10 -10
ZRANGESTORE ze za 10 +inf BYSCORE REV LIMIT 3 9000
ZMPOP 2 none zc MAX COUNT 9000
SPOP t 100000
SUNIONSTORE sss sss u
ZADD z2 1 a
FLUSHDB SYNC
DBSIZE
""".split("\n")


def fill(connection):
    def add(head, arguments_of, count=ELEMENTS, first=0):
        for start in range(first, first + count, BATCH):
            arguments = []
            for number in range(start, start + BATCH):
                arguments += arguments_of(number)
            reply = connection.command(*head, *arguments)
            assert reply.kind == ":", show(reply)

    add(["RPUSH", "l"], lambda number: [f"e:{number % 40 if number % 3 else number}"])
    add(["HSET", "h"], lambda number: [f"field:{number}", f"value:{number}"])
    add(["SADD", "s"], lambda number: [f"member:{number}"])
    add(["SADD", "t"], lambda number: [f"member:{number}"], first=ELEMENTS // 2)
    add(["ZADD", "z"], lambda number: [number % 700, f"member:{number}"])


def normal(command, reply):
    """What of a reply is the same for both servers: hashes and sets have no order."""
    if reply.kind not in "*~%" or command.startswith(ORDERED):
        return reply
    values = reply.value
    if command.startswith("HGETALL"):
        values = list(zip(values[::2], values[1::2]))
    return (reply.kind, sorted(values, key=repr))


def check_random(connection):
    """Random choices are members, different ones where they must be, and as many as were asked for."""
    problems = []
    cases = [
        (["SRANDMEMBER", "s"], "member:", []),
        (["HRANDFIELD", "h"], "field:", ["WITHVALUES"]),
        (["ZRANDMEMBER", "z"], "member:", ["WITHSCORES"]),
    ]
    for head, prefix, pairs in cases:
        for count in (5_000, ELEMENTS - 1, ELEMENTS + 5, -9_000, -50_000):
            for more in [[], pairs] if pairs else [[]]:
                values = [reply.value for reply in connection.command(*head, count, *more).value]
                names = values[::2] if more else values
                wanted = min(count, ELEMENTS) if count > 0 else -count
                if len(names) != wanted or any(not name.startswith(prefix.encode()) for name in names):
                    problems.append(f"{head} {count}: {len(names)} names")
                if count > 0 and len(set(names)) != len(names):
                    problems.append(f"{head} {count}: one twice")
                if more == ["WITHVALUES"] and any(
                    value != name.replace(b"field", b"value") for name, value in zip(names, values[1::2])
                ):
                    problems.append(f"{head} {count}: a value of another field")
    connection.command("PEXPIREAT", "s", FAR_MS)
    popped = [reply.value for reply in connection.command("SPOP", "s", ELEMENTS - 10).value]
    left = [reply.value for reply in connection.command("SMEMBERS", "s").value]
    if len(set(popped) | set(left)) != ELEMENTS or len(popped) != ELEMENTS - 10 or len(left) != 10:
        problems.append("SPOP: members lost or invented")
    popped = [reply.value for reply in connection.command("SPOP", "t", ELEMENTS // 3).value]
    left = [reply.value for reply in connection.command("SMEMBERS", "t").value]
    if len(set(popped) | set(left)) != ELEMENTS or len(popped) != ELEMENTS // 3:
        problems.append("SPOP of a third: members lost or invented")
    return problems


def compare(server):
    problems = []
    with Server(REDIS_SERVER, "--save", "", "--appendonly", "no") as peer:
        ours, theirs = Connection(server.port), Connection(peer.port)
        fill(ours)
        fill(theirs)
        for line in filter(None, COMMANDS):
            got, wanted = ours.command(*line.split()), theirs.command(*line.split())
            if normal(line, got) != normal(line, wanted):
                problems.append(f"{line}: {show(got)[:200]}, not {show(wanted)[:200]}")
            if line.startswith("ZADD z2"):
                before = contents(ours)
                if before != contents(theirs):
                    problems.append("contents differ")
                server.stop()
                server.start()
                ours = Connection(server.port)
                if contents(ours) != before:
                    problems.append("contents differ after a restart")
        fill(ours)
        problems += check_random(ours)
        before = contents(ours)
    server.stop()
    server.start()
    ours = Connection(server.port)
    if contents(ours) != before or ours.command("PEXPIRETIME", "s").value != b"%d" % FAR_MS:
        problems.append("contents differ after SPOP and a restart")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strata-test-") as folder:
        options = ["--threads", arguments.threads, "--appendonly", "yes", "--save", ""]
        with Server(arguments.server, *options, folder=folder) as server:
            problems = compare(server)
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
