#!/usr/bin/python3
"""MIGRATE between two Stratas, and between Strata and redis-server both ways; its errors, and what others notice.

    migrate.py STRATA_SERVER [--threads N] [--only CASE] [--keep]
"""

import socket
import sys
import threading

from cases import run_cases
from dataset import commands, contents, pipeline, require_same
from resp import encode, show, to_bytes
from servers import free_port

OPTIONS = ("--save", "", "--appendonly", "no")
BATCH = 16


def names_of(connection):
    return sorted(item.value for item in connection.command("KEYS", "*").value)


def migrate_all(source, target_port, *options):
    """Every key of database 0, in groups."""
    names = names_of(source)
    for begin in range(0, len(names), BATCH):
        some = names[begin : begin + BATCH]
        reply = source.command("MIGRATE", "127.0.0.1", target_port, "", 0, 20000, *options, "KEYS", *some)
        assert reply.value == b"OK", (some[:3], reply)


def require_roughly_same(ours, theirs, what):
    """Deadlines travel as the time that is left, so they may have moved a little."""
    def rounded(data):
        return {name: (kind, value, deadline_ms // 60_000) for name, (kind, value, deadline_ms) in data.items()
                if not name[1].startswith(b"deadline:relative")}
    require_same(rounded(ours), rounded(theirs), what)


def all_ways(case):
    for name, source, target in (("Strata to Strata", case.ours, case.ours), ("Strata to redis-server", case.ours, case.redis),
                                 ("redis-server to Strata", case.redis, case.ours)):
        with source(case.path(f"{name} source"), *OPTIONS) as from_server, target(case.path(f"{name} target"), *OPTIONS) as to_server:
            here, there = from_server.connect(), to_server.connect()
            pipeline(here, commands(11))
            expected = contents(here)
            migrate_all(here, to_server.port, "COPY")
            require_roughly_same(contents(there), expected, f"{name}, copied")
            require_same(contents(here), expected, f"{name}, copied: the source")
            migrate_all(here, to_server.port, "REPLACE")
            require_roughly_same(contents(there), expected, f"{name}, moved")
            assert not names_of(here), "the source still has keys"


def same_errors(case):
    """The same words as redis-server has, for the same mistakes."""
    closed = free_port()
    with case.ours(case.path("ours"), *OPTIONS) as ours, case.redis(case.path("theirs"), *OPTIONS) as theirs, \
         case.redis(case.path("target"), *OPTIONS, "--requirepass", "secret") as target:
        connections = ours.connect(), theirs.connect()
        inside = target.connect()
        pipeline(inside, [("AUTH", "secret"), ("SET", "busy", "x")])
        to = ("127.0.0.1", target.port)
        for words in (
            (*to, "k", 0), (*to, "k", 0, 1000), (*to, "k", 0, 1000, "AUTH"), (*to, "k", 0, 1000, "AUTH2", "a"),
            (*to, "k", 0, 1000, "AUTH", "bad"), (*to, "k", 0, 1000, "AUTH2", "default", "bad"),
            (*to, "k", 99, 1000, "AUTH", "secret"),
            ("127.0.0.1", closed, "k", 0, 1000), ("127.0.0.1", "bad", "k", 0, 1000),
            ("no.such.host.invalid", 1, "k", 0, 1000), (*to, "none", 0, 1000), (*to, "", 0, 1000),
            (*to, "k", 0, 1000, "KEYS", "k"), (*to, "", 0, 1000, "KEYS"), (*to, "", 0, 1000, "KEYS", "none"),
            (*to, "k", "x", 1000), (*to, "k", 0, "y"), (*to, "k", 0, 1000, "foo"), (*to, "k", "x", "y", "foo"),
            (*to, "k", 0, 1000, "COPY", "AUTH", "secret"), (*to, "busy", 0, 1000, "AUTH", "secret"),
            (*to, "", 0, 1000, "AUTH", "secret", "KEYS", "a", "busy", "none", "b"),
            (*to, "a", 0, 0, "AUTH", "secret", "REPLACE"), (*to, "k", 0, 1000, "AUTH2", "default", "secret", "REPLACE"),
            (*to, "busy", 0, -5, "AUTH", "secret", "REPLACE"), (*to, "", 0, 1000, "AUTH", "secret", "REPLACE", "KEYS", "KEYS", "keys", "x"),
        ):
            replies = []
            for connection in connections:
                pipeline(connection, [("MSET", "k", 1, "a", 2, "b", 3, "busy", 4, "KEYS", 5, "keys", 6)])
                pipeline(inside, [("DEL", "a", "b", "KEYS", "keys", "k")])
                reply = connection.command("MIGRATE", *words)
                replies.append((show(reply), names_of(connection), names_of(inside)))
            assert replies[0] == replies[1], f"MIGRATE {words}\n  strata: {replies[0]}\n  redis-server: {replies[1]}"
        for words in ((*to, "k", 0, 1000), (*to, "", 0, 1000, "KEYS", "a", "b"), (*to, "", 0, 1000, "AUTH", "keys", "KEYS", "a")):
            replies = [connection.command("COMMAND", "GETKEYS", "MIGRATE", *words) for connection in connections]
            assert replies[0] == replies[1], (words, replies)
        for connection in connections:
            pipeline(connection, [("CONFIG", "SET", "slowlog-log-slower-than", 0)])
            connection.command("MIGRATE", *to, "none", 0, 1000, "AUTH2", "user", "secret")
            shown = show(connection.command("SLOWLOG", "GET", 5))
            assert "(redacted)" in shown and '"secret"' not in shown, shown


class Silent:
    """A server that accepts, answers what it is told to, and no more."""

    def __init__(self, answer=b""):
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.accepted = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.accepted.append(connection)
            connection.sendall(self.answer)


def a_target_that_does_not_answer(case):
    """Nothing is lost, others go on, and readers of the keys too."""
    with case.ours(case.path("ours"), *OPTIONS) as server:
        connection, other, writer = server.connect(), server.connect(), server.connect()
        pipeline(connection, [("SET", "k", "v"), ("SET", "l", "v"), ("EXPIRE", "l", 1000)])
        for answer, expected in ((b"", b"IOERR error or timeout reading"), (b"+OK\r\n", b"IOERR error or timeout reading"),
                                 (b"nonsense\r\n", b"IOERR error or timeout reading"), (b"+" * 100_000, b"IOERR error or timeout reading")):
            target = Silent(answer)
            connection.send(encode([to_bytes(word) for word in ("MIGRATE", "127.0.0.1", target.port, "", 0, 300, "KEYS", "k", "l")]))
            assert other.command("GET", "k").value == b"v" and other.command("SET", "x", 1).value == b"OK"
            writer.send(encode([b"APPEND", b"k", b""]))  # waits until the key is its own again
            reply = connection.read()
            assert reply.value.startswith(expected), (answer[:20], reply)
            assert writer.read().value == b"1"
            assert names_of(connection) == [b"k", b"l", b"x"]
        # One of two has arrived when the conversation ends: that one is gone here.
        target = Silent(b"+OK\r\n+OK\r\n")
        reply = connection.command("MIGRATE", "127.0.0.1", target.port, "", 0, 300, "KEYS", "l", "k")
        assert reply.value.startswith(b"IOERR"), reply
        assert names_of(connection) == [b"k", b"x"]


def shutting_down_meanwhile(case):
    with case.ours(case.path("ours"), *OPTIONS) as server:
        connection = server.connect()
        pipeline(connection, [("SET", "k", "v")])
        target = Silent()
        connection.send(encode([to_bytes(word) for word in ("MIGRATE", "127.0.0.1", target.port, "k", 0, 60_000)]))
        server.connect().command("PING")
        assert server.stop() == 0


def is_logged_as_del(case):
    with case.ours(case.path("ours"), "--appendonly", "yes") as server, case.ours(case.path("target"), *OPTIONS) as target:
        connection = server.connect()
        pipeline(connection, [("SET", "a", 1), ("SET", "b", 2), ("SET", "c", 3)])
        assert connection.command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", "a", "b", "none").value == b"OK"
        assert connection.command("MIGRATE", "127.0.0.1", target.port, "c", 0, 5000, "COPY").value == b"OK"
        log = b"".join(path.read_bytes() for path in (case.path("ours") / "appendonlydir").glob("*.incr.aof"))
        assert b"DEL\r\n$1\r\na\r\n$1\r\nb\r\n" in log and b"MIGRATE" not in log.upper()
        server.kill()
        server.start()
        assert names_of(server.connect()) == [b"c"]
        # In a transaction whose shards nobody may hold for so long.
        connection = server.connect()
        pipeline(connection, [("MULTI",), ("MIGRATE", "127.0.0.1", target.port, "c", 0, 1000, "REPLACE")])
        assert connection.command("EXEC").value[0].kind == "-"
        assert names_of(connection) == [b"c"]


def large_values(case):
    with case.ours(case.path("ours"), *OPTIONS) as server, case.redis(case.path("target"), *OPTIONS) as target:
        connection = server.connect()
        words = [b"element %d" % number for number in range(30_000)]
        pipeline(connection, [("RPUSH", "list", *words), ("SADD", "set", *words), ("SET", "string", b"x y z " * 1_000_000),
                              ("ZADD", "zset", *(word for number, name in enumerate(words) for word in (number, name)))])
        expected = contents(connection)
        migrate_all(connection, target.port)
        require_same(contents(target.connect()), expected, "large values")


CASES = (all_ways, same_errors, a_target_that_does_not_answer, shutting_down_meanwhile, is_logged_as_del, large_values)

if __name__ == "__main__":
    sys.exit(run_cases(CASES, __doc__))
