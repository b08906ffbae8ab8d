#!/usr/bin/python3
"""Cuts the power under the real server: ext4 on a loop mount, shut down without flushing its journal.

    power_cut.py STRATA_SERVER [--cuts 6] [--policy always|everysec|no|disk] [--threads 2] [--load-seconds-max 0.3] [--seed S]

The writers are those of kill9.py; in the middle of their work EXT4_IOC_SHUTDOWN takes everything that was not synced.
Then the server is killed, the file system mounted again, which replays its journal, and the server started. Of what
it then holds these must be true:

    starts    always, in every fsync mode
    prefix    each client's numbers up to one of them, MULTI and MSET whole, nothing that was never sent
    durable   always, and at CLIENT DURABILITY DISK under appendfsync no, which is the mode "disk": every number whose
              reply came, or that a reader saw, before the cut began; everysec: those two seconds older
    loss      no: at least once a number that was acknowledged is gone, or else the cut was none and proved nothing

The cut takes some milliseconds, in which the server still runs: numbers acknowledged in this time were seen to be lost
even under always. A machine without power sends no such replies, so they are no broken promise; they are
counted and shown, because a server that acknowledged after a failed sync would show here as well.

It needs root and a free loop device, and is skipped with a message where there is none.
"""

import argparse
import fcntl
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from kill9 import Appender, Broken, MultiSetter, Transactor, Writer, finish, number, require
from resp import ConnectionLost
from servers import Server

CUTS_PER_FOLDER = 5  # Then a new disk: lists and log would grow for ever.
CLIENTS_PER_MANNER = 2
POLICIES = ("always", "everysec", "no", "disk")
SAFE = ("always", "disk")  # What was acknowledged is there.
IMAGE_BYTES = 512 << 20  # Sparse.
EVERYSEC_LOSS_SECONDS_MAX = 2.0
EXT4_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
EXT4_GOING_FLAGS_NOLOGFLUSH = 2
SKIPPED = 77


class Skip(Exception):
    """This machine cannot cut the power."""


class Disk:
    """An ext4 file system in a file, which can lose its power; in a with statement."""

    def __enter__(self):
        if os.geteuid() != 0:
            raise Skip("a power cut needs root to mount a file system")
        self.folder = Path(tempfile.mkdtemp(prefix="strata-power-"))
        self.image, self.path = self.folder / "image", self.folder / "disk"
        self.path.mkdir()
        with open(self.image, "wb") as image:
            image.truncate(IMAGE_BYTES)
        try:
            subprocess.run(["/sbin/mkfs.ext4", "-q", "-F", str(self.image)], check=True, capture_output=True)
            self.mount()
        except (OSError, subprocess.CalledProcessError) as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise Skip(f"no ext4 can be mounted here: {error}") from error
        return self

    def __exit__(self, *_):
        subprocess.run(["/bin/umount", "-l", str(self.path)], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def mount(self):
        subprocess.run(["/bin/mount", "-o", "loop", str(self.image), str(self.path)], check=True, capture_output=True)

    def cut(self):
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", EXT4_GOING_FLAGS_NOLOGFLUSH))
        finally:
            os.close(descriptor)

    def power_on(self):
        subprocess.run(["/bin/umount", str(self.path)], check=True, capture_output=True)
        self.mount()


class TimedWriter(Writer):
    """A writer that remembers when each number was acknowledged."""

    @property
    def acknowledged(self):
        return self.history[-1][1]

    @acknowledged.setter
    def acknowledged(self, n):
        if not hasattr(self, "history"):
            self.history = []
        self.history.append((time.monotonic(), n))

    def acknowledged_before(self, moment):
        return max((n for when, n in self.history if when <= moment), default=0)

    def since(self, cut_at, n):
        """When the numbers above n were acknowledged."""
        late = [f"{number} {1000 * (when - cut_at):+.2f} ms" for when, number in self.history if number > n]
        return "acknowledged, from the cut on: " + ", ".join(late[:5])


class AtDisk:
    """A server whose clients choose their durability themselves."""

    def __init__(self, server):
        self.server = server

    def connect(self, *arguments, **names):
        connection = self.server.connect(*arguments, **names)
        reply = connection.command("CLIENT", "DURABILITY", "DISK")
        require(reply.value == b"OK", f"CLIENT DURABILITY: {reply}")
        return connection


def sync_policy(policy):
    return "no" if policy == "disk" else policy


class Reader(threading.Thread):
    """Remembers the highest number of every writer that it saw before the cut."""

    def __init__(self, server, manners):
        super().__init__()
        self.server, self.manners, self.seen = server, manners, {}
        self.power_is_on = True

    def run(self):
        try:
            connection = self.server.connect()
            while True:
                reply = connection.command("MGET", *(manner.seq for manner in self.manners))
                if reply.kind == "-" or not self.power_is_on:
                    return
                for manner, item in zip(self.manners, reply.value):
                    self.seen[manner.seq] = max(self.seen.get(manner.seq, 0), number(item))
        except (ConnectionLost, OSError):
            pass


def promised(policy, writer, cut_at, begin):
    """The number that must be there at least."""
    if policy in SAFE:
        return max(writer.acknowledged_before(cut_at), begin)
    if policy == "everysec":
        return max(writer.acknowledged_before(cut_at - EVERYSEC_LOSS_SECONDS_MAX), begin)
    return begin


def play_cut(server, disk, manners, last, chooser, policy, load_seconds_max):
    """Load, cut, restart, check. Returns the numbers acknowledged before the cut, those of them lost, and those lost that came later."""
    seen_server = AtDisk(server) if policy == "disk" else server
    writers = [TimedWriter(seen_server, manner, last[manner], chooser.random()) for manner in manners]
    reader = Reader(seen_server, manners)
    for thread in (*writers, reader):
        thread.start()
    time.sleep(chooser.uniform(0.01, load_seconds_max))
    reader.power_is_on = False
    cut_at = time.monotonic()
    disk.cut()
    time.sleep(chooser.uniform(0, 0.05))  # What the server makes of a dead disk belongs to the test.
    server.kill()
    for thread in (*writers, reader):
        thread.join()
    disk.power_on()
    server.start()

    connection = server.connect(timeout=60.0)
    # What brings a torn number into shape is the script's own, and must not be lost by the next cut.
    connection.command("CONFIG", "SET", "appendfsync", "always")
    acknowledged = lost = late = 0
    for writer in writers:
        name, begin = writer.manner.seq, last[writer.manner]
        require(writer.error is None or writer.error.startswith("MISCONF"), f"a write was refused: {writer.error}")
        n, seen = writer.manner.last(connection)
        least = promised(policy, writer, cut_at, begin)
        require(n >= least, f"{name}: {least} was promised, {n} is there; {writer.since(cut_at, n)}")
        require(seen <= writer.sent, f"{name}: {seen} is there, only {writer.sent} was sent")
        if policy in SAFE:
            read = reader.seen.get(name, 0)
            require(seen >= read, f"{name}: a reader saw {read}, {seen} is there")
        before = max(writer.acknowledged_before(cut_at), begin)
        acknowledged += before - begin
        lost += max(0, before - n)
        late += max(0, writer.acknowledged - max(before, n))
        last[writer.manner] = n
        finish(connection, writer.manner, n, seen)
    connection.command("CONFIG", "SET", "appendfsync", sync_policy(policy))
    return acknowledged, lost, late


def play_disk(options, policy, cuts, chooser):
    """Cuts on one disk; returns the sums of what play_cut() counts."""
    manners = [kind(f"{kind.__name__.lower()}{index}") for kind in (Appender, Transactor, MultiSetter)
               for index in range(CLIENTS_PER_MANNER)]
    last = dict.fromkeys(manners, 0)
    totals = (0, 0, 0)
    with Disk() as disk:
        server = Server(options.strata, "--dir", disk.path, "--save", "", "--appendonly", "yes", "--appendfsync",
                        sync_policy(policy), "--threads", options.threads)
        with server:
            try:
                for _ in range(cuts):
                    result = play_cut(server, disk, manners, last, chooser, policy, options.load_seconds_max)
                    totals = tuple(map(sum, zip(totals, result)))
            except (Broken, ConnectionLost, RuntimeError) as error:
                print(f"{policy}: {error}\n{server.log_tail(30)}")
                evidence = shutil.copytree(disk.path, tempfile.mkdtemp(prefix="strata-cut-"), dirs_exist_ok=True)
                print(f"the data is kept: {evidence}")
                return None
    return totals


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("strata")
    parser.add_argument("--cuts", type=int, default=6, help="in each fsync mode")
    parser.add_argument("--policy", action="append", choices=POLICIES)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--load-seconds-max", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    print(f"--seed {options.seed}", flush=True)
    chooser = random.Random(options.seed)
    for policy in options.policy or POLICIES:
        played, totals = 0, (0, 0, 0)
        while played < options.cuts:
            cuts = min(CUTS_PER_FOLDER, options.cuts - played)
            try:
                result = play_disk(options, policy, cuts, chooser)
            except Skip as error:
                print(f"skipped: {error}")
                return SKIPPED
            if result is None:
                return 1
            played, totals = played + cuts, tuple(map(sum, zip(totals, result)))
        acknowledged, lost, late = totals
        print(f"{policy}: {played} cuts, {acknowledged} numbers acknowledged before them, {lost} of these lost; "
              f"{late} acknowledged during a cut and lost", flush=True)
        if acknowledged == 0:
            print("nothing was acknowledged: nothing was tested")
            return 1
        if policy == "no" and lost == 0:
            print("appendfsync no lost nothing: the power was not cut")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
