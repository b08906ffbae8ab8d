#!/usr/bin/python3
"""The life of a blocked client: what is shown of it, and all the ways in which its wait ends.

    blocked_clients.py STRATA_SERVER [--threads N]
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from resp import ConnectionLost, encode, show, to_bytes  # noqa: E402
from servers import Server  # noqa: E402

PATIENCE_SECONDS = 30


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def until(condition, what):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        check(time.monotonic() < deadline, f"never: {what}")
        time.sleep(0.001)


class Blocked:
    """A client that waits in a command; sent with it, what stands behind it in the pipeline."""

    def __init__(self, server, main, *commands):
        self.main, self.connection = main, server.connect()
        self.id = self.connection.command("CLIENT", "ID").value.decode()
        self.connection.send(b"".join(encode([to_bytes(word) for word in command.split()]) for command in commands))
        until(lambda: "b" in self.flags(), f"{commands[0]} blocks")

    def line(self):
        return self.main.command("CLIENT", "LIST", "ID", self.id).value.decode()

    def flags(self):
        return self.line().split("flags=")[1].split()[0] if self.line() else "gone"

    def reply(self):
        return show(self.connection.read())

    def is_closed(self):
        try:
            self.connection.read()
        except ConnectionLost:
            return True
        return False


def info(main, name):
    text = main.command("INFO", "clients").value.decode()
    return int(text.split(f"{name}:")[1].split()[0])


def shown(server, main):
    waiter = Blocked(server, main, "BLPOP x y z 0")
    check(info(main, "blocked_clients") == 1, "blocked_clients")
    check(info(main, "total_blocking_keys") == 3, "total_blocking_keys")
    check("cmd=blpop" in waiter.line(), waiter.line())
    main.command("RPUSH", "y", "1")
    check(waiter.reply() == '["y", "1"]', "served")
    until(lambda: info(main, "blocked_clients") == 0 and info(main, "total_blocking_keys") == 0, "nobody waits")
    check(waiter.flags() == "N", waiter.line())


def unblocked(server, main):
    for command, nothing in (("BLPOP x 0", "(nil array)"), ("BLMOVE x y LEFT LEFT 0", "(nil array)"), ("BZPOPMIN x 0", "(nil array)")):
        waiter = Blocked(server, main, command)
        check(main.command("CLIENT", "UNBLOCK", waiter.id).value == b"1", "unblock")
        check(waiter.reply() == nothing, "as after the timeout")
        check(main.command("CLIENT", "UNBLOCK", waiter.id).value == b"0", "unblocked twice")
    waiter = Blocked(server, main, "BLPOP x 0", "PING")
    check(main.command("CLIENT", "UNBLOCK", waiter.id, "ERROR").value == b"1", "unblock")
    check(waiter.reply() == "(error) UNBLOCKED client unblocked via CLIENT UNBLOCK", "the error")
    check(waiter.reply() == "PONG", "the pipeline goes on")
    check(show(main.command("RPUSH", "x", "1")) == "(integer) 1", "nobody waits any more")
    check(show(main.command("LLEN", "x")) == "(integer) 1", "nobody waits any more")


def not_too_early(server, main):
    began = time.monotonic()
    waiter = Blocked(server, main, "BLPOP x 0.2", "BLPOP x 0.2")
    check(waiter.reply() == "(nil array)" and waiter.reply() == "(nil array)", "timeouts")
    check(time.monotonic() - began >= 0.398, "before its time")


def killed(server, main):
    for way in (["ID"], ["TYPE", "normal", "ID"]):
        waiter = Blocked(server, main, "BLPOP x y 0", "SET never set")
        check(main.command("CLIENT", "KILL", *way, waiter.id).value == b"1", "kill")
        check(show(main.command("RPUSH", "x", "1")) == "(integer) 1", "push")
        check(show(main.command("LLEN", "x")) == "(integer) 1", "popped for the killed")
        check(waiter.is_closed(), "closed")
        check(main.command("EXISTS", "never").value == b"0", "what stood behind it was run")
        main.command("DEL", "x")


def left(server, main):
    waiter = Blocked(server, main, "BLPOP x 0", "SET never set")
    waiter.connection.close()
    until(lambda: info(main, "blocked_clients") == 0, "it is noticed")
    main.command("RPUSH", "x", "1")
    check(show(main.command("LRANGE", "x", 0, -1)) == '["1"]', "popped for who left")
    until(lambda: info(main, "total_blocking_keys") == 0, "its registration goes")


def refused_pushes(server, main):
    waiter = Blocked(server, main, "BLPOP x 0")
    main.command("CONFIG", "SET", "maxmemory", 1)
    until(lambda: main.command("SET", "other", "1").kind == "-", "out of memory")
    check(main.command("RPUSH", "x", "1").kind == "-", "out of memory")
    check(waiter.flags() == "b", "still waits")
    main.command("CONFIG", "SET", "maxmemory", 0)
    until(lambda: main.command("RPUSH", "x", "2").kind == ":", "memory is back")
    check(waiter.reply() == '["x", "2"]', "served")


def logged(server, main):
    """What was served is replayed: pops without their waiting."""
    pairs = [("BLPOP x 0", "RPUSH x 1 2"), ("BLMOVE x y LEFT RIGHT 0", "RPUSH x 3 4"), ("BZPOPMIN z 0", "ZADD z 1 a 2 b"),
             ("BLMPOP 0 1 x RIGHT COUNT 2", "RPUSH x 5 6 7"), ("BZMPOP 0 1 z MAX", "ZADD z 3 c 4 d")]
    for wait, push in pairs:
        main.command("DEL", "x", "z")
        waiter = Blocked(server, main, wait)
        main.command(*push.split())
        check("nil" not in waiter.reply(), wait)
    ask = [("LRANGE", "x", 0, -1), ("LRANGE", "y", 0, -1), ("ZRANGE", "z", 0, -1)]
    before = [show(main.command(*words)) for words in ask]
    log = b"".join(path.read_bytes() for path in (server.folder / "appendonlydir").glob("*.aof"))
    check(b"BLPOP" not in log and b"BLM" not in log and b"BZ" not in log, "a blocking command is in the log")
    check(b"LMOVE" in log and b"ZPOPMIN" in log, "a plain command is missing in the log")
    server.stop()
    server.start()
    check([show(server.connect().command(*words)) for words in ask] == before, "another state after the restart")


def shut_down(server, main):
    waiters = [Blocked(server, main, f"BLPOP x{i} y 0") for i in range(20)]
    main.send(encode([b"SHUTDOWN"]))
    server.process.wait(PATIENCE_SECONDS)
    check(server.process.returncode == 0, f"ended with {server.process.returncode}:\n{server.log_tail()}")
    check(all(waiter.is_closed() for waiter in waiters), "closed")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("server")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    with Server(options.server, "--threads", options.threads, "--appendonly", "yes", "--save", "") as server:
        for test in (shown, unblocked, not_too_early, killed, left, refused_pushes, logged, shut_down):
            client = server.connect()
            client.command("FLUSHALL")
            test(server, client)
            print(f"{test.__name__}: good")
    return 0


if __name__ == "__main__":
    sys.exit(main())
