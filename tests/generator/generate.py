#!/usr/bin/python3
"""Sends random commands to Strata and Debian's redis-server, and compares every reply and the final state.

    generate.py STRATA_SERVER [--threads N] [--commands 20000] [--seed S]

The run is cut into episodes, which begin with empty servers and end with a comparison of all keys. Commands go out in
pipelines over four connections (two of them RESP3), cut into pieces at random bytes. On a difference the episode
is replayed with ever fewer commands, and what is left of it is printed. The seed is printed and can be given.
"""

import argparse
import itertools
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from compare import by, pairs, shape, unordered, within  # noqa: E402
from grammar import Grammar  # noqa: E402
from resp import ConnectionLost, Reply, encode, quote, show  # noqa: E402
from servers import REDIS_SERVER, without_persistence  # noqa: E402

EPISODE_COMMANDS = 2000
PIPELINE_MAX = 100
CONNECTIONS = 4
DATABASES = 16
SECONDS_APART = 5  # How far the two servers' clocks may be apart when a relative deadline reaches them.
SHRINK_SECONDS_MAX = 60
SHOWN_CHARACTERS_MAX = 300


def encodings(ours, theirs):
    # 7.2 packs small lists and sets of strings; 7.0 does not yet (release notes of 7.2).
    packed = Reply("$", b"listpack")
    # And 7.0's SORT unpacks a sorted set for good, which ours only reads.
    return ours == theirs or (ours == packed and theirs.value in (b"quicklist", b"hashtable", b"skiplist"))


def sorted_replies(ours, theirs):
    # A stale errno makes 7.0 take numbers for too large after it has seen one that is (grammar_sort.py); and strcoll(),
    # which it compares texts with, sees nothing behind a NUL.
    return (ours == theirs or theirs.value == b"ERR One or more scores can't be converted into double"
            or (shape(ours) == shape(theirs) and "\\x00" in show(ours) + show(theirs)))


def pages(canonical):
    """Replies of HSCAN and the like: a page that is not the last is each server's own affair."""

    def same(ours, theirs):
        both = [reply for reply in (ours, theirs) if reply.kind == "*" and reply.value and reply.value[0].value != b"0"]
        return ours.kind == theirs.kind if both else canonical(ours) == canonical(theirs)

    return same


def without_idle_times(reply):
    """XPENDING's entries: ID, consumer, idle time, deliveries."""
    if reply.kind != "*" or not reply.value or reply.value[0].kind != "*":
        return reply
    return [entry.value[:2] + entry.value[3:] for entry in reply.value]


EXACT = by(lambda reply: reply)
COMPARISONS = {
    b"keys": by(unordered), b"scan": by(unordered), b"smembers": by(unordered), b"sinter": by(unordered),
    b"sunion": by(unordered), b"sdiff": by(unordered), b"hkeys": by(unordered),
    b"hvals": by(unordered), b"spop": by(unordered), b"hgetall": by(pairs),
    b"hscan": pages(pairs), b"sscan": pages(unordered), b"zscan": pages(unordered),
    b"randomkey": by(shape), b"srandmember": by(shape), b"hrandfield": by(shape), b"zrandmember": by(shape),
    b"ttl": within(SECONDS_APART), b"pttl": within(SECONDS_APART * 1000),
    b"expiretime": within(SECONDS_APART), b"pexpiretime": within(SECONDS_APART * 1000),
    b"object encoding": encodings, b"object refcount": by(shape),
    # redis-server's small integers are one object for all keys, and so is the time of their last use.
    b"object idletime": by(shape),
    b"object help": by(lambda reply: reply.kind), b"memory usage": by(shape),
    b"dump": by(lambda reply: (reply.kind, reply.value is None)),
    b"xpending": by(without_idle_times), b"xgroup createconsumer": by(lambda reply: reply.kind),
    b"sort": sorted_replies, b"sort_ro": sorted_replies,
}


def comparison_of(command):
    name = command[0].lower()
    two_words = b" ".join(command[:2]).lower()
    at = 1 if name == b"scan" else 2
    if name in (b"scan", b"hscan", b"sscan", b"zscan") and command[at : at + 1] != [b"0"]:
        return by(lambda reply: reply.kind)  # What an invented cursor finds is each server's own affair.
    if name in (b"sort", b"sort_ro") and any(word.lower() == b"by" and b"*" not in pattern
                                             for word, pattern in zip(command, command[1:])):
        return by(shape)  # The order of a set is each server's own affair.
    if name == b"lpos" and b"-9223372036854775808" in command:
        return lambda ours, theirs: True  # 7.2 refuses this rank, 7.0 does not yet (LPOS, release notes of 7.2).
    if name in (b"zrank", b"zrevrank") and len(command) > 3:
        return lambda ours, theirs: True  # WITHSCORE came with 7.2.
    if name.startswith(b"geo") and b"count" in command:
        return by(shape)  # Which of equally distant places come first is left to a partial sort in Redis.
    if name[:6] in (b"zunion", b"zinter") and b"count" in command:
        return lambda ours, theirs: True  # AGGREGATE COUNT came with 8.8.
    return COMPARISONS.get(two_words) or COMPARISONS.get(name, EXACT)


class Conversation:
    """One connection to each server, and the commands that wait for EXEC there."""

    def __init__(self, servers, resp3):
        self.connections = [server.connect(timeout=60.0) for server in servers]
        self.queued = []
        if resp3:
            for connection in self.connections:
                connection.command("HELLO", 3)

    def exchange(self, commands, splitter):
        """Sends the pipeline to both; returns the first difference as (index, ours, theirs), or None."""
        data = b"".join(map(encode, commands))
        for connection in self.connections:
            for piece in split(data, splitter):
                connection.send(piece)
        for index, command in enumerate(commands):
            ours, theirs = (receive(connection) for connection in self.connections)
            if not self.same(command, ours, theirs):
                return index, ours, theirs
        return None

    def same(self, command, ours, theirs):
        name = command[0].lower()
        if ours == theirs == Reply("+", b"QUEUED"):
            self.queued.append(command)
            return True
        if name in (b"exec", b"discard"):
            queued, self.queued = self.queued, []
            if name == b"exec" and ours.kind == "*" and ours.value is not None:
                return theirs.kind == "*" and theirs.value is not None and len(theirs.value) == len(ours.value) and all(
                    comparison_of(inner)(*both) for inner, *both in zip(queued, ours.value, theirs.value))
        return comparison_of(command)(ours, theirs)

    def close(self):
        for connection in self.connections:
            connection.close()


def receive(connection):
    try:
        return connection.read()
    except ConnectionLost as error:
        return Reply("lost", str(error).encode())


def split(data, splitter):
    """Pieces of a pipeline, cut at a few random bytes."""
    cuts = sorted(splitter.randrange(len(data) + 1) for _ in range(splitter.choice([0, 0, 1, 3])))
    return [data[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(data)]) if begin < end]


# --- Episodes -------------------------------------------------------------------------------------------------


class Difference(Exception):
    pass


def run_episode(servers, pipelines, seed):
    """Plays pipelines, a list of (connection number, commands), to empty servers. Raises Difference."""
    for server in servers:
        server.connect().command("FLUSHALL")
    splitter = random.Random(seed)
    conversations = [Conversation(servers, resp3=number % 2 == 1) for number in range(CONNECTIONS)]
    try:
        for number, commands in pipelines:
            found = conversations[number].exchange(commands, splitter)
            if found:
                index, ours, theirs = found
                raise Difference(f"connection {number}: {show_command(commands[index])}\n{show_both(ours, theirs)}")
    finally:
        for conversation in conversations:
            conversation.close()
    compare_states(servers)


def compare_states(servers):
    """Every key of every database, by ordinary commands."""
    ours, theirs = (server.connect() for server in servers)
    for database in range(DATABASES):
        require("select", ours, theirs, "SELECT", database)
        require("keys", ours, theirs, "KEYS", "*")
        for key in sorted(item.value for item in theirs.command("KEYS", "*").value):
            require("type", ours, theirs, "TYPE", key)
            kind = theirs.command("TYPE", key).value
            require(kind.decode(), ours, theirs, *{
                b"string": ("GET", key), b"list": ("LRANGE", key, 0, -1), b"hash": ("HGETALL", key),
                b"set": ("SMEMBERS", key), b"zset": ("ZRANGE", key, 0, -1, "WITHSCORES"),
                b"stream": ("XRANGE", key, "-", "+")}[kind])
            require("pttl", ours, theirs, "PTTL", key)
            require("encoding", ours, theirs, "OBJECT", "ENCODING", key)


def require(what, ours, theirs, *command):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in command]
    replies = ours.command(*words), theirs.command(*words)
    if not comparison_of(words)(*replies):
        raise Difference(f"final state, {what}: {show_command(words)}\n{show_both(*replies)}")


def make_pipelines(grammar, chooser, count):
    pipelines = []
    while count > 0:
        size = min(count, chooser.choice([1, 2, 5, 16, chooser.randrange(1, PIPELINE_MAX)]))
        pipeline = []
        while len(pipeline) < size:
            pipeline += grammar.commands()
        pipelines.append((chooser.randrange(CONNECTIONS), pipeline))
        count -= len(pipeline)
    return pipelines


def shrink(servers, pipelines, seed):
    """The pipelines without all that is not needed for a difference (delta debugging), and that difference."""
    best = [(place, number, command) for place, (number, commands) in enumerate(pipelines) for command in commands]
    message, deadline = None, time.monotonic() + SHRINK_SECONDS_MAX
    piece = len(best)
    while piece >= 1 and time.monotonic() < deadline:
        at, removed = 0, False
        while at < len(best) and time.monotonic() < deadline:
            candidate = best[:at] + best[at + piece :] if piece < len(best) else best
            try:
                run_episode(servers, regroup(candidate), seed)
                at += piece
            except Difference as difference:
                removed, message = candidate is not best, difference
                best = candidate
                at += 0 if removed else piece
        piece = piece // 2 if piece > 1 or not removed else piece
    return regroup(best), message


def regroup(commands):
    """Pipelines again: what was sent together stays together, since a difference may need that."""
    return [(number, [command for _, _, command in group])
            for (_, number), group in itertools.groupby(commands, key=lambda item: item[:2])]


def show_command(words):
    text = " ".join(word.decode() if word.isalnum() else quote(word) for word in words)
    return text if len(text) <= SHOWN_CHARACTERS_MAX else text[:SHOWN_CHARACTERS_MAX] + "…"


def show_both(ours, theirs):
    lines = [f"<connection lost: {reply.value.decode()}>" if reply.kind == "lost" else show(reply)
             for reply in (theirs, ours)]
    theirs, ours = (line[:SHOWN_CHARACTERS_MAX] for line in lines)
    return f"    redis-server: {theirs}\n    strata:       {ours}"


def report(servers, pipelines, seed, difference):
    print(difference)
    if servers[0].process.poll() is not None:
        print(f"strata-server ended with {servers[0].process.returncode}\n{servers[0].log_tail(40)}")
        return
    smallest, message = shrink(servers, pipelines, seed)
    if message is None:
        print("The episode does not show the difference a second time; its last commands:")
        smallest = pipelines[-3:]
    print(f"Smallest episode, {len(smallest)} pipelines:")
    for number, commands in smallest:
        print(f"    connection {number}:", *map(show_command, commands), sep="\n        ")
    print(message or "")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("strata")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--commands", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()

    print(f"--seed {options.seed}", flush=True)
    chooser = random.Random(options.seed)
    grammar = Grammar(chooser)
    sent = 0
    with without_persistence(options.strata, "--threads", options.threads) as ours, \
         without_persistence(REDIS_SERVER) as theirs:
        servers = [ours, theirs]
        while sent < options.commands:
            pipelines = make_pipelines(grammar, chooser, min(EPISODE_COMMANDS, options.commands - sent))
            try:
                run_episode(servers, pipelines, options.seed)
            except Difference as difference:
                report(servers, pipelines, options.seed, difference)
                return 1
            sent += sum(len(commands) for _, commands in pipelines)
    print(f"{sent} commands, 0 differences")
    return 0


if __name__ == "__main__":
    sys.exit(main())
