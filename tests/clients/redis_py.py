#!/usr/bin/python3
"""What people do with redis-py (Debian's python3-redis), against Strata: redis_py.py STRATA_SERVER"""

import sys
from pathlib import Path

import redis
from redis.connection import PythonParser

try:
    from redis.connection import HiredisParser
except ImportError:
    HiredisParser = None

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from servers import without_persistence  # noqa: E402


def strings(client):
    assert client.set("s", "value") is True
    assert client.get("s") == "value"
    assert client.set("s", "other", nx=True) is None
    assert client.set("s", "new", ex=100, get=True) == "value"
    assert 98 <= client.ttl("s") <= 100
    assert client.append("s", "er") == 5
    assert client.getrange("s", 0, 2) == "new"
    assert client.incrby("n", 41) == 41 and client.incr("n") == 42
    assert client.incrbyfloat("f", 0.5) == 0.5
    assert client.mset({"a": 1, "b": 2}) is True
    assert client.mget("a", "none", "b") == ["1", None, "2"]
    big = "x" * 5_000_000
    client.set("big", big)
    assert client.get("big") == big


def collections(client):
    assert client.rpush("l", *range(200)) == 200
    assert client.lrange("l", 0, -1) == [str(n) for n in range(200)]
    assert client.lpop("l", 2) == ["0", "1"]
    assert client.hset("h", mapping={"x": 1, "y": 2}) == 2
    assert client.hgetall("h") == {"x": "1", "y": "2"}
    assert client.sadd("set", "a", "b", "a") == 2
    assert client.smembers("set") == {"a", "b"}
    assert client.zadd("z", {"one": 1, "two": 2.5}) == 2
    assert client.zrange("z", 0, -1, withscores=True) == [("one", 1.0), ("two", 2.5)]
    assert client.zpopmin("z") == [("one", 1.0)]
    assert client.zincrby("z", 1, "two") == 3.5


def pipelines(client):
    # A transaction unless it is told otherwise: MULTI, the commands, EXEC in one packet.
    with client.pipeline() as pipe:
        for number in range(500):
            pipe.set(f"p{number}", number).get(f"p{number}")
        replies = pipe.execute()
    assert replies[1::2] == [str(number) for number in range(500)]
    with client.pipeline(transaction=False) as pipe:
        for number in range(5000):
            pipe.incr("counter")
        assert pipe.execute() == list(range(1, 5001))
    with client.pipeline() as pipe:
        pipe.set("str", "x").lpush("str", 1).get("str")
        replies = pipe.execute(raise_on_error=False)
    assert replies[0] is True and isinstance(replies[1], redis.ResponseError) and replies[2] == "x"


def optimistic_lock(client):
    client.set("watched", 1)
    with client.pipeline() as pipe:
        pipe.watch("watched")
        value = int(pipe.get("watched"))
        pipe.multi()
        pipe.set("watched", value + 1)
        assert pipe.execute() == [True]
    with client.pipeline() as pipe:
        pipe.watch("watched")
        client.set("watched", 100)
        pipe.multi()
        pipe.set("watched", 3)
        try:
            pipe.execute()
            raise AssertionError("a change of the watched key was not seen")
        except redis.WatchError:
            pass
    assert client.transaction(lambda pipe: pipe.multi() or pipe.incr("watched"), "watched") == [101]


def keys(client):
    client.flushdb()
    client.mset({f"key:{number}": number for number in range(3000)})
    assert client.dbsize() == 3000
    assert set(client.scan_iter(match="key:*", count=100)) == {f"key:{number}" for number in range(3000)}
    assert client.delete("key:0", "key:1") == 2 and client.unlink("key:2") == 1
    assert client.exists("key:0", "key:5") == 1
    assert client.rename("key:5", "renamed") is True and client.type("renamed") == "string"
    assert client.expire("renamed", 100) is True and client.persist("renamed") is True
    assert client.object("encoding", "renamed") == "int"


def server_commands(client):
    assert client.ping() is True
    assert client.info()["redis_version"].count(".") == 2
    assert client.info("memory")["used_memory"] > 0
    assert client.config_get("maxmemory") == {"maxmemory": "0"}
    assert client.config_set("maxmemory-policy", "noeviction") is True
    assert client.client_setname("tester") is True and client.client_getname() == "tester"
    assert any(item["name"] == "tester" for item in client.client_list())
    assert isinstance(client.client_id(), int)
    assert client.time()[0] > 1_600_000_000
    assert client.command_count() > 100
    names = client.execute_command("COMMAND LIST")
    assert {"get", "client", "client|list", "xgroup|create"} <= {str(name) for name in names}, names
    assert client.memory_usage("renamed") > 0
    assert isinstance(client.slowlog_get(), list)


def main():
    with without_persistence(sys.argv[1], "--unixsocket", "strata.sock") as server:
        socket_path = str(server.folder / "strata.sock")
        ways = [("TCP, Python's parser", {"port": server.port}, PythonParser),
                ("Unix socket, Python's parser", {"path": socket_path}, PythonParser)]
        if HiredisParser:
            ways.append(("TCP, hiredis", {"port": server.port}, HiredisParser))
        for name, where, parser in ways:
            kind = redis.UnixDomainSocketConnection if "path" in where else redis.Connection
            pool = redis.ConnectionPool(connection_class=kind, parser_class=parser, decode_responses=True, **where)
            client = redis.Redis(connection_pool=pool)
            client.flushall()
            for check in (strings, collections, pipelines, optimistic_lock, keys, server_commands):
                check(client)
            print(f"redis-py {redis.__version__}: {name}: ok")
            pool.disconnect()
        code = server.stop()
        assert code == 0, f"strata-server ended with {code}"


if __name__ == "__main__":
    main()
