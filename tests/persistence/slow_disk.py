#!/usr/bin/python3
"""A disk that is slow, and one that fails under load: who waits, who is told what, and what is there afterwards.

    slow_disk.py STRATA_SERVER [--threads N] [--only CASE] [--keep]

The server runs with tests/support/faulty_disk.c preloaded. A case fails if no call of the server was disturbed.
"""

import errno
import select
import sys
import threading
import time

from cases import ConnectionLost, info, run_cases, wait_until
from dataset import pipeline
from faulty_disk import HANGS, SYNC_ERRNO, SYNC_US, WRITE_ERRNO, FaultyDisk
from resp import encode

VALUE = b"v" * 1000
WRITERS = 6
PIPELINE = 20_000  # more than the sockets hold: a writer is still sending when the log fails
SLOW_SYNC_US = 300_000


def is_silent(connection):
    return connection.at == len(connection.buffer) and not select.select([connection.socket], [], [], 0)[0]


def has_reply(connection):
    """Takes the reply of a SET, if it is there."""
    if is_silent(connection):
        return False
    assert connection.read().value == b"OK"
    return True


class Writer(threading.Thread):
    """Sends whole pipelines of SETs, every second one as transactions; counts what was acknowledged until an error."""

    def __init__(self, server, number):
        super().__init__()
        self.connection, self.prefix, self.number = server.connect(timeout=60), b"w%d:" % number, number
        self.in_transactions = number % 2 == 1
        self.acknowledged, self.sent, self.error, self.stopping = 0, 0, None, False

    def commands(self, number):
        one = encode((b"SET", self.prefix + b"%d" % number, VALUE))
        return encode((b"MULTI",)) + one + encode((b"EXEC",)) if self.in_transactions else one

    def run(self):
        try:
            while not self.stopping and not self.error:
                first = self.sent
                self.sent += PIPELINE
                self.connection.send(b"".join(self.commands(number) for number in range(first, self.sent)))
                for _ in range(first, self.sent):
                    self.read_one()
        except ConnectionLost as lost:
            self.error = self.error or f"lost: {lost}"

    def read_one(self):
        """A connection whose replies cannot be given any more gets one error and is closed."""
        for _ in range(3 if self.in_transactions else 1):
            reply = self.connection.read()
            if reply.kind == "-":
                self.error = self.error or reply.value.decode()
        if self.error is None:
            self.acknowledged += 1
        else:
            assert reply.kind == "-", f"writer {self.number}: a write was acknowledged after one that was not"


def start_writers(server):
    writers = [Writer(server, number) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    return writers


def require_acknowledged(server, writers):
    connection = server.connect()
    for writer in writers:
        for first in range(0, writer.acknowledged, PIPELINE):
            numbers = range(first, min(first + PIPELINE, writer.acknowledged))
            reply = connection.command("MGET", *(writer.prefix + b"%d" % number for number in numbers))
            lost = [number for number, value in zip(numbers, reply.value) if value.value != VALUE]
            assert not lost, f"writer {writer.number} lost {lost[:5]} of {writer.acknowledged}"


def writers_park(case):
    """While syncs are slow, writers wait outside the shards for room in the log, transactions too, and others do not."""
    disk = FaultyDisk(case)
    with disk.server(case, "parks", "--appendfsync", "always") as server:
        control = server.connect()
        disk.set(SYNC_US, SLOW_SYNC_US)
        writers = start_writers(server)
        wait_until(lambda: int(info(control)["parked_for_log"]) > 2 * WRITERS, "writers that wait for the log")
        worst = 0
        for _ in range(50):
            began = time.monotonic()
            assert control.command("PING").value == b"PONG"
            worst = max(worst, time.monotonic() - began)
        # One that stood behind a sync would have taken 0.3 s.
        assert worst < SLOW_SYNC_US / 1e6, f"PING took {worst:.3f} s"
        disk.set(SYNC_US, 0)
        for writer in writers:
            writer.stopping = True
        for writer in writers:
            writer.join()
            assert writer.error is None, writer.error
        assert disk.hits() > 0
        server.kill()
        server.start()
        require_acknowledged(server, writers)


def sync_fails_under_load(case):
    """Waiting and parked writers are told so, nothing is acknowledged afterwards, reads go on."""
    for policy, field in (("always", SYNC_ERRNO), ("always", WRITE_ERRNO), ("everysec", WRITE_ERRNO)):
        disk = FaultyDisk(case)
        with disk.server(case, f"fails {policy} {field}", "--appendfsync", policy) as server:
            control = server.connect()
            pipeline(control, [("SET", "before", 1)])
            disk.set(SYNC_US, SLOW_SYNC_US)
            writers = start_writers(server)
            if policy == "always":
                wait_until(lambda: int(info(control)["parked_for_log"]) > 2 * WRITERS, "writers that wait for the log")
            else:
                wait_until(lambda: all(writer.acknowledged > 0 for writer in writers), "writers that get on")
            disk.set(field, errno.EIO)
            for writer in writers:
                writer.join(60)
                assert not writer.is_alive(), f"{policy}: writer {writer.number} waits for ever"
                assert writer.error and ("MISCONF" in writer.error or "EXECABORT" in writer.error), writer.error
            assert disk.hits() > 0
            assert control.command("GET", "before").value == b"1"
            reply = control.command("SET", "later", 1)
            assert reply.kind == "-" and reply.value.startswith(b"MISCONF "), reply
            disk.set(field, 0)
            disk.set(SYNC_US, 0)
            server.kill()
            server.start()
            require_acknowledged(server, writers)


def everysec_waits_for_a_hanging_sync(case):
    """When what a power cut could take is about to become older than two seconds, writers wait outside their shards; readers do not."""
    disk = FaultyDisk(case)
    with disk.server(case, "hangs", "--appendfsync", "everysec") as server:
        control, writer = server.connect(), server.connect()
        pipeline(control, [("SET", "a", 0)])
        disk.set(SYNC_US, HANGS)
        number = 0
        while int(info(control)["parked_for_log"]) == 0:
            number += 1
            writer.send(encode((b"SET", b"a", b"%d" % number)))
            # A reply may be on its way, or the writer is held: nothing but the number of the held says which.
            wait_until(lambda: int(info(control)["parked_for_log"]) > 0 or has_reply(writer), "a reply, or a held writer")
        assert number > 1
        # The sync hangs, so it stays held.
        assert not has_reply(writer)
        value = int(control.command("GET", "a").value)
        assert value == number - 1, f"{value} after {number}"
        assert control.command("PING").value == b"PONG"
        assert disk.hits() > 0
        disk.set(SYNC_US, 0)
        assert writer.read().value == b"OK"
        assert int(control.command("GET", "a").value) == number
        assert int(info(control)["parked_for_log_us"]) > 0
        server.kill()
        server.start()
        assert int(server.connect().command("GET", "a").value) == number


FLUSHES = ((("FLUSHALL",),), (("FLUSHALL", "ASYNC"),), (("FLUSHALL", "SYNC"),),
           (("MULTI",), ("SET", "in", 1), ("FLUSHALL",), ("EXEC",)))


def start_flush(disk, connection, commands):
    """Sends them; the sync of the empty dump hangs when this returns. Replies to the commands before the last may be there."""
    disk.set(SYNC_US, HANGS)
    hits = disk.hits()
    connection.send(b"".join(encode(tuple(str(word).encode() for word in command)) for command in commands))
    wait_until(lambda: disk.hits() > hits, "the sync of the empty dump")


def end_flush(disk, connection, commands):
    disk.set(SYNC_US, 0)
    replies = [connection.read() for _ in commands]
    assert all(reply.kind != "-" for reply in replies), replies
    return replies


def flushall_waits_alone(case):
    """The reply to FLUSHALL leaves when the empty dump is on disk, and a kill finds it; others meanwhile read and write."""
    disk = FaultyDisk(case, files="temp-strata-dump.rdb")
    for number, commands in enumerate(FLUSHES):
        with disk.server(case, f"flushed {number}", "--appendonly", "no", "--save", "3600 1000000") as server:
            control, client = server.connect(), server.connect()
            pipeline(control, [("SET", f"key:{n}", "value") for n in range(100)] + [("SAVE",)])
            start_flush(disk, client, commands)
            for n in range(100):
                assert control.command("PING").value == b"PONG"
                assert control.command("GET", f"key:{n}").value is None
                pipeline(control, [("SET", f"key:{n}", "new"), ("DEL", f"key:{n}")])
            assert is_silent(client), f"{commands}: answered before the dump was on disk"
            assert b"value" in (server.folder / "dump.rdb").read_bytes()
            end_flush(disk, client, commands)
            server.kill()
            server.start()
            assert int(server.connect().command("DBSIZE").value) == 0, commands


def dumps_in_their_order(case):
    """Around a FLUSHALL whose dump takes long, the dump that is there in the end is the one begun last."""
    disk = FaultyDisk(case, files="temp-strata-dump.rdb")
    with disk.server(case, "ordered", "--appendonly", "no", "--save", "3600 1000000") as server:
        control, client, other = server.connect(), server.connect(), server.connect()
        # A BGSAVE that began before is given up, whatever it waits for.
        pipeline(control, [("SET", "key", "before")])
        disk.set(SYNC_US, HANGS)
        pipeline(control, [("BGSAVE",)])
        wait_until(lambda: disk.hits() > 0, "the sync of BGSAVE")
        start = (("FLUSHALL",),)
        client.send(encode((b"FLUSHALL",)))
        wait_until(lambda: control.command("GET", "key").value is None, "FLUSHALL")
        end_flush(disk, client, start)
        assert b"before" not in (server.folder / "dump.rdb").read_bytes()
        wait_until(lambda: info(control)["rdb_bgsave_in_progress"] == "0", "the end of BGSAVE")
        # One that begins later comes later, and so do two; the one between two is given up.
        start_flush(disk, client, start)
        pipeline(control, [("SET", "key", "between"), ("BGSAVE",)])
        other.send(encode((b"FLUSHALL",)))
        wait_until(lambda: control.command("GET", "key").value is None, "the second FLUSHALL")
        end_flush(disk, client, start)
        end_flush(disk, other, start)
        assert b"between" not in (server.folder / "dump.rdb").read_bytes()
        wait_until(lambda: info(control)["rdb_bgsave_in_progress"] == "0", "the end of BGSAVE")
        start_flush(disk, client, start)
        pipeline(control, [("SET", "key", "after"), ("BGSAVE",)])
        end_flush(disk, client, start)
        wait_until(lambda: info(control)["rdb_bgsave_in_progress"] == "0", "the end of BGSAVE")
        assert b"after" in (server.folder / "dump.rdb").read_bytes()
        # SAVE waits for it.
        start_flush(disk, client, start)
        control.send(encode((b"SET", b"key", b"saved")) + encode((b"SAVE",)))
        end_flush(disk, client, start)
        assert [control.read().value for _ in range(2)] == [b"OK", b"OK"]
        server.kill()
        server.start()
        assert server.connect().command("GET", "key").value == b"saved"


def flushall_without_a_promise(case):
    """CLIENT DURABILITY NONE does not wait; an empty dump that cannot be written is told in the log."""
    disk = FaultyDisk(case, files="temp-strata-dump.rdb")
    with disk.server(case, "no promise", "--save", "3600 1000000") as server:
        control = server.connect()
        pipeline(control, [("CLIENT", "DURABILITY", "NONE")])
        disk.set(SYNC_US, HANGS)
        pipeline(control, [("FLUSHALL",), ("SET", "key", 1)])
        wait_until(lambda: disk.hits() > 0, "the sync of the empty dump")
        disk.set(SYNC_US, 0)
        pipeline(control, [("CLIENT", "DURABILITY", "DISK"), ("SAVE",)])
        saved = (server.folder / "dump.rdb").read_bytes()
        disk.set(SYNC_ERRNO, errno.EIO)
        pipeline(control, [("FLUSHALL",), ("SET", "key", 1)])
        assert (server.folder / "dump.rdb").read_bytes() == saved
        assert not list(server.folder.glob("temp-*"))
        assert "Failed saving the DB" in server.log_path.read_text()
        assert info(control)["rdb_last_bgsave_status"] == "ok"
        disk.set(SYNC_ERRNO, 0)


CASES = (writers_park, sync_fails_under_load, everysec_waits_for_a_hanging_sync, flushall_waits_alone, dumps_in_their_order,
         flushall_without_a_promise)

if __name__ == "__main__":
    sys.exit(run_cases(CASES, __doc__))
