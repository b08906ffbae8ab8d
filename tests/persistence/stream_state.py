#!/usr/bin/python3
"""What streams hold survives: stream_state.py STRATA_SERVER [--threads N].

Random commands on streams and their groups, then kill -9, and a new start from the log: XINFO STREAM FULL must show the
same as before, but for when consumers were last seen. redis-server starts from the same log, and from ours again,
as long as nothing later than it was used.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from resp import show  # noqa: E402
from servers import REDIS_SERVER, Server  # noqa: E402

KEYS = ("s", "t", "u")
GROUPS = ("g", "h")
CONSUMERS = ("alice", "bob", "carol")
COMMANDS = 1500
LOG = ("--appendonly", "yes", "--save", "")
UNSTABLE = (b"seen-time", b"active-time", b"inactive", b"idle")


class Writer:
    """Sends commands that change streams; all of them are drawn from `chooser`."""

    def __init__(self, connection, chooser, newer):
        self.connection, self.chooser, self.newer = connection, chooser, newer

    def run(self, count):
        kinds = [self.add, self.add, self.add, self.trim, self.delete, self.group, self.read, self.read, self.read,
                 self.acknowledge, self.claim, self.set_id]
        if self.newer:
            kinds += [self.delete_more, self.give_back, self.add_once, self.read_claiming, self.trim_more]
        for _ in range(count):
            reply = self.connection.command(*self.chooser.choice(kinds)())
            assert reply.kind != "-" or reply.value.split()[0] in (b"NOGROUP", b"BUSYGROUP", b"ERR"), show(reply)

    def key(self):
        return self.chooser.choice(KEYS)

    def names(self):
        return self.key(), self.chooser.choice(GROUPS), self.chooser.choice(CONSUMERS)

    def ids(self, key):
        """Of entries that are there, and one that is not."""
        reply = self.connection.command("XRANGE", key, "-", "+").value or []
        ids = [entry.value[0].value.decode() for entry in reply] + ["1-1"]
        return self.chooser.sample(ids, min(len(ids), self.chooser.randrange(1, 5)))

    def pending(self, key, group):
        reply = self.connection.command("XPENDING", key, group, "-", "+", 50)
        ids = [entry.value[0].value.decode() for entry in reply.value] if reply.kind == "*" else []
        ids.append("1-1")
        return self.chooser.sample(ids, min(len(ids), self.chooser.randrange(1, 6)))

    def threshold(self):
        return self.chooser.choice(["", "=", "~"]).split() + [self.chooser.randrange(30)]

    def fields(self):
        names = self.chooser.choice([["a"], ["a"], ["a", "b"], ["c", "a"]])
        return [word for name in names for word in (name, self.chooser.choice([1, -7, "text", "x" * 90, ""]))]

    def add(self):
        trim = self.chooser.choice([[], [], [], ["MAXLEN", *self.threshold()], ["MAXLEN", "~", 5, "LIMIT", 20]])
        return ["XADD", self.key(), *trim, "*", *self.fields()]

    def trim(self):
        return ["XTRIM", self.key(), "MAXLEN", *self.threshold()]

    def trim_more(self):
        return ["XTRIM", self.key(), "MAXLEN", *self.threshold(), self.chooser.choice(["ACKED", "DELREF", "KEEPREF"])]

    def delete(self):
        key = self.key()
        return ["XDEL", key, *self.ids(key)]

    def delete_more(self):
        key, group, _ = self.names()
        ids = self.ids(key)
        how = self.chooser.choice(["ACKED", "DELREF", "KEEPREF"])
        command = self.chooser.choice([["XDELEX", key], ["XACKDEL", key, group]])
        return [*command, how, "IDS", len(ids), *ids]

    def group(self):
        key, group, consumer = self.names()
        return self.chooser.choice([
            ["XGROUP", "CREATE", key, group, self.chooser.choice(["0", "$"]), "MKSTREAM"],
            ["XGROUP", "CREATE", key, group, "0", "MKSTREAM", "ENTRIESREAD", 2],
            ["XGROUP", "CREATECONSUMER", key, group, consumer],
            ["XGROUP", "DELCONSUMER", key, group, consumer] if self.chooser.random() < 0.3 else ["PING"],
            ["XGROUP", "DESTROY", key, group] if self.chooser.random() < 0.2 else ["PING"],
            ["XGROUP", "SETID", key, group, self.chooser.choice(["0", "$"]), "ENTRIESREAD", 1]])

    def read(self):
        key, group, consumer = self.names()
        options = self.chooser.choice([[], ["COUNT", 2], ["NOACK"], ["COUNT", 1, "BLOCK", 1]])
        return ["XREADGROUP", "GROUP", group, consumer, *options, "STREAMS", key, self.chooser.choice([">", ">", "0"])]

    def read_claiming(self):
        key, group, consumer = self.names()
        return ["XREADGROUP", "GROUP", group, consumer, "COUNT", 4, "CLAIM", self.chooser.choice([0, 5]), "STREAMS", key, ">"]

    def acknowledge(self):
        key, group, _ = self.names()
        return ["XACK", key, group, *self.pending(key, group)]

    def claim(self):
        key, group, consumer = self.names()
        options = self.chooser.choice([[], ["JUSTID"], ["IDLE", 5000], ["RETRYCOUNT", 4, "FORCE"], ["FORCE", "LASTID", "1-5"]])
        return self.chooser.choice([
            ["XCLAIM", key, group, consumer, 0, *self.pending(key, group), *options],
            ["XCLAIM", key, group, consumer, 0, *self.ids(key), *options],
            ["XAUTOCLAIM", key, group, consumer, 0, "0", "COUNT", 3],
            ["XAUTOCLAIM", key, group, consumer, 0, "0", "COUNT", 2, "JUSTID"]])

    def give_back(self):
        key, group, _ = self.names()
        ids = self.pending(key, group)
        return ["XNACK", key, group, self.chooser.choice(["SILENT", "FAIL", "FATAL"]), "IDS", len(ids), *ids]

    def add_once(self):
        iid = self.chooser.randrange(30)
        how = self.chooser.choice([["IDMP", "p", iid], ["IDMP", "q", iid], ["IDMPAUTO", "r"]])
        if self.chooser.random() < 0.05:
            return ["XCFGSET", self.key(), "IDMP-MAXSIZE", self.chooser.choice([5, 10])]
        return ["XADD", self.key(), *how, *self.chooser.choice([[], [], ["MAXLEN", 1], ["MAXLEN", "~", 3]]), "*", *self.fields()]

    def set_id(self):
        return ["XSETID", self.key(), f"{int(time.time() * 1000) + 5}-1", "ENTRIESADDED", 5000]


def stable(reply):
    """Without what a replay cannot know, and what only one of the servers shows."""
    if not isinstance(reply.value, list):
        return show(reply)
    items = reply.value
    pairs = len(items) % 2 == 0 and items and items[0].kind == "$" and items[0].value in (b"name", b"length")
    if not pairs:
        return [stable(item) for item in items]
    return {name.value: stable(value) for name, value in zip(items[::2], items[1::2]) if name.value not in UNSTABLE}


def state(connection):
    found = {key: stable(connection.command("XINFO", "STREAM", key, "FULL", "COUNT", 0)) for key in KEYS}
    for fields in found.values():
        if isinstance(fields, dict):  # How entries are cut into nodes is each server's own affair after a trim.
            for name in (b"radix-tree-keys", b"radix-tree-nodes", b"iids-duplicates"):
                fields.pop(name, None)
    return found


def require_same(found, wanted, what):
    for key in KEYS:
        if found[key] == wanted[key]:
            continue
        if isinstance(found[key], dict) and isinstance(wanted[key], dict):
            for name in wanted[key]:
                if found[key].get(name) != wanted[key][name]:
                    print(f"{name.decode()}:\n    {found[key].get(name)}\n    instead of\n    {wanted[key][name]}")
        raise AssertionError(f"{what}: {key} differs: {str(found[key])[:300]} instead of {str(wanted[key])[:300]}")


def after_kill(binary, threads, seed, newer):
    with tempfile.TemporaryDirectory() as folder, Server(binary, *LOG, "--threads", threads, folder=folder) as server:
        chooser = random.Random(seed)
        for turn in range(3):
            connection = server.connect()
            Writer(connection, chooser, newer).run(COMMANDS // 3)
            if turn == 1:
                assert connection.command("BGREWRITEAOF").kind == "+"
            wanted = state(connection)
            server.kill()
            server.start()
            require_same(state(server.connect()), wanted, f"turn {turn}, seed {seed}")
        if newer:
            return
        server.kill()
        copy = Path(folder) / "copy"
        shutil.copytree(Path(folder) / "appendonlydir", copy / "appendonlydir")
        with Server(REDIS_SERVER, *LOG, folder=copy) as theirs:
            found = state(theirs.connect())
            for fields in (*found.values(), *wanted.values()):
                for group in fields[b"groups"] if isinstance(fields, dict) else ():
                    group.pop(b"lag", None)  # Computed; 7.4 learned to do so behind trims.
            require_same(found, wanted, f"in redis-server, seed {seed}")
            connection = theirs.connect()
            Writer(connection, chooser, False).run(200)
            wanted = state(connection)
            connection.command("BGREWRITEAOF")
            theirs.stop()
        with Server(binary, *LOG, "--threads", threads, folder=copy) as again:
            found = state(again.connect())
            forget_what_redis_does_not_log(found)
            forget_what_redis_does_not_log(wanted)
            require_same(found, wanted, f"back from redis-server, seed {seed}")


def forget_what_redis_does_not_log(found):
    """7.0 logs neither how far a group has read nor that its history was read again."""
    for fields in found.values():
        for group in fields[b"groups"] if isinstance(fields, dict) else ():
            group.pop(b"entries-read", None)
            group.pop(b"lag", None)
            group[b"pending"] = [entry[:2] for entry in group[b"pending"]]
            group[b"consumers"] = [(one[b"name"], [entry[:1] for entry in one[b"pending"]]) for one in group[b"consumers"]
                                   if one[b"pending"]]


def fields_of_consumers(binary, threads):
    """Of 7.2; redis-server 7.0 does not know the times of both."""
    with Server(binary, "--threads", threads, "--appendonly", "no", "--save", "") as server:
        connection = server.connect()
        for words in ("XGROUP CREATE s g 0 MKSTREAM", "XREADGROUP GROUP g idler STREAMS s >", "XADD s 1-1 a b",
                      "XREADGROUP GROUP g reader STREAMS s >"):
            connection.command(*words.split())
        time.sleep(0.05)
        connection.command("XREADGROUP", "GROUP", "g", "reader", "STREAMS", "s", ">")
        for name, consumer in zip((b"idler", b"reader"), connection.command("XINFO", "CONSUMERS", "s", "g").value):
            found = {key.value: value.value for key, value in zip(consumer.value[::2], consumer.value[1::2])}
            assert list(found) == [b"name", b"pending", b"idle", b"inactive"] and found[b"name"] == name, found
            if name == b"idler":
                assert found[b"inactive"] == b"-1" and int(found[b"idle"]) >= 50, found
            else:
                assert int(found[b"inactive"]) >= 50 and int(found[b"idle"]) < int(found[b"inactive"]), found


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("strata")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    fields_of_consumers(options.strata, options.threads)
    for seed in range(options.seed, options.seed + options.rounds):
        for newer in (False, True):
            after_kill(options.strata, options.threads, seed, newer)
    print(f"streams survive: seeds {options.seed} to {options.seed + options.rounds - 1}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
