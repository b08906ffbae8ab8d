#!/usr/bin/python3
"""A log that failed goes on by itself, without a restart, when the disk does.

    resumption.py STRATA_SERVER [--threads N] [--only CASE] [--keep]
"""

import errno
import os
import sys

from cases import exit_code, info, run_cases, wait_until
from counters import CRASH_POINT_EXIT_CODE, random_like, start_counters, stop_counters
from dataset import contents, pipeline, require_same
from disk import POLICIES, SmallDisk
from faulty_disk import SYNC_ERRNO, SYNC_US, WRITE_ERRNO, FaultyDisk
from resp import encode

FULL_DISK_BYTES = 1 << 20
SYNC_HANGS_US = 300_000
KILLED_AT = ("resumption.after_increment", "rewrite.before_rename", "rewrite.after_rename", "rewrite.before_manifest",
             "resumption.after_manifest")


def is_writing(server, word):
    return info(server.connect())["aof_last_write_status"] == word


def require_restart(server, counters):
    """After kill -9 it has what it had, and what was acknowledged."""
    connection = server.connect()
    expected = contents(connection)
    server.kill()
    server.start()
    connection = server.connect()
    require_same(contents(connection), expected, "after the resumption")
    for counter in counters:
        value = connection.command("GET", counter.name).value
        assert int(value or 0) >= counter.acknowledged, f"{counter.name} is {value} after {counter.acknowledged}"


def full_disk_under_load(case):
    """A disk of 1 MB fills up under load; a file that others had there goes; writes go on."""
    for policy in POLICIES:
        disk_folder, folder = case.path(f"disk {policy}"), case.path(f"server {policy}")
        with SmallDisk(disk_folder, FULL_DISK_BYTES), case.ours(folder, "--dir", disk_folder, "--appendonly", "yes",
                                                               "--appendfsync", policy, "--save", "",
                                                               "--auto-aof-rewrite-percentage", "0") as server:
            ballast = disk_folder / "somebody else's"
            ballast.write_bytes(bytes(FULL_DISK_BYTES // 2))
            counters = start_counters(server)
            control = server.connect()
            wait_until(lambda: is_writing(server, "err"), f"{policy}: a full disk")
            wait_until(lambda: all(counter.refused for counter in counters), f"{policy}: refusals")
            assert control.command("GET", counters[0].name).kind == "$"
            failures = int(info(control)["aof_rewrites_consecutive_failures"])
            wait_until(lambda: int(info(control)["aof_rewrites_consecutive_failures"]) > failures, "an attempt")
            # What an attempt leaves: nothing.
            wait_until(lambda: not list((disk_folder / "appendonlydir").glob("temp-*")), "a clean folder")
            assert not list((disk_folder / "appendonlydir").glob("*.base.rdb"))
            ballast.unlink()
            wait_until(lambda: is_writing(server, "ok"), f"{policy}: the log's resumption")
            before = [counter.acknowledged for counter in counters]
            wait_until(lambda: all(c.acknowledged > was for c, was in zip(counters, before)), f"{policy}: writes")
            assert int(info(control)["aof_resumptions"]) > 0
            stop_counters(counters)
            # It may have filled up once more.
            wait_until(lambda: is_writing(server, "ok"), f"{policy}: a log in order")
            require_restart(server, counters)


def syncs_and_writes_fail(case):
    """EIO from write or fdatasync: told to those who wait, WAITAOF too; then it heals, and the log goes on by itself."""
    for policy, field in (("always", SYNC_ERRNO), ("everysec", SYNC_ERRNO), ("no", WRITE_ERRNO)):
        disk = FaultyDisk(case)
        with disk.server(case, f"heals {policy} {field}", "--appendfsync", policy) as server:
            control, waiting = server.connect(), server.connect()
            pipeline(control, [("SET", "before", 1)])
            counters = start_counters(server)
            disk.set(SYNC_US, SYNC_HANGS_US)
            if policy != "always":
                pipeline(waiting, [("SET", "waited:for", 1)])
                waiting.send(encode((b"WAITAOF", b"1", b"0", b"0")))
            disk.set(field, errno.EIO)
            wait_until(lambda: is_writing(server, "err"), f"{policy}: a failed log")
            if policy != "always":
                reply = waiting.read()
                assert reply.kind == "-" and reply.value.startswith(b"MISCONF ") or int(reply.value[0].value) == 1, reply
            disk.set(SYNC_US, 0)
            wait_until(lambda: int(info(control)["aof_rewrites_consecutive_failures"]) > 0, "an attempt")
            assert is_writing(server, "err")
            assert control.command("GET", "before").value == b"1"
            reply = control.command("SET", "later", 1)
            assert reply.kind == "-" and reply.value.startswith(b"MISCONF "), reply
            assert disk.hits() > 0
            disk.set(field, 0)
            wait_until(lambda: is_writing(server, "ok"), f"{policy}: the log's resumption")
            pipeline(server.connect(), [("SET", "later", 2)])
            reply = server.connect().command("WAITAOF", 1, 0, 0)
            assert int(reply.value[0].value) == 1, reply
            stop_counters(counters)
            require_restart(server, counters)


def kinds_of_files(server):
    names = sorted(path.name for path in (server.folder / "appendonlydir").iterdir())
    return [name.removeprefix("appendonly.aof.").lstrip("0123456789.") for name in names]


def by_hand(case):
    """BGREWRITEAOF does it at once, and says so when it cannot; a change of appendfsync meanwhile takes effect with it."""
    disk = FaultyDisk(case)
    with disk.server(case, "by hand", "--appendfsync", "always") as server:
        control = server.connect()
        pipeline(control, [("SET", "a", 1)])
        disk.set(SYNC_ERRNO, errno.EIO)
        reply = control.command("SET", "a", 2)
        assert reply.kind == "-" and reply.value.startswith(b"MISCONF "), reply
        control = server.connect()
        wait_until(lambda: int(info(control)["aof_rewrites_consecutive_failures"]) > 0, "an attempt")
        pipeline(control, [("CONFIG", "SET", "appendfsync", "everysec")])
        disk.set(SYNC_ERRNO, 0)
        reply = control.command("BGREWRITEAOF")
        assert reply.kind == "+" or b"already in progress" in reply.value, reply
        wait_until(lambda: is_writing(server, "ok"), "the log's resumption")
        # In doubt, the client was told; now it is there for good.
        assert control.command("GET", "a").value == b"2"
        fields = info(control)
        assert fields["aof_position"] == fields["aof_durable_position"]
        pipeline(control, [("INCR", "a"), ("RPUSH", "list", 1, 2, 3)])
        # What is replaced goes when the log is in order again already.
        wait_until(lambda: kinds_of_files(server) == ["base.rdb", "incr.aof", "manifest"], "one generation of files")
        require_restart(server, [])


def killed_while_resuming(case):
    """The process ends between the steps of a resumption: the old generation or the new one is there, both with everything."""
    for point in KILLED_AT:
        disk = FaultyDisk(case)
        os.environ["STRATA_CRASH_POINT"] = point
        try:
            server = disk.server(case, point, "--appendfsync", "always")
            server.start()
        finally:
            del os.environ["STRATA_CRASH_POINT"]
        with_it = server.connect()
        pipeline(with_it, [("SET", f"key:{number}", number) for number in range(100)])
        disk.set(SYNC_ERRNO, errno.EIO)
        reply = with_it.command("SET", "in", "doubt")
        assert reply.kind == "-" and reply.value.startswith(b"MISCONF "), reply
        disk.set(SYNC_ERRNO, 0)
        server.connect().send(encode((b"BGREWRITEAOF",)))
        assert exit_code(server, point) == CRASH_POINT_EXIT_CODE, f"{point} was not reached:\n{server.log_tail()}"
        assert disk.hits() > 0
        server.start()
        connection = server.connect()
        for number in range(100):
            assert connection.command("GET", f"key:{number}").value == b"%d" % number, f"{point}: key:{number} is lost"
        wait_until(lambda: is_writing(server, "ok"), f"{point}: the log's resumption")
        pipeline(connection, [("SET", "later", 1)])
        assert not [kind for kind in kinds_of_files(server) if kind.startswith("temp-")], kinds_of_files(server)
        wait_until(lambda: kinds_of_files(server).count("base.rdb") <= 1, f"{point}: the end of the old base")
        require_restart(server, [])
        server.stop()


def started_in_doubt(case):
    """A process whose sync failed is killed: the next begins the log afresh before it accepts a write."""
    disk = FaultyDisk(case)
    with disk.server(case, "in doubt", "--appendfsync", "always") as server:
        control = server.connect()
        pipeline(control, [("SET", "safe", 1)])
        disk.set(SYNC_ERRNO, errno.EIO)
        reply = control.command("SET", "doubtful", 1)
        assert reply.kind == "-" and reply.value.startswith(b"MISCONF "), reply
        mark = server.folder / "appendonlydir" / "appendonly.aof.in-doubt"
        assert mark.exists()
        server.kill()
        server.start()
        control = server.connect()
        assert control.command("GET", "safe").value == b"1"
        reply = control.command("SET", "later", 1)
        assert reply.kind == "-" and reply.value.startswith(b"MISCONF "), reply
        assert disk.hits() > 0
        disk.set(SYNC_ERRNO, 0)
        wait_until(lambda: is_writing(server, "ok"), "the log's resumption")
        assert not mark.exists()
        pipeline(control, [("SET", "later", 2)])
        require_restart(server, [])
        assert is_writing(server, "ok")


def start_on_a_full_disk(case):
    """It says why it cannot, changes nothing that counts, and comes up when there is room."""
    disk_folder, folder = case.path("disk"), case.path("server")
    with SmallDisk(disk_folder, FULL_DISK_BYTES), case.ours(folder, "--dir", disk_folder, "--appendonly", "yes", "--save",
                                                           "") as server:
        control = server.connect()
        pipeline(control, [("SET", f"key:{number}", random_like(number)) for number in range(100)])
        expected = contents(control)
        server.kill()
        ballast = disk_folder / "ballast"
        with open(ballast, "wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)) == 4096:
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC, error
        server.launch()
        assert exit_code(server, "a start on a full disk") == 1
        assert "no space left on device" in server.log_tail().lower(), server.log_tail()
        ballast.unlink()
        server.start()
        require_same(contents(server.connect()), expected, "after a start on a full disk")
        pipeline(server.connect(), [("SET", "later", 1)])


CASES = (full_disk_under_load, syncs_and_writes_fail, by_hand, killed_while_resuming, started_in_doubt,
         start_on_a_full_disk)

if __name__ == "__main__":
    sys.exit(run_cases(CASES, __doc__))
