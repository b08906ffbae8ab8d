#!/usr/bin/python3
"""CONFIG SET appendonly yes and no while the server runs: under load, killed at any time, on a disk that fails.

    switching.py STRATA_SERVER [--threads N] [--only CASE] [--keep]
"""

import errno
import os
import sys

from cases import exit_code, info, run_cases, shut_down, wait_until
from counters import CRASH_POINT_EXIT_CODE, start_counters, stop_counters
from dataset import change, contents, fill, pipeline, require_same
from disk import POLICIES
from faulty_disk import HANGS, SYNC_US, WRITE_ERRNO, WRITE_US, FaultyDisk
from resp import ConnectionLost, encode

OLD_KEYS = 200
# The steps of a beginning, in their order; from the first of the second group on the new log counts.
BEFORE_IT_COUNTS = ("increment.created", "increment.written", "beginning.after_increment", "snapshot.before_sync",
                    "rewrite.before_rename", "rewrite.after_rename", "rewrite.before_manifest")
WHEN_IT_COUNTS = ("rewrite.after_manifest", "beginning.after_manifest")
WHILE_IT_ENDS = ("log.before_sync_of_seal", "ending.after_seal")


def turn(connection, word):
    reply = connection.command("CONFIG", "SET", "appendonly", word)
    assert reply.kind == "+", reply


def wait_until_in_force(connection):
    """What was written before is in the log, and the log counts."""
    reply = connection.command("WAITAOF", 1, 0, 0)
    assert reply.kind == "*" and int(reply.value[0].value) == 1, reply


def wait_until_idle(connection):
    wait_until(lambda: all(info(connection)[name] == "0" for name in ("aof_rewrite_in_progress", "rdb_bgsave_in_progress")),
               "the end of what runs in the background")


def log_folder(server):
    return server.folder / "appendonlydir"


def require_tidy(server):
    names = [path.name for path in log_folder(server).iterdir()]
    left = [name for name in names if name.startswith("temp-") or name.endswith((".beginning", ".in-doubt", ".tmp"))]
    assert not left, f"left over: {left}"
    wait_until(lambda: len(list(log_folder(server).glob("*.base.rdb"))) <= 1, "the end of the old base")


def restarted_with_log(case, server, name):
    """A server that starts from the log in a copy of the folder."""
    return case.ours(case.copy(name, server.folder), "--appendonly", "yes", "--save", "")


def require_acknowledged(server, acknowledged):
    connection = server.connect()
    for name, number in acknowledged.items():
        value = connection.command("GET", name).value
        assert int(value or 0) >= number, f"{name} is {value} after {number}"


def begun_under_load(case):
    """It begins beside running traffic; from the moment it counts nothing that was acknowledged is lost, whatever the policy."""
    for policy in POLICIES:
        with case.ours(case.path(f"load {policy}"), "--appendonly", "no", "--save", "", "--appendfsync", policy) as server:
            control = server.connect()
            fill(control)
            counters = start_counters(server)
            wait_until(lambda: all(counter.acknowledged > 20 for counter in counters), "writes")
            for _ in range(3):
                turn(control, "yes")
                assert info(control)["aof_enabled"] == "1"
                wait_until_in_force(control)
                before = [counter.acknowledged for counter in counters]
                wait_until(lambda: all(c.acknowledged > was for c, was in zip(counters, before)), "writes")
                turn(control, "no")
                assert info(control)["aof_enabled"] == "0"
                acknowledged = {counter.name: was for counter, was in zip(counters, before)}
                with restarted_with_log(case, server, f"ended {policy}") as other:
                    require_acknowledged(other, acknowledged)
                    require_tidy(other)
            turn(control, "yes")
            wait_until_in_force(control)
            change(control)
            stop_counters(counters)
            assert all(counter.refused == 0 for counter in counters)
            expected = contents(control)
            server.kill()
            with restarted_with_log(case, server, f"killed {policy}") as other:
                require_same(contents(other.connect()), expected, "after kill -9")
            with case.redis(case.copy(f"redis {policy}", server.folder), "--appendonly", "yes") as redis:
                require_same(contents(redis.connect()), expected, "in redis-server")


def killed_right_after(case):
    """kill -9 directly behind OK: what the log had before, or all that was there; and after "no" all of it."""
    with case.ours(case.path("right after"), "--appendonly", "no", "--save", "") as server:
        control = server.connect()
        pipeline(control, [("SET", f"key:{number}", number) for number in range(OLD_KEYS)])
        turn(control, "yes")
        server.kill()
        with restarted_with_log(case, server, "begun") as other:
            assert other.connect().command("DBSIZE").value in (b"0", b"%d" % OLD_KEYS)
            pipeline(other.connect(), [("SET", "later", 1)])
            require_tidy(other)
        server.start()  # without its log there is nothing
        control = server.connect()
        pipeline(control, [("SET", f"key:{number}", number) for number in range(OLD_KEYS)])
        turn(control, "yes")
        wait_until_in_force(control)
        pipeline(control, [("SET", "last", 1)])
        turn(control, "no")
        pipeline(control, [("SET", "after", 1)])
        server.kill()
        with restarted_with_log(case, server, "ended") as other:
            connection = other.connect()
            assert connection.command("DBSIZE").value == b"%d" % (OLD_KEYS + 1)
            assert connection.command("GET", "after").value is None


def require_old_or_new(case, server, point, old, new):
    """Either server starts from what the kill left, with one of the two states, and again after more writes."""
    for name, start in (("ours", lambda folder: case.ours(folder, "--appendonly", "yes", "--save", "")),
                        ("redis", lambda folder: case.redis(folder, "--appendonly", "yes"))):
        folder = case.copy(f"{name} {point}", server.folder)
        with start(folder) as other:
            connection = other.connect()
            found = contents(connection)
            expected = new if point in WHEN_IT_COUNTS + WHILE_IT_ENDS else old
            assert found == expected, f"{name} after {point}: {len(found)} keys for {len(expected)}"
            pipeline(connection, [("SET", "more", 1)])
            expected = contents(connection)
            if name == "ours":
                require_tidy(other)
            other.kill()
            other.start()
            require_same(contents(other.connect()), expected, f"{name} after {point}, and a restart")


def killed_between_steps(case):
    """The process ends between the steps, in a folder with an old log and in one without."""
    for has_old_log in (False, True):
        template = case.path(f"template {has_old_log}")
        old = {}
        if has_old_log:
            with case.ours(template, "--appendonly", "yes", "--save", "") as server:
                pipeline(server.connect(), [("SET", "old", 1)])
                old = contents(server.connect())
                shut_down(server)
        for point in BEFORE_IT_COUNTS + WHEN_IT_COUNTS + WHILE_IT_ENDS:
            os.environ["STRATA_CRASH_POINT"] = point
            try:
                server = case.ours(case.copy(f"at {point}", template), "--appendonly", "no", "--save", "", "--appendfsync", "always")
                server.start()
            finally:
                del os.environ["STRATA_CRASH_POINT"]
            control = server.connect()
            pipeline(control, [("SET", f"key:{number}", number) for number in range(OLD_KEYS)])
            new = contents(control)
            try:
                turn(control, "yes")
                if point in WHILE_IT_ENDS:
                    wait_until_in_force(control)
                    turn(control, "no")
            except (ConnectionLost, OSError):
                pass
            assert exit_code(server, point) == CRASH_POINT_EXIT_CODE, f"{point} was not reached:\n{server.log_tail()}"
            require_old_or_new(case, server, point, old, new)


def failing_disk(case):
    """While it cannot begin, writes go on as without it, and who asked for the disk is told; when the disk heals it begins by itself."""
    disk = FaultyDisk(case)
    with disk.server(case, "fails", "--appendonly", "no") as server:
        control = server.connect()
        pipeline(control, [("SET", "a", 1)])
        disk.set(WRITE_ERRNO, errno.ENOSPC)
        turn(control, "yes")
        wait_until(lambda: int(info(control)["aof_rewrites_consecutive_failures"]) > 0, "an attempt that fails")
        fields = info(control)
        assert fields["aof_enabled"] == "1" and fields["aof_last_bgrewrite_status"] == "err", fields
        for number in range(50):
            pipeline(control, [("SET", "a", number)])
        assert disk.hits() > 0
        reply = control.command("WAITAOF", 1, 0, 0)
        assert reply.kind == "-" and reply.value.startswith(b"MISCONF ") or int(reply.value[0].value) == 0, reply
        disk.set(WRITE_ERRNO, 0)
        wait_until(lambda: info(control)["aof_last_bgrewrite_status"] == "ok", "the log's beginning", 120)
        wait_until_in_force(control)
        require_tidy(server)
        pipeline(control, [("SET", "b", 2)])
        # In force it refuses writes when it fails; turned off it is in nobody's way.
        disk.set(WRITE_ERRNO, errno.EIO)
        lost = server.connect()
        try:
            reply = lost.command("SET", "c", 1)
            assert reply.kind == "-" and reply.value.startswith(b"MISCONF "), reply
        except ConnectionLost:
            pass
        control = server.connect()
        wait_until(lambda: info(control)["aof_last_write_status"] == "err", "a failed log")
        turn(control, "no")
        pipeline(control, [("SET", "c", 3)])
        disk.set(WRITE_ERRNO, 0)
        turn(control, "yes")
        wait_until_in_force(control)
        expected = contents(control)
        server.kill()
        with restarted_with_log(case, server, "healed") as other:
            require_same(contents(other.connect()), expected, "after it healed")


def promises_across(case):
    """CLIENT DURABILITY disk waits until the log counts, and its writes are refused when there is none any more."""
    config = "appendonly no\nsave \"\"\n"
    folder = case.path("promises")
    with case.ours_with_file(folder, config) as server:
        control, strict = server.connect(), server.connect()
        pipeline(control, [("DEBUG", "POPULATE", 50_000, "key", 100)])
        reply = strict.command("CLIENT", "DURABILITY", "disk")
        assert reply.kind == "-" and b"appendonly is disabled" in reply.value, reply
        turn(control, "yes")
        pipeline(strict, [("CLIENT", "DURABILITY", "disk"), ("SET", "strict", 1)])
        # Its OK says that the log counts.
        with restarted_with_log(case, server, "promised") as other:
            assert other.connect().command("GET", "strict").value == b"1"
        pipeline(control, [("CONFIG", "REWRITE")])
        assert "appendonly yes" in (folder / "redis.conf").read_text()
        turn(control, "no")
        reply = strict.command("SET", "strict", 2)
        assert reply.kind == "-" and reply.value.startswith(b"MISCONF "), reply
        assert strict.command("GET", "strict").value == b"1"
        pipeline(control, [("SET", "plain", 1)])
        pipeline(strict, [("CLIENT", "DURABILITY", "memory"), ("SET", "strict", 3)])
        # In a transaction the change comes behind it.
        pipeline(control, [("MULTI",), ("SET", "in", 1), ("CONFIG", "SET", "appendonly", "yes"), ("SET", "it", 1), ("EXEC",)])
        wait_until(lambda: info(control)["aof_rewrite_scheduled"] == "0", "the beginning")
        wait_until_in_force(control)
        pipeline(control, [("MULTI",), ("SET", "in", 2), ("CONFIG", "SET", "appendonly", "no"), ("SET", "it", 2), ("EXEC",)])
        wait_until(lambda: control.command("WAITAOF", 1, 0, 0).kind == "-", "the end")
        expected = contents(control)
        with restarted_with_log(case, server, "transactions") as other:
            require_same(contents(other.connect()), expected, "both transactions")


def promise_of_a_command_that_waits(case):
    """Disk is promised, the command waits for a value that is being saved, and the log goes meanwhile."""
    disk = FaultyDisk(case, files="temp-strata-dump.rdb")
    with disk.server(case, "waiting", "--appendonly", "yes", "--rdbcompression", "no") as server:
        control, strict = server.connect(timeout=60), server.connect(timeout=60)
        for _ in range(20):
            pipeline(control, [("RPUSH", "big", *(["v" * 100] * 10_000))])
        pipeline(strict, [("CLIENT", "DURABILITY", "disk")])
        for commands in ((("RPUSH", "big", "late"),), (("MULTI",), ("LLEN", "big"), ("RPUSH", "big", "late"), ("EXEC",))):
            disk.set(WRITE_US, HANGS)
            hits = disk.hits()
            pipeline(control, [("BGSAVE",)])
            wait_until(lambda: disk.hits() > hits, "a save that hangs")
            # In one piece: when the first is answered the last waits.
            sent = (("SET", "other", 1), *commands)
            strict.send(b"".join(encode(tuple(word.encode() if isinstance(word, str) else b"%d" % word for word in command)) for command in sent))
            assert strict.read().value == b"OK"
            turn(control, "no")
            for _ in commands[:-1]:
                assert strict.read().kind == "+"
            disk.set(WRITE_US, 0)
            reply = strict.read()
            if len(commands) > 1:
                assert reply.kind == "*" and reply.value[0].kind == ":", reply
                reply = reply.value[1]
            assert reply.kind == "-" and b"was turned off" in reply.value, reply
            assert int(control.command("LLEN", "big").value) == 200_000
            wait_until_idle(control)
            turn(control, "yes")
            wait_until_in_force(control)
            wait_until_idle(control)


def directory_changes(case):
    """Not while there is a log; a dump that is being written goes where it was begun."""
    disk = FaultyDisk(case, files="temp-strata-dump.rdb")
    elsewhere = case.path("elsewhere")
    with disk.server(case, "moving", "--enable-protected-configs", "yes") as server:
        control = server.connect()
        pipeline(control, [("SET", "key", 1)])
        reply = control.command("CONFIG", "SET", "dir", elsewhere)
        assert reply.kind == "-" and b"append only file is on" in reply.value, reply
        assert control.command("CONFIG", "GET", "dir").value[1].value.decode() == str(server.folder)
        pipeline(control, [("CONFIG", "SET", "dir", server.folder), ("BGREWRITEAOF",)])
        wait_until_idle(control)
        turn(control, "no")
        disk.set(SYNC_US, HANGS)
        pipeline(control, [("BGSAVE",)])
        wait_until(lambda: disk.hits() > 0, "the save")
        pipeline(control, [("CONFIG", "SET", "dir", elsewhere)])
        disk.set(SYNC_US, 0)
        wait_until_idle(control)
        assert info(control)["rdb_last_bgsave_status"] == "ok" and (server.folder / "dump.rdb").exists()
        turn(control, "yes")
        wait_until_in_force(control)
        assert (elsewhere / "appendonlydir").exists()
        pipeline(control, [("SET", "key", 2)])
        server.kill()
    with case.ours(elsewhere, "--appendonly", "yes", "--save", "") as server:
        assert server.connect().command("GET", "key").value == b"2"


CASES = (begun_under_load, killed_right_after, killed_between_steps, failing_disk, promises_across,
         promise_of_a_command_that_waits, directory_changes)

if __name__ == "__main__":
    sys.exit(run_cases(CASES, __doc__))
