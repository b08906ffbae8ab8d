#!/usr/bin/python3
"""XREADGROUP BLOCK CLAIM: who waits is given what becomes claimable, by time alone or by what others do.

    stream_waits.py STRATA_SERVER [--threads N]

redis-server 7.0 has no CLAIM. Nothing here measures time, but for what is promised: no entry is claimed before it
has been pending for so long.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from blocked_clients import Blocked, check  # noqa: E402
from servers import Server  # noqa: E402
from resp import show  # noqa: E402


def run(main, line):
    reply = main.command(*line.split())
    check(reply.kind != "-", f"{line}: {reply.value}")
    return reply


def prepare(main, *entries):
    run(main, "FLUSHALL")
    run(main, "XGROUP CREATE s g 0 MKSTREAM")
    for entry in entries:
        run(main, f"XADD s {entry} a b")


def claimed(waiter):
    """(ID, how long it had been pending, how often delivered before) of each entry of the reply."""
    reply = waiter.connection.read()
    check(reply.kind == "*" and reply.value is not None, show(reply))
    return [(entry.value[0].value.decode(), int(entry.value[2].value), int(entry.value[3].value))
            for entry in reply.value[0].value[1].value]


def require_claimed(waiter, wanted_ids, idle_ms_min):
    found = claimed(waiter)
    check([entry[0] for entry in found] == wanted_ids, f"{found} instead of {wanted_ids}")
    for entry in found:
        check(entry[1] >= idle_ms_min, f"{entry} was claimed too early")


def pending_before(server, main):
    """The entry is pending when the wait begins."""
    prepare(main, "1-0", "2-0")
    run(main, "XREADGROUP GROUP g alice COUNT 1 STREAMS s >")
    run(main, "XREADGROUP GROUP g alice STREAMS s >")
    waiter = Blocked(server, main, "XREADGROUP GROUP g bob BLOCK 0 COUNT 1 CLAIM 300 STREAMS s >")
    require_claimed(waiter, ["1-0"], 300)
    check("bob" in show(run(main, "XPENDING s g 1-0 1-0 1")), "it is bob's now")


def pending_afterwards(server, main):
    """Nothing is pending when the wait begins; somebody else is given an entry meanwhile, and does not acknowledge."""
    prepare(main)
    waiter = Blocked(server, main, "XREADGROUP GROUP g bob BLOCK 0 CLAIM 200 STREAMS s >")
    run(main, "MULTI")
    run(main, "XADD s 1-0 a b")
    run(main, "XREADGROUP GROUP g alice STREAMS s >")
    run(main, "EXEC")
    require_claimed(waiter, ["1-0"], 200)


def earlier_than_first_known(server, main):
    """An entry becomes claimable before the one that the waiter has been set for: nobody's, or of an older delivery."""
    prepare(main, "1-0", "2-0")
    run(main, "XREADGROUP GROUP g alice STREAMS s >")
    waiter = Blocked(server, main, "XREADGROUP GROUP g bob BLOCK 0 CLAIM 3600000 STREAMS s >")
    run(main, "XCLAIM s g alice 0 2-0 IDLE 3599700 JUSTID")
    require_claimed(waiter, ["2-0"], 3600000)
    waiter = Blocked(server, main, "XREADGROUP GROUP g bob BLOCK 0 CLAIM 3600000 STREAMS s >")
    run(main, "XCLAIM s g alice 0 1-0 IDLE 4000000 JUSTID")
    require_claimed(waiter, ["1-0"], 3600000)


def later_than_first_known(server, main):
    """The entry that the waiter has been set for is acknowledged, or delivered again, meanwhile."""
    prepare(main, "1-0", "2-0")
    run(main, "XREADGROUP GROUP g alice STREAMS s >")
    waiter = Blocked(server, main, "XREADGROUP GROUP g bob BLOCK 0 CLAIM 300 STREAMS s >")
    run(main, "XACK s g 1-0")
    run(main, "XCLAIM s g alice 0 2-0 JUSTID")
    require_claimed(waiter, ["2-0"], 300)


def several_keys(server, main):
    prepare(main, "1-0")
    run(main, "XGROUP CREATE t g 0 MKSTREAM")
    run(main, "XADD t 5-0 a b")
    run(main, "XREADGROUP GROUP g alice STREAMS s t > >")
    run(main, "XCLAIM t g alice 0 5-0 IDLE 3599700 JUSTID")
    waiter = Blocked(server, main, "XREADGROUP GROUP g bob BLOCK 0 CLAIM 3600000 STREAMS s t > >")
    require_claimed(waiter, ["5-0"], 3600000)


def in_turn(server, main):
    """Who has waited longest comes first; the others go on waiting, and get it when its time has come again."""
    prepare(main, "1-0")
    run(main, "XREADGROUP GROUP g alice STREAMS s >")
    waiters = [Blocked(server, main, f"XREADGROUP GROUP g c{number} BLOCK 0 CLAIM 200 STREAMS s >") for number in range(3)]
    for number, waiter in enumerate(waiters):
        found = claimed(waiter)
        check(found[0][0] == "1-0" and found[0][2] == number + 1, f"{found} for waiter {number}")
    new = Blocked(server, main, "XREADGROUP GROUP g d BLOCK 0 CLAIM 3600000 STREAMS s >")
    run(main, "XADD s 2-0 a b")
    require_claimed(new, ["2-0"], 0)


def ends_otherwise(server, main):
    """A wait with a time of its own ends by timeout, CLIENT UNBLOCK and the client's leaving, and nothing is claimed."""
    prepare(main, "1-0")
    run(main, "XREADGROUP GROUP g alice STREAMS s >")
    check(Blocked(server, main, "XREADGROUP GROUP g bob BLOCK 50 CLAIM 3600000 STREAMS s >").reply() == "(nil array)", "timeout")
    waiter = Blocked(server, main, "XREADGROUP GROUP g bob BLOCK 0 CLAIM 3600000 STREAMS s >")
    check(main.command("CLIENT", "UNBLOCK", waiter.id).value == b"1", "unblock")
    check(waiter.reply() == "(nil array)", "as after the timeout")
    waiter = Blocked(server, main, "XREADGROUP GROUP g bob BLOCK 0 CLAIM 200 STREAMS s >")
    check(main.command("CLIENT", "KILL", "ID", waiter.id).value == b"1", "kill")
    check(waiter.is_closed(), "killed")
    # Behind the time that the killed one had asked for.
    require_claimed(Blocked(server, main, "XREADGROUP GROUP g carol BLOCK 0 CLAIM 400 STREAMS s >"), ["1-0"], 400)
    check("alice" not in show(run(main, "XPENDING s g")), "it is carol's")
    waiter = Blocked(server, main, "XREADGROUP GROUP g bob BLOCK 0 CLAIM 3600000 STREAMS s >")
    run(main, "DEL s")
    check(waiter.reply().startswith("(error) UNBLOCKED"), "the stream has gone")


CASES = (pending_before, pending_afterwards, earlier_than_first_known, later_than_first_known, several_keys, in_turn,
         ends_otherwise)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("server")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    with Server(options.server, "--save", "", "--appendonly", "no", "--threads", options.threads) as server:
        connection = server.connect(timeout=60)
        for case in CASES:
            case(server, connection)
            print(f"ok {case.__name__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
