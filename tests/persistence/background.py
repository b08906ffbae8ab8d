#!/usr/bin/python3
"""BGSAVE and BGREWRITEAOF under load: what they write is the data at one moment, and redis-server loads it.

    background.py STRATA_SERVER [--threads N] [--only CASE] [--keep]

STRATA_SNAPSHOT_KILLS is how often kill -9 comes.
"""

import os
import random
import shutil
import subprocess
import sys
import time

from cases import ConnectionLost, Server, info, run_cases, shut_down, wait_until
from dataset import contents, pipeline, require_same
from invariants import require_invariants, start_writers

REDIS_CHECK_AOF = "/usr/bin/redis-check-aof"
REDIS_CHECK_RDB = "/usr/bin/redis-check-rdb"
LOG, NO_LOG = ("--appendonly", "yes", "--save", ""), ("--appendonly", "no", "--save", "")
WRITERS = 4
KEYS = 200_000
ROUNDS = 3
KILLS = int(os.environ.get("STRATA_SNAPSHOT_KILLS", 4))


def is_idle(connection):
    fields = info(connection, "persistence")
    return all(fields[name] == "0" for name in ("rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled"))


def background(connection, command, field, status):
    """Runs it to its end and requires that it was counted."""
    before = int(info(connection, "persistence")[field])
    reply = connection.command(command)
    assert reply.kind == "+" and reply.value.endswith(b"started"), reply
    wait_until(lambda: is_idle(connection), command)
    fields = info(connection, "persistence")
    assert fields[status] == "ok", fields
    assert int(fields[field]) == before + 1, f"{command} was not counted"


def bgsave(connection):
    background(connection, "BGSAVE", "rdb_saves", "rdb_last_bgsave_status")


def rewrite(connection):
    background(connection, "BGREWRITEAOF", "aof_rewrites", "aof_last_bgrewrite_status")


def digest(connection):
    """Equal for equal data, whoever serves it. Keys about to expire are waited for."""
    wait_until(lambda: not any(b"expires=0" not in line for line in
                               connection.command("INFO", "keyspace").value.splitlines() if line.startswith(b"db")),
               "the last deadlines")
    return connection.command("DEBUG", "DIGEST").value


def require_digest(server, expected, what):
    assert digest(server.connect(timeout=300)) == expected, f"{what}: other data"


def require_no_leftovers(folder):
    left = [str(path) for path in folder.rglob("temp-*")]
    assert not left, f"temporary files remain: {left}"


def dumps_under_load(case):
    folder = case.path("dumps")
    with case.ours(folder, *NO_LOG) as server:
        control = server.connect(timeout=300)
        writers = start_writers(server, WRITERS)
        pipeline(control, [("DEBUG", "POPULATE", KEYS, "filler", 60)])
        turns = [0] * WRITERS
        for round_number in range(ROUNDS):
            pipeline(control, [("CONFIG", "SET", "rdbcompression", ("no", "yes")[round_number % 2])])
            before = [writer.acknowledged for writer in writers]
            bgsave(control)
            subprocess.run([REDIS_CHECK_RDB, folder / "dump.rdb"], check=True, stdout=subprocess.DEVNULL)
            theirs = case.path(f"theirs {round_number}")
            shutil.copy(folder / "dump.rdb", theirs)
            with case.redis(theirs) as redis:
                connection = redis.connect()
                turns = require_invariants(connection, WRITERS)
                assert int(connection.command("EVAL", "return #redis.call('keys', 'filler:*')", 0).value) == KEYS
            # What was acknowledged before BGSAVE was sent is in it.
            assert all(turn >= was for turn, was in zip(turns, before)), (turns, before)
        for writer in writers:
            writer.end()
        require_no_leftovers(folder)
        # And when nobody writes, the dump is the data.
        expected = digest(control)
        bgsave(control)
        theirs = case.path("theirs at rest")
        shutil.copy(folder / "dump.rdb", theirs)
        with case.redis(theirs) as redis:
            require_digest(redis, expected, "the dump at rest")


def rewrites_under_load(case):
    folder = case.path("log")
    with case.ours(folder, *LOG) as server:
        control = server.connect(timeout=300)
        writers = start_writers(server, WRITERS)
        pipeline(control, [("DEBUG", "POPULATE", KEYS, "filler", 60)])
        for _ in range(ROUNDS):
            rewrite(control)
            wait_until(lambda: len(list((folder / "appendonlydir").iterdir())) == 3, "a base, an increment and the manifest alone")
        bgsave(control)
        for writer in writers:
            writer.end()
        expected = digest(control)
        server.kill()
        manifest = folder / "appendonlydir" / "appendonly.aof.manifest"
        checked = subprocess.run([REDIS_CHECK_AOF, manifest], capture_output=True, text=True)
        assert checked.returncode == 0 and "valid" in checked.stdout, checked.stdout + checked.stderr
        theirs = case.copy("theirs", folder)
        with case.redis(theirs, "--appendonly", "yes") as redis:
            require_digest(redis, expected, "the rewritten log in redis-server")
            shut_down(redis, "NOSAVE")
        server.start()
        require_digest(server, expected, "the rewritten log, started again")


def kills(case):
    """kill -9 while both run in turn: what was acknowledged is there, and no temporary file remains."""
    folder = case.path("killed")
    chooser = random.Random(case.threads)
    server = case.ours(folder, *LOG, "--appendfsync", "always" if case.threads == 1 else "everysec")
    server.start()
    writers = start_writers(server, WRITERS)
    pipeline(server.connect(), [("DEBUG", "POPULATE", KEYS, "filler", 60), ("BGREWRITEAOF",)])
    wait_until(lambda: is_idle(server.connect()), "BGREWRITEAOF")
    caught = 0
    for round_number in range(KILLS):
        control = server.connect()
        ends_at = time.monotonic() + chooser.uniform(0.1, 0.6)
        while time.monotonic() < ends_at:
            control.command(chooser.choice(("BGSAVE", "BGREWRITEAOF")))
            time.sleep(chooser.uniform(0, 0.05))
        server.kill()
        caught += any(folder.rglob("temp-*"))
        for writer in writers:
            writer.join()
            assert writer.problem is None, writer.problem
        acknowledged = [writer.acknowledged for writer in writers]
        server.start()
        require_no_leftovers(folder)
        turns = require_invariants(server.connect(), WRITERS)
        assert all(turn >= was for turn, was in zip(turns, acknowledged)), (turns, acknowledged)
        writers = go_on(server, writers, turns)
    print(f"        {caught} of {KILLS} kills left a temporary file to remove")
    for writer in writers:
        writer.end()
    assert server.stop() == 0, server.log_tail()
    require_no_leftovers(folder)


def go_on(server, writers, turns):
    """New writers that continue where the data is. A step that was half done is undone first."""
    connection = server.connect()
    fresh = start_writers(server, 0)
    for old, turn in zip(writers, turns):
        writer = type(old)(server, old.number)
        writer.acknowledged = turn
        fresh.append(writer)
        level(connection, writer.name, turn)
    for writer in fresh:
        writer.start()
    return fresh


def level(connection, name, turn):
    """Makes the data of a writer what it is after `turn` whole steps, where the next one depends on it."""
    second = connection.command("GET", f"{name}:second").value
    from_set, to_set = "ab" if turn // 3000 % 2 == 0 else "ba"
    last = int(connection.command("GET", f"{name}:list:last").value)
    pipeline(connection, [("SET", f"{name}:first", second)])
    if last == 2999 + turn + 1:  # the step has got as far as the list
        pipeline(connection, [("MULTI",), ("RPOP", f"{name}:list"), ("LPUSH", f"{name}:list", last - 3000),
                              ("SET", f"{name}:list:last", last - 1), ("EXEC",)])


def replies(case):
    """The words of redis-server while one runs, and what is scheduled runs afterwards."""
    with case.ours(case.path("replies"), *LOG) as server:
        control = server.connect()
        pipeline(control, [("DEBUG", "POPULATE", 2 * KEYS, "filler", 60)])
        for command, wanted in ((("BGSAVE",), b"+Background saving started"),
                                (("BGSAVE",), b"-ERR Background save already in progress"),
                                (("BGSAVE", "SCHEDULE"), b"-ERR Background save already in progress"),
                                (("SAVE",), b"-ERR Background save already in progress"),
                                (("BGREWRITEAOF",), b"+Background append only file rewriting scheduled"),
                                (("BGSAVE", "NOW"), b"-ERR syntax error")):
            reply = control.command(*command)
            assert reply.kind.encode() + reply.value == wanted, (command, reply)
        fields = info(control, "persistence")
        assert fields["rdb_bgsave_in_progress"] == "1" and fields["aof_rewrite_scheduled"] == "1", fields
        assert int(fields["current_save_keys_total"]) == 2 * KEYS, fields
        wait_until(lambda: info(control, "persistence")["aof_rewrite_in_progress"] == "1", "the scheduled rewrite")
        for command, wanted in ((("BGREWRITEAOF",), b"-ERR Background append only file rewriting already in progress"),
                                (("BGSAVE",), b"-ERR Another child process is active (AOF?): can't BGSAVE right now. Use "
                                              b"BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible."),
                                (("BGSAVE", "SCHEDULE"), b"+Background saving scheduled")):
            reply = control.command(*command)
            assert reply.kind.encode() + reply.value == wanted, (command, reply)
        wait_until(lambda: info(control, "persistence")["rdb_saves"] == "2", "the scheduled save")
        wait_until(lambda: is_idle(control), "the end")
        assert info(control, "persistence")["aof_rewrites"] == "1"
        pipeline(control, [("MULTI",), ("BGSAVE",), ("BGREWRITEAOF",)])
        assert [part.value for part in control.command("EXEC").value] == [
            b"Background saving scheduled", b"Background append only file rewriting scheduled"]
        wait_until(lambda: info(control, "persistence")["rdb_saves"] == "3", "the save of a transaction")
        wait_until(lambda: info(control, "persistence")["aof_rewrites"] == "2", "the rewrite of a transaction")


def automatic(case):
    """Save points, and rewriting because the log has grown."""
    folder = case.path("automatic")
    with case.ours(folder, "--appendonly", "yes", "--save", "1 100", "--auto-aof-rewrite-min-size", "200kb") as server:
        control = server.connect()
        began = int(control.command("LASTSAVE").value)
        pipeline(control, [("SET", f"key:{n % 50}", "v" * 1000) for n in range(150)])
        wait_until(lambda: info(control, "persistence")["rdb_saves"] != "0", "a save point")
        assert int(control.command("LASTSAVE").value) > began
        assert info(control, "persistence")["rdb_changes_since_last_save"] == "0"
        assert info(control, "persistence")["aof_rewrites"] == "0", "below the smallest size"
        pipeline(control, [("SET", f"key:{n % 50}", "v" * 1000) for n in range(150)])
        wait_until(lambda: info(control, "persistence")["aof_rewrites"] == "1", "a rewrite at its size")
        size = int(info(control, "persistence")["aof_base_size"])
        assert size < 20_000, f"fifty keys take {size} bytes"
        pipeline(control, [("CONFIG", "SET", "auto-aof-rewrite-percentage", 0)])
        pipeline(control, [("SET", f"key:{n % 50}", "v" * 1000) for n in range(1500)])
        time.sleep(0.5)
        assert info(control, "persistence")["aof_rewrites"] == "1", "switched off"


def failures(case):
    """What fails leaves the old files, says so, and goes the next time."""
    folder = case.path("failing")
    with case.ours(folder, "--appendonly", "yes", "--save", "3600 1000000",
                   "--enable-protected-configs", "yes") as server:
        control = server.connect()
        pipeline(control, [("SET", "key", "value")])
        bgsave(control)
        good = (folder / "dump.rdb").read_bytes()
        (folder / "in the way").mkdir()
        (folder / "in the way" / "file").write_text("")
        pipeline(control, [("CONFIG", "SET", "dbfilename", "in the way"), ("BGSAVE",)])
        wait_until(lambda: is_idle(control), "a save that fails")
        assert info(control, "persistence")["rdb_last_bgsave_status"] == "err"
        assert control.command("SET", "key", "value").value.startswith(b"MISCONF"), "stop-writes-on-bgsave-error"
        assert (folder / "dump.rdb").read_bytes() == good
        require_no_leftovers(folder)
        pipeline(control, [("CONFIG", "SET", "dbfilename", "dump.rdb")])
        bgsave(control)
        pipeline(control, [("SET", "key", "value")])
        # A base that cannot be put in its place.
        names = [path.name for path in (folder / "appendonlydir").glob("*.base.rdb")]
        base = 1 + max([int(name.split(".")[-3]) for name in names], default=0)
        for number in range(base, base + 2):
            blocked = folder / "appendonlydir" / f"appendonly.aof.{number}.base.rdb"
            blocked.mkdir()
            (blocked / "file").write_text("")
        for failed in (1, 2):
            pipeline(control, [("BGREWRITEAOF",), ("SET", "failed", failed)])
            wait_until(lambda: is_idle(control), "a rewrite that fails")
            fields = info(control, "persistence")
            assert fields["aof_last_bgrewrite_status"] == "err"
            assert fields["aof_rewrites_consecutive_failures"] == str(failed), fields
        require_no_leftovers(folder)
        rewrite(control)
        assert info(control, "persistence")["aof_rewrites_consecutive_failures"] == "0"
        expected = contents(control)
        for blocked in (folder / "appendonlydir").glob("*"):
            if blocked.is_dir():
                shutil.rmtree(blocked)
        server.kill()
        server.start()
        require_same(contents(server.connect()), expected, "after failures")


def flushed(case):
    """FLUSHALL with save points leaves an empty dump, as with redis-server; without, the dump stays."""
    for name, make in (("ours", case.ours), ("redis", case.redis)):
        folder = case.path(f"flushed {name}")
        for words in (("FLUSHALL",), ("FLUSHALL", "SYNC"), ("FLUSHALL", "ASYNC")):
            with make(folder, "--appendonly", "no", "--save", "3600 1000000") as server:
                control = server.connect()
                pipeline(control, [("SET", "key", "value"), ("SAVE",)])
                saved = (folder / "dump.rdb").read_bytes()
                pipeline(control, [words])
                flushed = (folder / "dump.rdb").read_bytes()
                assert len(flushed) < len(saved) and b"value" not in flushed, name
                assert info(control, "persistence")["rdb_changes_since_last_save"] == "0", name
                pipeline(control, [("SET", "key", "value"), ("SAVE",), ("MULTI",), words, ("SET", "other", 1), ("EXEC",)])
                assert b"value" not in (folder / "dump.rdb").read_bytes(), f"{name}: in a transaction"
                fields = info(control, "persistence")
                assert (fields["rdb_changes_since_last_save"], fields["rdb_last_bgsave_status"]) == ("1", "ok"), fields
                pipeline(control, [("CONFIG", "SET", "save", ""), ("SET", "key", "value"), ("SAVE",), words])
                assert b"value" in (folder / "dump.rdb").read_bytes(), f"{name}: no save points"
                server.kill()


def flushed_in_vain(case):
    """An empty dump that cannot be put in its place: FLUSHALL succeeds, and nothing is refused or forgotten."""
    changes = {}
    for name, make in (("ours", case.ours), ("redis", case.redis)):
        folder = case.path(f"in vain {name}")
        (folder / "in the way").mkdir()
        (folder / "in the way" / "file").write_text("")
        with make(folder, "--appendonly", "no", "--save", "3600 1000000", "--enable-protected-configs", "yes") as server:
            control = server.connect()
            pipeline(control, [("SET", "key", "value"), ("SAVE",), ("CONFIG", "SET", "dbfilename", "in the way"), ("SET", "key", 1),
                               ("FLUSHALL",), ("SET", "other", 1), ("MULTI",), ("FLUSHALL",), ("EXEC",)])
            fields = info(control, "persistence")
            assert fields["rdb_last_bgsave_status"] == "ok", (name, fields)
            changes[name] = [fields["rdb_changes_since_last_save"]]
            pipeline(control, [("FLUSHALL",), ("FLUSHDB",), ("SET", "a", 1), ("SET", "b", 1), ("FLUSHDB",), ("SWAPDB", 0, 1)])
            changes[name].append(info(control, "persistence")["rdb_changes_since_last_save"])
            require_no_leftovers(folder)
            pipeline(control, [("CONFIG", "SET", "dbfilename", "dump.rdb")])
            server.kill()
            server.start()
            assert server.connect().command("GET", "key").value == b"value", name
    assert changes["ours"] == changes["redis"], changes


def shutdown_while_saving(case):
    """SHUTDOWN does not wait for what runs in the background: the last save wins."""
    folder = case.path("shutdown")
    for words in (("SAVE",), ("NOSAVE",)):
        with case.ours(folder, *NO_LOG) as server:
            control = server.connect()
            pipeline(control, [("DEBUG", "POPULATE", KEYS, "filler", 60), ("SET", "word", "old"), ("BGSAVE",),
                               ("SET", "word", words[0])])
            shut_down(server, *words)
            require_no_leftovers(folder)
    with case.ours(folder, *NO_LOG) as server:
        assert server.connect().command("GET", "word").value == b"SAVE"
        # DEBUG RELOAD meanwhile gives the save up, and nothing is lost by it.
        control = server.connect()
        pipeline(control, [("SET", "word", "before"), ("BGSAVE",), ("SET", "word", "after"), ("DEBUG", "RELOAD")])
        wait_until(lambda: is_idle(control), "BGSAVE")
        assert control.command("GET", "word").value == b"after"
        server.kill()
    with case.ours(folder, *NO_LOG) as server:
        assert server.connect().command("GET", "word").value == b"after"


def versions(case):
    """rdb-version 9 to 12: with 10 redis-server loads it; Strata loads them all."""
    for version in (9, 10, 11, 12):
        folder = case.path(f"version {version}")
        with case.ours(folder, *NO_LOG, "--rdb-version", version) as server:
            control = server.connect()
            pipeline(control, [("RPUSH", "list", *range(200)), ("SADD", "set", "a", "b"), ("HSET", "hash", "f", "v"),
                               ("ZADD", "zset", 1.5, "m"), ("SET", "string", "v", "EX", 1000)])
            bgsave(control)
            expected = contents(control)
        assert (folder / "dump.rdb").read_bytes()[:9] == b"REDIS%04d" % version
        if version <= 10:
            with case.redis(case.copy("theirs", folder)) as redis:
                require_same(contents(redis.connect()), expected, f"version {version} in redis-server")
        with case.ours(folder, *NO_LOG) as server:
            require_same(contents(server.connect()), expected, f"version {version}")


if __name__ == "__main__":
    sys.exit(run_cases([dumps_under_load, rewrites_under_load, kills, replies, automatic, failures, flushed, flushed_in_vain,
                        shutdown_while_saving, versions], __doc__))
