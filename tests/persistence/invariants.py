"""Clients that write without a pause and keep invariants, which then hold in every consistent copy of the data.

Each writer has keys of its own, spread over the shards. Whatever MULTI joins is there whole or not at all; of what
follows in a pipeline a copy has a beginning. The server that require_invariants() asks may be another one than the one
that was written to.
"""

import threading

from resp import ConnectionLost, encode, to_bytes

ELEMENTS = 3000  # more than are saved in one go
BYTES = 400_000  # likewise
ONLY_DATABASE, SWAPPED, MOVED = 3, (4, 5), (6, 7)


def transaction(*commands):
    return [("MULTI",), *commands, ("EXEC",)]


def first_data(name):
    """What a writer starts from."""
    yield "RPUSH", f"{name}:list", *range(ELEMENTS)
    yield "SET", f"{name}:list:last", ELEMENTS - 1
    yield "HSET", f"{name}:hash", *(word for n in range(ELEMENTS) for word in (f"f{n}", 1))
    yield "SET", f"{name}:hash:sum", ELEMENTS
    yield "ZADD", f"{name}:zset", *(word for n in range(ELEMENTS) for word in (1, f"m{n}"))
    yield "SET", f"{name}:zset:sum", ELEMENTS
    yield "SADD", f"{name}:set:a", *(f"member {n}" for n in range(ELEMENTS))
    yield "SET", f"{name}:string", "x" * BYTES
    yield "SET", f"{name}:string:size", BYTES
    for key in ("both:a", "both:b", "first", "second", "turn"):
        yield "SET", f"{name}:{key}", 0
    yield "SET", f"{name}:generation:0", "v" * 100
    yield "SET", f"{name}:renamed:0", "v" * 5000


def own_step(name, n):
    """The commands of one step in database 0; `n` rises from 1."""
    i = n * 7919 % ELEMENTS
    yield from transaction(("INCR", f"{name}:both:a"), ("INCR", f"{name}:both:b"))
    yield "INCR", f"{name}:first"
    yield "INCR", f"{name}:second"
    yield from transaction(("RPUSH", f"{name}:list", ELEMENTS - 1 + n), ("LPOP", f"{name}:list"),
                           ("SET", f"{name}:list:last", ELEMENTS - 1 + n))
    yield from transaction(("HINCRBY", f"{name}:hash", f"f{i}", 1), ("INCR", f"{name}:hash:sum"))
    yield from transaction(("ZINCRBY", f"{name}:zset", 1, f"m{i}"), ("INCR", f"{name}:zset:sum"))
    from_set, to_set = ("a", "b") if n // ELEMENTS % 2 == 0 else ("b", "a")
    yield "SMOVE", f"{name}:set:{from_set}", f"{name}:set:{to_set}", f"member {n % ELEMENTS}"
    if n % 50 == 0:
        yield from transaction(("APPEND", f"{name}:string", "y" * 10), ("INCRBY", f"{name}:string:size", 10))
    yield from transaction(("DEL", f"{name}:generation:{n - 1}"), ("SET", f"{name}:generation:{n}", "v" * 100),
                           ("RENAME", f"{name}:renamed:{n - 1}", f"{name}:renamed:{n}"), ("SET", f"{name}:turn", n))
    yield "SET", f"{name}:gone:{n % 500}", "v" * 50, "PX", 1 + n % 40
    if n % 200 == 0:
        yield "COPY", f"{name}:hash", f"{name}:hash:copy", "REPLACE"
        yield "DEL", f"{name}:hash:copy"


def global_step(n):
    """What one writer alone does with whole databases."""
    yield from transaction(("SELECT", ONLY_DATABASE), ("FLUSHDB", "ASYNC" if n % 2 else "SYNC"),
                           *(("SET", f"only:{n}:{i}", n) for i in range(5)), ("SELECT", 0), ("SET", "only", n))
    yield from transaction(("SWAPDB", *SWAPPED), ("INCR", "swaps"))
    here, there = MOVED if n % 2 else MOVED[::-1]
    yield from transaction(("SELECT", here), ("MOVE", "wanderer", there), ("SELECT", 0), ("SET", "wanderer:at", there))


def first_global_data():
    yield from (("SELECT", ONLY_DATABASE), *(("SET", f"only:0:{i}", 0) for i in range(5)))
    for side, database in zip("ab", SWAPPED):
        yield "SELECT", database
        yield "SET", "side", side
        yield "RPUSH", "large", *(side * 10 for _ in range(ELEMENTS))
    yield from (("SELECT", MOVED[0]), ("RPUSH", "wanderer", *range(ELEMENTS)), ("SELECT", 0))
    yield from (("SET", "swaps", 0), ("SET", "only", 0), ("SET", "wanderer:at", MOVED[0]))


def sent(commands):
    return b"".join(encode([to_bytes(word) for word in command]) for command in commands)


class Writer(threading.Thread):
    """Writes steps until it is told to end, or the connection does; `acknowledged` counts them."""

    def __init__(self, server, number):
        super().__init__()
        self.connection, self.name, self.number = server.connect(), f"w{number}", number
        self.acknowledged, self.stopping, self.problem, self.lost = 0, False, None, False

    def prepare(self):
        commands = list(first_data(self.name)) + (list(first_global_data()) if self.number == 0 else [])
        self.connection.send(sent(commands))
        for command in commands:
            reply = self.connection.read()
            assert reply.kind != "-", (command[:2], reply)

    def run(self):
        step = self.acknowledged
        try:
            while not self.stopping:
                step += 1
                commands = list(own_step(self.name, step))
                if self.number == 0 and step % 10 == 0:
                    commands += global_step(step // 10)
                self.connection.send(sent(commands))
                for command in commands:
                    reply = self.connection.read()
                    if reply.kind == "-" or (reply.kind == "*" and any(part.kind == "-" for part in reply.value or [])):
                        self.problem = f"{command}: {reply}"
                        return
                self.acknowledged = step
        except ConnectionLost:
            self.lost = True

    def end(self):
        self.stopping = True
        self.join()
        assert not self.problem, self.problem


def start_writers(server, count):
    writers = [Writer(server, number) for number in range(count)]
    for writer in writers:
        writer.prepare()
    for writer in writers:
        writer.start()
    return writers


def number(connection, key):
    return int(connection.command("GET", key).value or -1)


def members(connection, *command):
    return [item.value for item in connection.command(*command).value]


def require_own(connection, name):
    def equal(what, got, wanted):
        assert got == wanted, f"{name}: {what}: {got}, not {wanted}"

    equal("both", number(connection, f"{name}:both:a"), number(connection, f"{name}:both:b"))
    ahead = number(connection, f"{name}:first") - number(connection, f"{name}:second")
    assert ahead in (0, 1), f"{name}: a pipeline's second command took effect without the first"
    last = number(connection, f"{name}:list:last")
    found = [int(item) for item in members(connection, "LRANGE", f"{name}:list", 0, -1)]
    equal("list", found, list(range(last - ELEMENTS + 1, last + 1)))
    equal("hash", sum(map(int, members(connection, "HVALS", f"{name}:hash"))), number(connection, f"{name}:hash:sum"))
    scores = members(connection, "ZRANGE", f"{name}:zset", 0, -1, "WITHSCORES")[1::2]
    equal("zset", (len(scores), sum(map(int, scores))), (ELEMENTS, number(connection, f"{name}:zset:sum")))
    sets = members(connection, "SMEMBERS", f"{name}:set:a") + members(connection, "SMEMBERS", f"{name}:set:b")
    equal("sets", (len(sets), len(set(sets))), (ELEMENTS, ELEMENTS))
    equal("string", int(connection.command("STRLEN", f"{name}:string").value), number(connection, f"{name}:string:size"))
    turn = number(connection, f"{name}:turn")
    equal("generation", members(connection, "KEYS", f"{name}:generation:*"), [f"{name}:generation:{turn}".encode()])
    equal("renamed", members(connection, "KEYS", f"{name}:renamed:*"), [f"{name}:renamed:{turn}".encode()])
    return turn


def require_global(connection):
    only, swaps, at = (number(connection, key) for key in ("only", "swaps", "wanderer:at"))
    connection.command("SELECT", ONLY_DATABASE)
    assert sorted(members(connection, "KEYS", "*")) == [f"only:{only}:{i}".encode() for i in range(5)], "FLUSHDB"
    for place, database in enumerate(SWAPPED):
        connection.command("SELECT", database)
        side = "ab"[(place + swaps) % 2].encode()
        assert connection.command("GET", "side").value == side, "SWAPDB"
        assert set(members(connection, "LRANGE", "large", 0, -1)) == {side * 10}, "SWAPDB of a large value"
    for database in MOVED:
        connection.command("SELECT", database)
        wanted = ELEMENTS if database == at else 0
        assert int(connection.command("LLEN", "wanderer").value) == wanted, "MOVE"
    connection.command("SELECT", 0)


def require_invariants(connection, writers):
    """Of each writer, how many of its steps are in the data."""
    require_global(connection)
    return [require_own(connection, f"w{number}") for number in range(writers)]
