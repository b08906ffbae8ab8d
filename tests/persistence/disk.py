#!/usr/bin/python3
"""The log's promises while appendfsync changes under load, and on a disk that is full.

    disk.py STRATA_SERVER [--threads N] [--only CASE] [--keep]
"""

import os
import subprocess
import sys
import threading
import time

from cases import ConnectionLost, Skip, info, run_cases, wait_until
from dataset import pipeline, require_same, contents

POLICIES = ("always", "everysec", "no")
WRITERS = 4
CHANGES = 20
VALUE = "v" * 1000
DISK_BYTES = 2 << 20
DISK_BYTES_LATER = 64 << 20
MOUNT, UNMOUNT = "/bin/mount", "/bin/umount"


class Writer(threading.Thread):
    """Counts up in a key of its own and in a list, until it is told or the connection ends."""

    def __init__(self, server, number):
        super().__init__()
        self.connection = server.connect()
        self.key, self.acknowledged, self.error = f"writer:{number}", 0, None
        self.stopping = False

    def run(self):
        try:
            while not self.stopping:
                for command in (("INCR", self.key), ("RPUSH", f"{self.key}:list", self.acknowledged + 1)):
                    reply = self.connection.command(*command)
                    if reply.kind == "-":
                        self.error = reply.value.decode()
                        return
                self.acknowledged += 1
        except ConnectionLost as error:
            self.error = str(error)


def policy_changes(case):
    """appendfsync by CONFIG SET while clients write; then kill -9, and all that was acknowledged is there."""
    folder = case.path("policies")
    with case.ours(folder, "--appendonly", "yes", "--appendfsync", "no") as server:
        control = server.connect()
        writers = [Writer(server, number) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        for change in range(CHANGES):
            policy = POLICIES[change % len(POLICIES)]
            pipeline(control, [("CONFIG", "SET", "appendfsync", policy)])
            assert control.command("CONFIG", "GET", "appendfsync").value[1].value.decode() == policy
            before = [writer.acknowledged for writer in writers]
            deadline = time.monotonic() + 30
            while any(writer.acknowledged <= was for writer, was in zip(writers, before)):
                assert time.monotonic() < deadline, f"writers stand still under appendfsync {policy}"
                assert not any(writer.error for writer in writers), [writer.error for writer in writers]
                time.sleep(0.005)
        assert control.command("CONFIG", "SET", "appendfsync", "sometimes").kind == "-"
        # Under always, what is acknowledged is on the disk.
        pipeline(control, [("CONFIG", "SET", "appendfsync", "always"), ("SET", "last", 1)])
        for writer in writers:
            writer.stopping = True
            writer.join()
        pipeline(control, [("SET", "last", 2)])
        fields = info(control)
        assert fields["aof_position"] == fields["aof_durable_position"], "always, and not all of it is durable"
        server.kill()
        server.start()
        control = server.connect()
        for writer in writers:
            assert int(control.command("GET", writer.key).value) == writer.acknowledged
            assert int(control.command("LLEN", f"{writer.key}:list").value) == writer.acknowledged


class SmallDisk:
    """A file system of its own, of a size; in a with statement."""

    def __init__(self, path, size=DISK_BYTES):
        self.path, self.size = path, size

    def __enter__(self):
        if os.geteuid() != 0:
            raise Skip("a small disk needs root to mount a tmpfs")
        made = subprocess.run([MOUNT, "-t", "tmpfs", "-o", f"size={self.size}", "tmpfs", self.path], capture_output=True, text=True)
        if made.returncode != 0:
            raise Skip(f"no tmpfs can be mounted here: {made.stderr.strip()}")
        return self

    def __exit__(self, *_):
        subprocess.run([UNMOUNT, "-l", self.path], check=False)

    def grow(self):
        subprocess.run([MOUNT, "-o", f"remount,size={DISK_BYTES_LATER}", self.path], check=True)


def write_until_full(server, is_misconf):
    """SETs of n to key n until one is refused. Returns how many were acknowledged, and how many were sent."""
    acknowledged = sent = 0
    connection = server.connect()
    # Nobody removes it before it is read.
    pipeline(connection, [("DEBUG", "SET-ACTIVE-EXPIRE", 0), ("SET", "short:lived", 1, "PX", 1)])
    while sent < 2 * DISK_BYTES // len(VALUE):
        sent += 1
        reply = connection.command("SET", f"key:{sent}", VALUE)
        if reply.kind == "-":
            assert is_misconf(reply), reply
            return acknowledged, sent
        acknowledged += 1
    raise AssertionError("the disk does not fill up")


def full_disk(case):
    for policy in POLICIES:
        disk_folder, folder = case.path(f"disk {policy}"), case.path(f"server {policy}")
        with SmallDisk(disk_folder) as disk, case.ours(folder, "--dir", disk_folder, "--appendonly", "yes", "--appendfsync",
                                                       policy, "--save", "") as server:
            acknowledged, sent = write_until_full(server, lambda reply: reply.value.startswith(b"MISCONF "))
            connection = server.connect()
            if policy == "always":
                # The filler met the end of the disk first, and that stopped nobody.
                wait_until(lambda: server.log_path.read_text().count("cannot be written ahead") == 1, "word that there is no filler")
            for command in (("SET", "another", 1), ("DEL", "key:1"), ("FLUSHALL",), ("INCR", "counter")):
                reply = connection.command(*command)
                assert reply.kind == "-" and reply.value.startswith(b"MISCONF "), (policy, command, reply)
            assert connection.command("GET", f"key:{acknowledged}").value == VALUE.encode()
            pipeline(connection, [("MULTI",), ("GET", "key:1"), ("EXEC",)])
            pipeline(connection, [("MULTI",)])
            connection.command("SET", "in:multi", 1)
            assert connection.command("EXEC").kind == "-", "a transaction with a write was executed"
            # Reads go on, of what has expired too.
            assert connection.command("GET", "short:lived").value is None
            assert connection.command("GET", "key:1").value == VALUE.encode()
            assert connection.command("PING").value == b"PONG"
            assert info(connection)["aof_last_write_status"] == "err"
            pipeline(connection, [("CONFIG", "SET", "appendfsync", "always")])
            assert connection.command("GET", "key:1").value == VALUE.encode()
            time.sleep(1.5)  # everysec's turn comes round
            assert connection.command("GET", f"key:{acknowledged}").value == VALUE.encode()
            assert server.process.poll() is None
            require_recovery(case, server, disk, policy, acknowledged, sent)


def require_recovery(case, server, disk, policy, acknowledged, sent):
    """Ended one way or another and with more room, it has all that was acknowledged, and a prefix of all that was sent."""
    if policy == "always":
        server.kill()
    else:
        server.stop()
        assert server.process.returncode is not None and server.process.returncode >= 0, server.log_tail()
    disk.grow()
    server.start()
    connection = server.connect()
    found = len(connection.command("KEYS", "key:*").value)
    assert acknowledged <= found <= sent, f"{policy}: {acknowledged} acknowledged, {found} there, {sent} sent"
    for number in range(1, found + 1):
        assert connection.command("GET", f"key:{number}").value == VALUE.encode(), f"{policy}: key:{number} of {found} is missing"
    pipeline(connection, [("SET", "room", "again")])
    expected = contents(connection)
    server.kill()
    server.start()
    require_same(contents(server.connect()), expected, f"after a full disk, {policy}")


def full_disk_for_save(case):
    """SAVE that finds no room fails, leaves the old dump and no half-made file."""
    disk_folder, folder = case.path("disk"), case.path("server")
    with SmallDisk(disk_folder), case.ours(folder, "--dir", disk_folder, "--appendonly", "no", "--save", "",
                                           "--rdbcompression", "no") as server:
        connection = server.connect()
        pipeline(connection, [("SET", "a", 1), ("SAVE",)])
        before = (disk_folder / "dump.rdb").read_bytes()
        pipeline(connection, [("SET", "large", "x" * (2 * DISK_BYTES))])
        reply = connection.command("SAVE")
        assert reply.kind == "-", reply
        assert [path.name for path in disk_folder.iterdir()] == ["dump.rdb"], list(disk_folder.iterdir())
        assert (disk_folder / "dump.rdb").read_bytes() == before
        pipeline(connection, [("DEL", "large"), ("SET", "a", 2), ("SAVE",)])
        server.kill()
        server.start()
        assert server.connect().command("GET", "a").value == b"2"


CASES = (policy_changes, full_disk, full_disk_for_save)

if __name__ == "__main__":
    sys.exit(run_cases(CASES, __doc__))
