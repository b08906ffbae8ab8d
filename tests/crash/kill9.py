#!/usr/bin/python3
"""Kills the real server with SIGKILL at random moments, and looks whether what it acknowledged is there.

    kill9.py STRATA_SERVER [--rounds 30] [--threads 2] [--seed S]

In each round clients write rising numbers, each in its own manner, in pipelines; the server is killed in the middle, started
again on the same folder, sometimes killed while it loads, and read. SIGKILL loses no page cache, so these must hold
under appendfsync always and everysec alike:

    durable   every number whose reply came is there
    prefix    what is there of one client is all it sent up to some number, and nothing it never sent
    whole     the keys of one MULTI or MSET, which lie in several shards, tell the same number
    seen      (always) a number that some reader saw is there
"""

import argparse
import random
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from resp import ConnectionLost, encode  # noqa: E402
from servers import Server  # noqa: E402

ROUNDS_PER_FOLDER = 10  # Then a new folder: lists and log would grow for ever.
CLIENTS_PER_MANNER = 2
PIPELINE_MAX = 20
LOAD_SECONDS_MAX = 0.3
KILL_WHILE_LOADING_CHANCE = 0.25
POLICIES = ("always", "everysec")


class Broken(Exception):
    """The server broke a promise."""


def require(condition, text):
    if not condition:
        raise Broken(text)


# --- The manners of writing: each sends number n as some commands, and finds the last number that is there ----------


class Appender:
    """SET seq n, RPUSH list n: two keys, in this order."""

    def __init__(self, name):
        self.name = name
        self.seq, self.list = f"seq:{name}", f"list:{name}"

    def commands(self, n):
        return [("SET", self.seq, n), ("RPUSH", self.list, n)]

    def last(self, connection):
        items = [int(item.value) for item in connection.command("LRANGE", self.list, 0, -1).value]
        require(items == list(range(1, len(items) + 1)), f"{self.list}: not 1, 2, 3, …: {gap(items)}")
        seq = number(connection.command("GET", self.seq))
        require(seq in (len(items), len(items) + 1), f"{self.seq} is {seq}, {self.list} ends with {len(items)}")
        return len(items), seq


class Transactor:
    """MULTI over three keys of different shards."""

    def __init__(self, name):
        self.keys = [f"{part}:{name}" for part in ("one", "two", "three")]
        self.seq = self.keys[0]

    def commands(self, n):
        one, two, three = self.keys
        return [("MULTI",), ("INCR", one), ("RPUSH", two, n), ("HSET", three, n, n), ("EXEC",)]

    def last(self, connection):
        one, two, three = self.keys
        counts = (number(connection.command("GET", one)), number(connection.command("LLEN", two)),
                  number(connection.command("HLEN", three)))
        require(len(set(counts)) == 1, f"a MULTI of {self.keys} is torn: {counts}")
        return counts[0], counts[0]


class MultiSetter:
    """MSET of three keys, and an older key deleted."""

    def __init__(self, name):
        self.name = name
        self.keys = [f"{part}:{name}" for part in ("a", "b", "c")]
        self.seq = self.keys[0]

    def commands(self, n):
        pairs = [word for key in self.keys for word in (key, n)]
        return [("SET", f"old:{self.name}:{n}", n), ("MSET", *pairs), ("DEL", f"old:{self.name}:{n - 1}")]

    def last(self, connection):
        values = [number(item) for item in connection.command("MGET", *self.keys).value]
        require(len(set(values)) == 1, f"an MSET of {self.keys} is torn: {values}")
        n = values[0]
        left = sorted(int(item.value.rsplit(b":", 1)[1]) for item in connection.command("KEYS", f"old:{self.name}:*").value)
        allowed = ([n] if n else [], [n - 1, n], [n, n + 1], [1] if n == 0 else [n])
        require(left in allowed, f"old:{self.name}:* after number {n}: {left}")
        # The number itself counts only when its last command, the DEL, is there too.
        return (n if left in ([n], [n, n + 1]) or n == 0 else n - 1), n


def number(reply):
    return 0 if reply.value is None else int(reply.value)


def gap(items):
    for index, item in enumerate(items):
        if item != index + 1:
            return f"place {index + 1} of {len(items)} holds {item}"
    return "?"


# --- Clients ------------------------------------------------------------------------------------------------------


class Writer(threading.Thread):
    """Sends numbers from where it was until the connection breaks."""

    def __init__(self, server, manner, begin, seed):
        super().__init__()
        self.server, self.manner = server, manner
        self.sent = self.acknowledged = begin
        self.random = random.Random(seed)
        self.error = None

    def run(self):
        try:
            connection = self.server.connect()
            while True:
                batch = range(self.sent + 1, self.sent + 1 + self.random.randrange(1, PIPELINE_MAX))
                commands = [self.manner.commands(n) for n in batch]
                self.sent = batch[-1]
                connection.send(b"".join(encode([str(word).encode() for word in command])
                                         for group in commands for command in group))
                for n, group in zip(batch, commands):
                    for _ in group:
                        reply = connection.read()
                        if reply.kind == "-":
                            self.error = reply.value.decode()
                            return
                    self.acknowledged = n
        except (ConnectionLost, OSError):
            pass


class Reader(threading.Thread):
    """Reads every writer's number and remembers what it saw."""

    def __init__(self, server, manners):
        super().__init__()
        self.server, self.manners = server, manners
        self.seen = {}

    def run(self):
        try:
            connection = self.server.connect()
            while True:
                replies = connection.command("MGET", *(manner.seq for manner in self.manners))
                for manner, reply in zip(self.manners, replies.value):
                    self.seen[manner.seq] = number(reply)
        except (ConnectionLost, OSError):
            pass


# --- Rounds -----------------------------------------------------------------------------------------------------


def play_round(server, manners, last, chooser, policy):
    """Load, kill, restart, check. Returns the numbers acknowledged; updates last, a dict by manner."""
    writers = [Writer(server, manner, last[manner], chooser.random()) for manner in manners]
    reader = Reader(server, manners)
    for thread in (*writers, reader):
        thread.start()
    time.sleep(chooser.uniform(0.01, LOAD_SECONDS_MAX))
    server.kill()
    for thread in (*writers, reader):
        thread.join()

    acknowledged = 0
    while chooser.random() < KILL_WHILE_LOADING_CHANCE:
        server.launch()
        time.sleep(chooser.uniform(0, 0.05))
        server.kill()
    server.start()
    connection = server.connect(timeout=60.0)
    for writer in writers:
        require(writer.error is None, f"a write was refused: {writer.error}")
        n, seen = writer.manner.last(connection)
        name = writer.manner.seq
        require(n >= writer.acknowledged, f"{name}: {writer.acknowledged} was acknowledged, {n} is there")
        require(seen <= writer.sent, f"{name}: {seen} is there, only {writer.sent} was sent")
        if policy == "always":
            read = reader.seen.get(name, 0)
            require(seen >= read, f"{name}: a reader saw {read}, {seen} is there")
        acknowledged += writer.acknowledged - last[writer.manner]
        # A number may be there in part; the next round goes on after the last whole one.
        last[writer.manner] = n
        finish(connection, writer.manner, n, seen)
    return acknowledged


def finish(connection, manner, n, seen):
    """Brings a manner's keys to exactly number n, when its last number was there in part."""
    if isinstance(manner, Appender) and seen > n:
        connection.command("SET", manner.seq, n)
    if isinstance(manner, MultiSetter):
        for key in connection.command("KEYS", f"old:{manner.name}:*").value:
            connection.command("DEL", key.value)
        if n:
            connection.command("SET", f"old:{manner.name}:{n}", n)
            connection.command("MSET", *(word for key in manner.keys for word in (key, n)))


def play_folder(options, policy, rounds, chooser):
    manners = [kind(f"{kind.__name__.lower()}{index}") for kind in (Appender, Transactor, MultiSetter)
               for index in range(CLIENTS_PER_MANNER)]
    last = dict.fromkeys(manners, 0)
    total = 0
    # A small footprint for the run: no save points, so that only the log can bring the data back.
    arguments = ("--save", "", "--appendonly", "yes", "--appendfsync", policy, *options.server_options)
    with Server(options.strata, *arguments) as server:
        try:
            for _ in range(rounds):
                total += play_round(server, manners, last, chooser, policy)
        except (Broken, ConnectionLost, RuntimeError) as error:
            server.made_folder = False  # Evidence stays.
            print(f"{policy}: {error}\nthe folder is kept: {server.folder}\n{server.log_tail(30)}")
            return None
    return total


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("strata")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    options.server_options = ("--threads", options.threads) if options.threads else ()

    print(f"--seed {options.seed}", flush=True)
    chooser = random.Random(options.seed)
    played = acknowledged = 0
    while played < options.rounds:
        rounds = min(ROUNDS_PER_FOLDER, options.rounds - played)
        policy = POLICIES[(played // ROUNDS_PER_FOLDER) % len(POLICIES)]
        total = play_folder(options, policy, rounds, chooser)
        if total is None:
            return 1
        played += rounds
        acknowledged += total
        print(f"{played} kills, {acknowledged} numbers acknowledged, none lost", flush=True)
    if acknowledged == 0:
        print("nothing was acknowledged: nothing was tested")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
