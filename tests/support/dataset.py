"""Data with every type and encoding of now, and the contents of a server as something that can be compared.

fill() sends the same commands to either server, so that files of both can be made of the same data. contents() reads all
databases back over the wire: {(database, key): (type, value, deadline in ms or -1)}.
"""

import random
import time

from resp import encode, to_bytes

DATABASES = (0, 3, 15)
FAR_AWAY_MS = 4_000_000_000_000
PIPELINE = 500
INT_EDGES = (0, -1, 12, 127, -128, 128, 32767, -32768, 32768, 2**31 - 1, -(2**31), 2**31, 2**63 - 1, -(2**63))
SCORES = ("0", "-0.5", "1", "3.141592653589793", "-1e300", "1e-300", "inf", "-inf", "17179869184", "0.1")
# With these a few dozen elements make a large value.
SMALL_LIMITS = {"list-max-listpack-size": "8", "hash-max-listpack-entries": "16", "hash-max-listpack-value": "32",
                "set-max-intset-entries": "16", "zset-max-listpack-entries": "16", "zset-max-listpack-value": "32"}


def pipeline(connection, commands):
    """Sends commands in pipelines; none may fail. Returns the replies."""
    commands = [[to_bytes(word) for word in command] for command in commands]
    replies = []
    for begin in range(0, len(commands), PIPELINE):
        some = commands[begin : begin + PIPELINE]
        connection.send(b"".join(map(encode, some)))
        for command in some:
            reply = connection.read()
            if reply.kind == "-":
                raise AssertionError(f"{command[:3]}: {reply.value.decode()}")
            replies.append(reply)
    return replies


def small_limits(connection):
    pipeline(connection, [("CONFIG", "SET", name, value) for name, value in SMALL_LIMITS.items()])


def string_commands(chooser):
    for number in INT_EDGES:
        yield "SET", f"string:int:{number}", number
    for name, value in {"empty": b"", "short": b"short", "zeros": b"\0\r\n\xff" * 5, "like:an:int": b"007",
                        "compressible": b"compress me " * 5000, "20": b"a" * 20, "63": b"c" * 63, "64": b"d" * 64,
                        "16383": b"e" * 16383, "16384": b"f" * 16384, "noise": chooser.randbytes(70_000),
                        "large": b"0123456789abcdef" * 40_000}.items():
        yield "SET", b"string:" + name.encode(), value
    yield "SET", b"key \0\r\n\xff with any byte", "x"
    yield "SET", b"", "the key is empty"
    yield "SET", b"long key " * 3000, "x"
    yield "APPEND", "string:appended", "one"
    yield "APPEND", "string:appended", "two"
    yield "SETRANGE", "string:ranged", 100, "end"


def list_commands(chooser):
    yield "RPUSH", "list:ints", *INT_EDGES
    yield "RPUSH", "list:words", "a", "", "b" * 70, b"\0\n"
    for begin in range(0, 300, 30):
        yield "RPUSH", "list:nodes", *(f"element {n}" for n in range(begin, begin + 30))
        yield "LPUSH", "list:nodes", *(n * 1000 for n in range(30))
    yield "RPUSH", "list:compressible", *("the same words again " * 20 for _ in range(100))
    yield "RPUSH", "list:large", "x" * 5000, chooser.randbytes(20_000), "short", "z" * 100_000


def set_commands(chooser):
    yield "SADD", "set:int16", 1, -2, 300
    yield "SADD", "set:int32", 1, -2, 70_000
    yield "SADD", "set:int64", 1, -2, 2**40, -(2**63), 2**63 - 1
    yield "SADD", "set:many:ints", *range(-40, 40)
    yield "SADD", "set:words", "a", "", "c" * 100, b"\0", "17"
    yield "SADD", "set:many:words", *(f"member {chooser.randrange(10**9)}" for _ in range(200))


def hash_commands(chooser):
    yield "HSET", "hash:small", "field", "value", "number", -42, "", "", b"\0", b"\xff"
    yield "HSET", "hash:edges", *(word for n in INT_EDGES for word in (n, n))
    yield "HSET", "hash:long:value", "field", "v" * 1000
    yield "HSET", "hash:many", *(word for n in range(200) for word in (f"field {n}", chooser.randrange(10**12)))


def zset_commands(chooser):
    yield "ZADD", "zset:small", *(word for score in SCORES for word in (score, f"m{score}"))
    yield "ZADD", "zset:ties", *(word for n in range(10) for word in (1, f"tie {n}"))
    yield "ZADD", "zset:long:member", 1, "m" * 1000, 2, ""
    yield "ZADD", "zset:many", *(word for n in range(200) for word in (chooser.uniform(-1e6, 1e6), f"member {n}"))
    yield "ZADD", "zset:many:edges", *(word for n in range(60) for word in (SCORES[n % len(SCORES)], f"member {n}"))


def stream_commands(chooser):
    yield "DEL", "stream:small", "stream:many", "stream:emptied"  # their IDs only rise, and the data may be sent again
    yield "XADD", "stream:small", "5-1", "field", "value", "", 42
    for n in range(1, 300):
        yield "XADD", "stream:many", f"{n * 1000}-{n % 3}", "number", n, "other" if n % 7 == 0 else "word", chooser.randrange(10**9)
    yield "XDEL", "stream:many", "7000-1", "299000-2", "150000-0"
    # No pending entry may lack its entry: redis-server loses those where it writes a log as commands.
    yield "XTRIM", "stream:many", "MAXLEN", 290
    for group, start in (("all", "0"), ("half", "150000-0"), ("none", "$")):
        yield "XGROUP", "CREATE", "stream:many", group, start
    for consumer in ("ann", "bob"):
        yield "XREADGROUP", "GROUP", "all", consumer, "COUNT", 40, "STREAMS", "stream:many", ">"
        yield "XGROUP", "CREATECONSUMER", "stream:many", "half", consumer
    yield "XACK", "stream:many", "all", *(f"{n * 1000}-{n % 3}" for n in range(2, 60, 3))
    yield "XCLAIM", "stream:many", "half", "cem", 0, "200000-2", "TIME", 1_700_000_000_000, "RETRYCOUNT", 7, "FORCE", "JUSTID"
    yield "XADD", "stream:emptied", "9-9", "f", "v"
    yield "XDEL", "stream:emptied", "9-9"


def deadline_commands():
    for kind, make in {"string": ("SET", 1), "list": ("RPUSH", 1, 2), "set": ("SADD", 5), "hash": ("HSET", "f", "v"),
                       "zset": ("ZADD", 1, "m")}.items():
        yield make[0], f"deadline:{kind}", *make[1:]
        yield "PEXPIREAT", f"deadline:{kind}", FAR_AWAY_MS + len(kind)
    yield "SET", "deadline:relative", "v", "EX", 100_000
    yield "SET", "deadline:none:left", "v", "EX", 100_000
    yield "PERSIST", "deadline:none:left"


def commands(seed):
    """All the commands that make the data, without SELECT."""
    chooser = random.Random(seed)
    for group in (string_commands, list_commands, set_commands, hash_commands, zset_commands, stream_commands):
        yield from group(chooser)
    yield from deadline_commands()


def fill(connection, seed=1):
    """The data, a different lot of it in each of the databases."""
    for database in DATABASES:
        pipeline(connection, [("SELECT", database), *commands(seed * 100 + database)])
    pipeline(connection, [("SELECT", 0)])


def change(connection, seed=1):
    """Changes to the data, with transactions; never twice the same for two seeds."""
    for database in DATABASES:
        pipeline(connection, [
            ("SELECT", database),
            ("MULTI",), ("INCR", "changed:counter"), ("RPUSH", "changed:list", seed, "in", "MULTI"),
            ("HSET", "changed:hash", f"field {seed}", seed), ("EXEC",),
            ("DEL", "string:short", "list:words", "set:int16"),
            ("LPOP", "list:nodes", 5), ("RPOP", "list:nodes", 7), ("SREM", "set:many:words", "nobody"),
            ("SPOP", "set:many:ints", 2), ("HDEL", "hash:many", "field 7"),
            ("XADD", "stream:many", "*", "changed", seed), ("XACK", "stream:many", "half", "200000-2"), ("XDEL", "stream:many", "200000-2"),
            ("XACK", "stream:many", "all", "61000-1"), ("HINCRBY", "hash:small", "number", 3),
            ("ZINCRBY", "zset:many", "0.1", "member 3"), ("ZPOPMIN", "zset:small"), ("INCRBYFLOAT", "changed:float", "1.1"),
            ("MSET", f"changed:{seed}:a", 1, f"changed:{seed}:b", 2), ("SET", "changed:short:lived", 1, "PX", 1),
            ("EXPIRE", "string:large", 100_000 + seed), ("GETDEL", "string:20"), ("SETEX", "changed:setex", 50_000, "v"),
            ("RENAME", "string:64", f"changed:{seed}:renamed"), ("SET", "string:64", "again"),
            ("MULTI",), ("SELECT", DATABASES[0]), ("SET", f"changed:{seed}:from:{database}", database),
            ("SELECT", database), ("SET", f"changed:{seed}:back", database), ("EXEC",)])
    pipeline(connection, [("SELECT", 0), ("SWAPDB", DATABASES[1], DATABASES[2])])
    time.sleep(0.005)  # what lived for one millisecond is gone


def plain(reply):
    """A reply of arrays in arrays as Python has them."""
    return [plain(item) for item in reply.value] if isinstance(reply.value, list) else reply.value


def read_stream(connection, key):
    """Everything but when consumers were seen and how long entries have been idle."""
    info = plain(connection.command("XINFO", "STREAM", key))
    groups = []
    for fields in plain(connection.command("XINFO", "GROUPS", key)):
        group = dict(zip(fields[::2], fields[1::2]))
        pending = [(id, consumer, count) for id, consumer, _, count in
                   plain(connection.command("XPENDING", key, group[b"name"], "-", "+", 1000))]
        consumers = [fields[1] for fields in plain(connection.command("XINFO", "CONSUMERS", key, group[b"name"]))]
        groups.append((group, consumers, pending))
    return dict(zip(map(str, info[::2]), map(str, info[1::2]))), plain(connection.command("XRANGE", key, "-", "+")), groups


def read_value(connection, kind, key):
    if kind == b"string":
        return connection.command("GET", key).value
    if kind == b"list":
        return [item.value for item in connection.command("LRANGE", key, 0, -1).value]
    if kind == b"set":
        return frozenset(item.value for item in connection.command("SMEMBERS", key).value)
    if kind == b"hash":
        words = [item.value for item in connection.command("HGETALL", key).value]
        return dict(zip(words[::2], words[1::2]))
    if kind == b"zset":
        return [item.value for item in connection.command("ZRANGE", key, 0, -1, "WITHSCORES").value]
    if kind == b"stream":
        return read_stream(connection, key)
    return "?"


def contents(connection):
    found = {}
    for database in range(16):
        pipeline(connection, [("SELECT", database)])
        for item in connection.command("KEYS", "*").value:
            key = item.value
            kind = connection.command("TYPE", key).value
            deadline_ms = int(connection.command("PEXPIRETIME", key).value)
            if kind != b"none":
                found[database, key] = (kind, read_value(connection, kind, key), deadline_ms)
    pipeline(connection, [("SELECT", 0)])
    return found


def differences(ours, theirs):
    """The first few keys that differ, in words; empty when there are none."""
    texts = []
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            texts.append(f"{name[0]}:{name[1][:60]!r}: {str(ours.get(name))[:200]} instead of {str(theirs.get(name))[:200]}")
    return texts[:8]


def require_same(ours, theirs, what):
    texts = differences(ours, theirs)
    assert theirs, f"{what}: there is nothing to compare"
    assert not texts, f"{what}:\n  " + "\n  ".join(texts)
