#!/usr/bin/python3
"""Who is served, with what, and in which order: blocked clients on Strata and on Debian's redis-server.

    blocking.py STRATA_SERVER [--threads N] [--scenarios N] [--seed N]

A scenario blocks some clients, one after the other, and lets another one change keys; then all replies, who is
still blocked, and what the keys hold must be the same on both. A few are written down, the rest is drawn.
"""

import argparse
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from resp import encode, show, to_bytes  # noqa: E402
from servers import REDIS_SERVER, without_persistence  # noqa: E402

PATIENCE_SECONDS = 30
KEYS = ["a", "b", "c", "{x}d", "{x}e"]

# "block …": by a client of its own, left alone until it is blocked or has its reply; everything else: by one
# client, whose replies are compared, too.
WRITTEN = {
    "in the order of arrival": "block BLPOP a 0|block BRPOP a 0|block BLPOP a 0|RPUSH a 1 2|LRANGE a 0 -1",
    "every element of one push": "block BLPOP a 0|block BLPOP a 0|RPUSH a 1 2 3|LRANGE a 0 -1",
    "the key that was pushed first": "block BLPOP a b c 0|MULTI|RPUSH c 3|RPUSH b 2|RPUSH a 1|EXEC|KEYS *",
    "pushed and popped by one EXEC": "block BLPOP a 0|MULTI|RPUSH a 1|LPOP a|EXEC|RPUSH a 2",
    "pushed, deleted, another type": "block BLPOP a 0|MULTI|RPUSH a 1|DEL a|SET a x|EXEC|DEL a|RPUSH a 2",
    "not by another type": "block BLPOP a 0|SADD a 1|TYPE a|DEL a|RPUSH a 1",
    "RENAME": "block BLPOP a 0|RPUSH b 1 2|RENAME b a|LRANGE a 0 -1",
    "RENAMENX": "block BLPOP a 0|RPUSH b 1 2|RENAMENX b a|LRANGE a 0 -1",
    "COPY": "block BLPOP a 0|RPUSH b 1 2|COPY b a|LRANGE a 0 -1|LRANGE b 0 -1",
    "MOVE": "block BLPOP a 0|SELECT 1|RPUSH a 1|MOVE a 0|SELECT 0|EXISTS a",
    "SWAPDB": "block BLPOP a 0|SELECT 1|RPUSH a 1 2|SWAPDB 0 1|SELECT 0|LRANGE a 0 -1|SELECT 1|EXISTS a|SELECT 0",
    "RESTORE": "block BLPOP a 0|RPUSH b 7|RESTOREOF b a|EXISTS a",
    "SORT STORE": "block BLPOP a 0|RPUSH b 3 1 2|SORT b STORE a|LRANGE a 0 -1",
    "LMOVE into it": "block BLPOP a 0|RPUSH b 1|LMOVE b a LEFT LEFT|KEYS *",
    "BLMOVE feeds BLPOP": "block BLPOP b 0|block BLMOVE a b LEFT RIGHT 0|RPUSH a 1 2|KEYS *",
    "a chain": "block BRPOPLPUSH a b 0|block BRPOPLPUSH b c 0|block BLPOP c 0|RPUSH a 1|KEYS *",
    "a circle": "block BRPOPLPUSH a b 0|block BRPOPLPUSH b a 0|RPUSH a 1|LRANGE a 0 -1|LRANGE b 0 -1",
    "to itself": "block BLMOVE a a LEFT RIGHT 0|block BLMOVE a a LEFT RIGHT 0|RPUSH a 1 2 3|LRANGE a 0 -1",
    "a target of the wrong type": "SET b x|block BLMOVE a b LEFT RIGHT 0|block BLPOP a 0|RPUSH a 1|EXISTS a",
    "several at once": "block BLMPOP 0 2 a b RIGHT COUNT 2|block BLPOP b 0|RPUSH b 1 2 3|LRANGE b 0 -1",
    "the same key twice": "block BLPOP a a 0|RPUSH a 1 2|LRANGE a 0 -1",
    "a pipeline waits": "block BLPOP a 0;SET k 1;BLPOP b 0;GET k|GET k|RPUSH a 1|RPUSH b 2",
    "big elements": "block BLPOP a 0|block BLMOVE a b LEFT RIGHT 0|RPUSH a BIG BIG|STRLEN k|LLEN b",
    "sorted sets": "block BZPOPMIN a b 0|block BZPOPMAX a 0|block BLPOP a 0|ZADD a 1 x 2 y 3 z|ZRANGE a 0 -1",
    "several members": "block BZMPOP 0 2 a b MAX COUNT 2|ZADD b 1 x 2 y 3 z|ZRANGE b 0 -1",
    "a list becomes a sorted set": "block BZPOPMIN a 0|RPUSH a 1|DEL a|ZADD a 5 m",
    "COPY of a sorted set": "block BZPOPMIN a 0|block BZPOPMIN a 0|ZADD b 1 x 2 y|COPY b a|KEYS *",
    "readers of a stream": "block XREAD BLOCK 0 STREAMS a b $ $|block XREAD COUNT 1 BLOCK 0 STREAMS b a 0 0|XADD a 1-1 f v",
    "entries of one EXEC": "block XREAD BLOCK 0 STREAMS a b 0 0|block XREAD COUNT 1 BLOCK 0 STREAMS a 0|"
                           "MULTI|XADD b 1-1 f v|XADD a 1-1 f v|XADD a 2-1 f v|EXEC",
    "after what is known": "XADD a 5-5 f v|block XREAD BLOCK 0 STREAMS a 5-9|XADD a 5-6 f v|XADD a 5-9 f v|XADD a 5-10 f v",
    "added and deleted": "block XREAD BLOCK 0 STREAMS a $|MULTI|XADD a 1-1 f v|XDEL a 1-1|XADD a 2-1 f v|EXEC",
    "a stream comes by RENAME": "XADD b 1-1 f v|block XREAD BLOCK 0 STREAMS a 0|RENAME b a",
    "a stream after other types": "block XREAD BLOCK 0 STREAMS a $|SET a x|DEL a|RPUSH a x|DEL a|XADD a 1-1 f v",
    "a group shares": "XGROUP CREATE a g $ MKSTREAM|block XREADGROUP GROUP g x BLOCK 0 STREAMS a >|"
                      "block XREADGROUP GROUP g y BLOCK 0 STREAMS a >|XADD a 1-1 f v|XADD a 2-1 f v|XPENDING a g",
    "a group's first gets all of one EXEC": "XGROUP CREATE a g $ MKSTREAM|block XREADGROUP GROUP g x BLOCK 0 STREAMS a >|"
                                            "block XREADGROUP GROUP g y BLOCK 0 COUNT 1 STREAMS a >|"
                                            "MULTI|XADD a 1-1 f v|XADD a 2-1 f v|EXEC|XPENDING a g",
    "a group and a reader": "XGROUP CREATE a g $ MKSTREAM|block XREADGROUP GROUP g x NOACK BLOCK 0 STREAMS a >|"
                            "block XREAD BLOCK 0 STREAMS a $|XADD a 1-1 f v|XPENDING a g",
    "a group of two streams": "XGROUP CREATE a g $ MKSTREAM|XGROUP CREATE b g $ MKSTREAM|"
                              "block XREADGROUP GROUP g x BLOCK 0 STREAMS a b > >|XADD b 1-1 f v|XPENDING b g",
    "the group goes": "XGROUP CREATE a g $ MKSTREAM|block XREADGROUP GROUP g x BLOCK 0 STREAMS a >|XGROUP DESTROY a g",
    "another group goes": "XGROUP CREATE a g $ MKSTREAM|XGROUP CREATE a h $|"
                          "block XREADGROUP GROUP g x BLOCK 0 STREAMS a >|XGROUP DESTROY a h|XADD a 1-1 f v",
    "the stream goes": "XGROUP CREATE a g $ MKSTREAM|block XREADGROUP GROUP g x BLOCK 0 STREAMS a >|block XREAD BLOCK 0 STREAMS a $|DEL a",
    "the stream is renamed": "XGROUP CREATE a g $ MKSTREAM|block XREADGROUP GROUP g x BLOCK 0 STREAMS a >|RENAME a b|XADD b 1-1 f v",
    "the stream becomes a string": "XGROUP CREATE a g $ MKSTREAM|block XREADGROUP GROUP g x BLOCK 0 STREAMS a >|SET a x",
    "the stream becomes another": "XGROUP CREATE a g $ MKSTREAM|block XREADGROUP GROUP g x BLOCK 0 STREAMS a >|"
                                  "MULTI|DEL a|XADD a 1-1 f v|EXEC",
    "the stream comes again": "XGROUP CREATE a g $ MKSTREAM|block XREADGROUP GROUP g x BLOCK 0 STREAMS a >|"
                              "MULTI|DEL a|XGROUP CREATE a g $ MKSTREAM|EXEC|XADD a 1-1 f v",
    "all goes": "XGROUP CREATE a g $ MKSTREAM|block XREADGROUP GROUP g x BLOCK 0 STREAMS a >|FLUSHALL",
    "the stream expires": "XGROUP CREATE a g $ MKSTREAM|block XREADGROUP GROUP g x BLOCK 0 STREAMS a >|PEXPIRE a 20",
    "a waiting pipeline of streams": "block XREAD BLOCK 0 STREAMS a $;XLEN a;XREAD BLOCK 0 STREAMS a 1|XADD a 1-1 f v|XADD a 2-1 f v",
    "history does not wait": "XGROUP CREATE a g $ MKSTREAM|block XREADGROUP GROUP g x BLOCK 0 STREAMS a 0",
    "not served while watching": "block BLPOP a 0|WATCH a|RPUSH a 1|MULTI|PING|EXEC",
}


def words_of(text):
    return [b"x" * 100_000 if word == "BIG" else to_bytes(word) for word in text.split()]


class Side:
    """One of the servers, and a scenario's clients."""

    def __init__(self, server):
        self.server = server
        self.main = server.connect()
        self.blocked = {}  # connection by client id, in order
        self.expected = {}  # replies that each is to get

    def run(self, step):
        if step.startswith("block "):
            return self.block(step[len("block ") :].split(";"))
        words = words_of(step)
        if words[0] == b"RESTOREOF":
            payload = self.main.command("DUMP", words[1]).value
            words = [b"RESTORE", words[2], b"0", payload]
        reply = self.main.command(*words)
        return sorted(map(show, reply.value)) if words[0] == b"KEYS" else show(reply)

    def block(self, commands):
        connection = self.server.connect()
        number = int(connection.command("CLIENT", "ID").value)
        connection.send(b"".join(encode(words_of(command)) for command in commands))
        self.blocked[number] = connection
        self.expected[number] = len(commands)
        # Another connection's command ran before this one's, unless it waits: both are seen in CLIENT LIST.
        self.wait_for(lambda: self.flags_of(number) != "N" or self.has_replies(connection))
        return "sent"

    def has_replies(self, connection):
        connection.socket.settimeout(0.001)
        try:
            data = connection.socket.recv(1 << 18)
            connection.buffer += data
        except TimeoutError:
            return False
        finally:
            connection.socket.settimeout(PATIENCE_SECONDS)
        return True

    def flags_of(self, number):
        line = self.main.command("CLIENT", "LIST", "ID", str(number)).value.decode()
        return line.split("flags=")[1].split()[0] if line else "gone"

    def still_blocked(self):
        return [index for index, number in enumerate(self.blocked) if self.flags_of(number) == "b"]

    def wait_for(self, condition):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.0005)
        return True

    def replies(self):
        """Of every blocked client, with the wait of those that still wait ended by an error."""
        found = []
        for number, connection in self.blocked.items():
            got = []
            while len(got) < self.expected[number]:
                self.wait_for(lambda: connection.at < len(connection.buffer) or self.has_replies(connection) or
                              self.main.command("CLIENT", "UNBLOCK", number, "ERROR").value == b"1")
                got.append(show(connection.read())[:80])
            found.append(got)
        return found

    def contents(self):
        found = {}
        for key in sorted(self.main.command("KEYS", "*").value):
            kind = self.main.command("TYPE", key.value).value
            ask = {b"list": ["LRANGE", key.value, 0, -1], b"zset": ["ZRANGE", key.value, 0, -1, "WITHSCORES"],
                   b"stream": ["XRANGE", key.value, "-", "+"]}
            found[key.value] = show(self.main.command(*ask.get(kind, ["TYPE", key.value])))[:500]
        return found

    def clear(self):
        for connection in self.blocked.values():
            connection.close()
        self.blocked, self.expected = {}, {}
        self.main.close()
        self.main = self.server.connect()
        self.main.command("FLUSHALL")
        self.wait_for(lambda: b"blocked_clients:0\r\n" in self.main.command("INFO", "clients").value)


def run(name, steps, ours, theirs):
    """True when both servers did the same."""
    seen = []
    for step in steps:
        got = [side.run(step) for side in (theirs, ours)]
        seen.append((step, *got))
        if got[0] != got[1]:
            return report(name, seen, "another reply")
    blocked = theirs.still_blocked()
    if not ours.wait_for(lambda: ours.still_blocked() == blocked):
        return report(name, seen, f"blocked are {ours.still_blocked()} instead of {blocked}")
    replies = [side.replies() for side in (theirs, ours)]
    contents = [side.contents() for side in (theirs, ours)]
    for what in (replies, contents):
        if what[0] != what[1]:
            return report(name, seen, f"redis-server {what[0]}\nStrata {what[1]}")
    return True


def report(name, seen, what):
    print(f"--- {name}: {what}")
    for step, theirs, ours in seen:
        print(f"  {step:60} {theirs}" + ("" if theirs == ours else f"   STRATA: {ours}"))
    return False


# --- Scenarios that are drawn ---------------------------------------------------------------------------------


class Drawer:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def key(self):
        return self.random.choice(KEYS)

    def keys(self):
        return " ".join(self.random.sample(KEYS, self.random.randint(1, 3)))

    def end(self):
        return self.random.choice(["LEFT", "RIGHT"])

    def blocking(self):
        keys = self.keys()
        return "block " + self.random.choice([
            f"BLPOP {keys} 0",
            f"BRPOP {keys} 0",
            f"BLMOVE {self.key()} {self.key()} {self.end()} {self.end()} 0",
            f"BRPOPLPUSH {self.key()} {self.key()} 0",
            f"BZPOPMIN {keys} 0",
            f"BZPOPMAX {keys} 0",
            f"XREAD BLOCK 0 STREAMS {keys}" + " $" * len(keys.split()),
            f"XREAD BLOCK 0 COUNT 1 STREAMS {keys}" + " 5-1" * len(keys.split()),
            f"BZMPOP 0 {len(keys.split())} {keys} MIN COUNT 2",
            f"BLMPOP 0 {len(keys.split())} {keys} {self.end()} COUNT {self.random.randint(1, 3)}",
        ])

    def plain(self):
        elements = " ".join(str(self.random.randint(0, 99)) for _ in range(self.random.randint(1, 4)))
        return self.random.choice([
            f"RPUSH {self.key()} {elements}",
            f"LPUSH {self.key()} {elements}",
            f"ZADD {self.key()} 1 {self.random.randint(0, 99)} 2 {self.random.randint(100, 199)}",
            f"LPOP {self.key()}",
            f"XADD {self.key()} {self.random.randint(1, 9)}-* f v",
            f"LMOVE {self.key()} {self.key()} {self.end()} {self.end()}",
            f"DEL {self.key()}",
            f"COPY {self.key()} {self.key()}",
            f"RENAMENX {self.key()} {self.key()}",
        ])

    def steps(self):
        steps = []
        for _ in range(self.random.randint(3, 12)):
            choice = self.random.random()
            if choice < 0.45:
                steps.append(self.blocking())
            elif choice < 0.8:
                steps.append(self.plain())
            else:
                steps += ["MULTI", *(self.plain() for _ in range(self.random.randint(1, 4))), "EXEC"]
        return steps


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("server")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--scenarios", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    failures = 0
    with without_persistence(options.server, "--threads", options.threads) as strata, \
            without_persistence(REDIS_SERVER) as redis:
        ours, theirs = Side(strata), Side(redis)
        scenarios = [(name, text.split("|")) for name, text in WRITTEN.items()]
        scenarios += [(f"seed {seed}", Drawer(seed).steps()) for seed in range(options.seed, options.seed + options.scenarios)]
        for name, steps in scenarios:
            failures += not run(name, steps, ours, theirs)
            for side in (ours, theirs):
                side.clear()
    print(f"{len(scenarios)} scenarios, {failures} differ")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
