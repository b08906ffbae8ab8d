#!/usr/bin/python3
"""LMOVEM and BLMOVEM, which redis-server 7.0.15 does not have, against Python's lists: every form at random, short
lists and such as are moved in slices, waiting clients, and the same lists again after a restart from the log.

    list_moves.py SERVER [--threads N] [--moves N] [--seed N]
"""

import argparse
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from resp import encode, show, to_bytes  # noqa: E402
from servers import Server  # noqa: E402

KEYS = ["a", "b", "{x}c", "{x}d"]
LONG = 30_000
PATIENCE_SECONDS = 30


def moved(lists, source, target, ends, selector, count, order):
    """What a move replies; changes the lists as it does. None: nothing."""
    elements = lists.get(source, [])
    if not elements or (selector == "EXACTLY" and len(elements) < count):
        return None
    count = min(count, len(elements))
    if count == 0:
        return []
    block = elements[:count] if ends[0] == "LEFT" else elements[-count:]
    rest = elements[count:] if ends[0] == "LEFT" else elements[:-count]
    if order == "OBO" and ends[0] == ends[1]:
        block = block[::-1]
    lists[source] = rest
    others = lists.get(target, [])
    lists[target] = block + others if ends[1] == "LEFT" else others + block
    if not lists[source]:
        del lists[source]
    return block


class Model:
    def __init__(self, connection, seed):
        self.connection = connection
        self.random = random.Random(seed)
        self.lists = {}
        self.number = 0

    def element(self):
        self.number += 1
        kind = self.random.random()
        if kind < 0.3:
            return b"%d" % self.number
        if kind < 0.97:
            return b"element:%d" % self.number
        return (b"%d," % self.number) * self.random.choice([20, 500, 4000])

    def push(self, key, count):
        for first in range(0, count, 1000):
            elements = [self.element() for _ in range(min(1000, count - first))]
            self.lists.setdefault(key, []).extend(elements)
            self.connection.command("RPUSH", key, *elements)

    def move(self):
        source, target = self.random.choice(KEYS), self.random.choice(KEYS)
        ends = [self.random.choice(["LEFT", "RIGHT"]) for _ in range(2)]
        length = len(self.lists.get(source, []))
        count = self.random.choice([0, 1, 2, 3, 10, length, max(0, length - 1), length + 1, self.random.randrange(length + 2)])
        words = ["LMOVEM", source, target, *ends]
        if self.random.random() < 0.3:
            words[0] = "BLMOVEM"
            words.append("0.001")
        if self.random.random() < 0.1:
            expected = moved(self.lists, source, target, ends, "COUNT", 1, "BULK")
        else:
            selector, order = self.random.choice(["COUNT", "EXACTLY"]), self.random.choice(["OBO", "BULK"])
            words += [selector, count, order]
            expected = moved(self.lists, source, target, ends, selector, count, order)
        reply = self.connection.command(*words)
        got = None if reply.value is None else [element.value for element in reply.value]
        assert got == expected, f"{words}: {show(reply)[:300]}, not {str(expected)[:300]}"

    def check(self, connection):
        for key in KEYS:
            got = [element.value for element in connection.command("LRANGE", key, 0, -1).value]
            assert got == self.lists.get(key, []), f"{key}: other contents"


def at_random(server, options):
    connection = server.connect()
    model = Model(connection, options.seed)
    for size, moves in ((20, options.moves), (300, options.moves), (LONG, options.moves // 20)):
        for number in range(moves):
            if number % 10 == 0:
                for key in KEYS:
                    if len(model.lists.get(key, [])) < size / 4:
                        model.push(key, size)
            if model.random.random() < 0.02:
                key = model.random.choice(KEYS)
                connection.command("DEL", key)
                model.lists.pop(key, None)
            model.move()
        model.check(connection)
    server.stop()
    server.start()
    model.check(server.connect())


def wait_blocked(connection, count):
    for _ in range(PATIENCE_SECONDS * 1000):
        if f"blocked_clients:{count}\r".encode() in connection.command("INFO", "clients").value:
            return
    raise AssertionError("the clients do not block")


# Clients block one after the other, then commands follow: what each client gets, and what is left.
WAITERS = [
    # The oldest that can be served is served, and the others wait on.
    (["BLMOVEM a b LEFT RIGHT 0 EXACTLY 3 BULK", "BLMOVEM a b LEFT RIGHT 0 COUNT 2 OBO", "BLPOP a 0"],
     ["RPUSH a 1", "RPUSH a 2", "RPUSH a 3 4 5"],
     ["[\"3\", \"4\", \"5\"]", "[\"1\"]", "[\"a\", \"2\"]"], {"b": ["1", "3", "4", "5"]}),
    (["BLMOVEM a a LEFT RIGHT 0 EXACTLY 2 BULK"], ["RPUSH a 1", "RPUSH a 2 3"], ["[\"1\", \"2\"]"],
     {"a": ["3", "1", "2"]}),
    # A chain over shards
    (["BLMOVEM a b LEFT LEFT 0 EXACTLY 4 OBO", "BLMOVEM b {x}c RIGHT LEFT 0 COUNT 3 BULK", "BRPOP {x}c 0"],
     ["RPUSH a 1 2 3", "LPUSH a 0"], ["[\"3\", \"2\", \"1\", \"0\"]", "[\"2\", \"1\", \"0\"]", "[\"{x}c\", \"0\"]"],
     {"b": ["3"], "{x}c": ["2", "1"]}),
    # A list that comes by other means
    (["BLMOVEM a b LEFT RIGHT 0 EXACTLY 2 BULK"], ["RPUSH b x", "RPUSH {x}d 1 2 3", "RENAME {x}d a"], ["[\"1\", \"2\"]"],
     {"a": ["3"], "b": ["x", "1", "2"]}),
    (["BLMOVEM a b LEFT RIGHT 0 EXACTLY 2 BULK"], ["MULTI", "RPUSH a 1 2", "LPOP a", "EXEC", "LPUSH a 0"], ["[\"0\", \"2\"]"],
     {"b": ["0", "2"]}),
    # A target of another type: an error, and the elements stay.
    (["BLMOVEM a s LEFT RIGHT 0 COUNT 2 BULK"], ["SET s x", "RPUSH a 1 2"],
     ["(error) WRONGTYPE Operation against a key holding the wrong kind of value"], {"a": ["1", "2"]}),
]


def waiting(server, _):
    main = server.connect()
    for waiters, commands, replies, left in WAITERS:
        main.command("FLUSHALL")
        clients = []
        for line in waiters:
            clients.append(server.connect(timeout=PATIENCE_SECONDS))
            clients[-1].send(encode([to_bytes(word) for word in line.split()]))
            wait_blocked(main, len(clients))
        for line in commands:
            main.command(*line.split())
        got = [show(client.read()) for client in clients]
        assert got == replies, f"{waiters}: {got}"
        for key in KEYS:
            elements = [element.value.decode() for element in main.command("LRANGE", key, 0, -1).value]
            assert elements == left.get(key, []), f"{waiters}: {key} holds {elements}"


def served_with_many(server, _):
    """A long list comes at once, and two clients share it."""
    main = server.connect()
    main.command("FLUSHALL")
    elements = [b"element:%d" % number for number in range(LONG)]
    for first in range(0, LONG, 1000):
        main.command("RPUSH", "{x}d", *elements[first:first + 1000])
    clients = []
    for line in (f"BLMOVEM a b LEFT LEFT 0 EXACTLY {LONG - 1000} OBO", "BLMPOP 0 1 a RIGHT COUNT 900", "BLMPOP 0 1 a LEFT COUNT 100000"):
        clients.append(server.connect(timeout=PATIENCE_SECONDS))
        clients[-1].send(encode([to_bytes(word) for word in line.split()]))
        wait_blocked(main, len(clients))
    main.command("RENAME", "{x}d", "a")
    got = [element.value for element in clients[0].read().value]
    assert got == elements[LONG - 1001::-1], "BLMOVEM"
    assert [element.value for element in main.command("LRANGE", "b", 0, -1).value] == got, "the target"
    got = [element.value for element in clients[1].read().value[1].value]
    assert got == elements[:LONG - 901:-1], "BLMPOP"
    got = [element.value for element in clients[2].read().value[1].value]
    assert got == elements[LONG - 1000:LONG - 900], "the second BLMPOP"
    assert main.command("EXISTS", "a").value == b"0"
    server.stop()
    server.start()
    main = server.connect()
    assert main.command("LLEN", "b").value == b"%d" % (LONG - 1000), "after the restart"
    assert main.command("EXISTS", "a").value == b"0", "after the restart"


def served_and_gone(server, _):
    """Clients that are killed or leave while they are served in slices: what was theirs is gone, once."""
    main = server.connect()
    elements = [b"element:%d" % number for number in range(LONG)]
    for leave in ("close", "kill"):
        for wait, left in (("BLMPOP 0 1 a LEFT COUNT 100000", {}), (f"BLMOVEM a b LEFT RIGHT 0 COUNT {LONG} BULK", {"b": elements}),
                           (f"BLMPOP 0 1 a RIGHT COUNT {LONG - 10}", {"a": elements[:10]})):
            main.command("FLUSHALL")
            for first in range(0, LONG, 1000):
                main.command("RPUSH", "{x}d", *elements[first:first + 1000])
            waiter = server.connect()
            waiter_id = waiter.command("CLIENT", "ID").value
            waiter.send(encode([to_bytes(word) for word in wait.split()]))
            wait_blocked(main, 1)
            # Both in one packet, so that the kill comes between the slices.
            commands = [["RENAME", "{x}d", "a"]] + [["CLIENT", "KILL", "ID", waiter_id]] * (leave == "kill")
            main.send(b"".join(encode([to_bytes(word) for word in words]) for words in commands))
            for _ in commands:
                main.read()
            waiter.close()
            for key in ("a", "b"):
                got = [element.value for element in main.command("LRANGE", key, 0, -1).value]
                assert got == left.get(key, []), f"{wait}, {leave}: {key} holds {len(got)}"
            wait_blocked(main, 0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("server")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--moves", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with Server(options.server, "--threads", options.threads, "--appendonly", "yes", "--save", "") as server:
        for test in (waiting, served_with_many, served_and_gone, at_random):
            server.connect().command("FLUSHALL")
            test(server, options)
            print(f"{test.__name__}: good")
    return 0


if __name__ == "__main__":
    sys.exit(main())
