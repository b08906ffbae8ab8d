#!/usr/bin/python3
"""The n-th malloc of a real server fails: an error, a refused start or a stop that says so; never damage to its files.

    no_memory.py STRATA_SERVER [--threads N] [--only CASE] [--keep]
"""

import json
import mmap
import os
import struct
import subprocess
import sys
from pathlib import Path

from cases import ConnectionLost, Server, Skip, data_files, info, run_cases, shut_down, wait_until
from dataset import contents, fill, pipeline, require_same

SHIM = Path(__file__).resolve().parents[1] / "support" / "faulty_memory.c"
CONTROL_BYTES = 32
OUT_OF_MEMORY = 70  # the exit code of a stop for want of memory
# How many of the first allocations are tried each, and by how much later ones are further apart.
EACH, STRIDE = int(os.environ.get("STRATA_MEMORY_EACH", 12)), float(os.environ.get("STRATA_MEMORY_STRIDE", 1.8))
NO_LOG = ("--appendonly", "no", "--save", "")


class FaultyMemory:
    """The preloaded library and the numbers that it obeys."""

    def __init__(self, case):
        folder = case.path("shim")
        self.library, self.control = folder / "faulty_memory.so", folder / "control"
        built = subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", self.library, SHIM], capture_output=True, text=True)
        if built.returncode != 0:
            raise Skip(f"the shim cannot be built here: {built.stderr.strip()}")
        self.control.write_bytes(bytes(CONTROL_BYTES))
        with open(self.control, "r+b") as file:
            self.bytes = mmap.mmap(file.fileno(), CONTROL_BYTES)

    def fail(self, nth, thread=""):
        self.bytes[8:CONTROL_BYTES] = thread.encode().ljust(24, b"\0")
        self.bytes[:8] = struct.pack("=2I", nth, 0)

    def was_hit(self):
        return struct.unpack("=2I", self.bytes[:8])[1] > 0

    def environment(self):
        return {**os.environ, "FAULTY_MEMORY": str(self.control), "LD_PRELOAD": str(self.library)}

    def server(self, case, folder, *options):
        starter = folder / "start.sh"
        starter.write_text(f'#!/bin/sh\nFAULTY_MEMORY="{self.control}" LD_PRELOAD="{self.library}" '
                           f'exec "{Path(case.strata).absolute()}" "$@"\n')
        starter.chmod(0o755)
        return Server(starter, "--threads", case.threads, "--enable-debug-command", "yes", *options, folder=folder)


def numbers():
    """1, 2, 3, …, then further and further apart; without end."""
    n = 1
    while True:
        yield n
        n = n + 1 if n < EACH else int(n * STRIDE)


def has_ended(server):
    """None while it runs; else its exit code, which must be one that says why."""
    code = server.process.poll()
    assert code in (None, OUT_OF_MEMORY), f"ended with {code}:\n{server.log_tail()}"
    return code


def check(case, *words):
    tool = Path(case.strata).resolve().parent / "strata-check"
    done = subprocess.run([tool, *map(str, words)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def in_the_background(case, command, field, options):
    """The thread that writes finds no memory: the server goes on, or ends and says so; its files are whole."""
    memory, folder = FaultyMemory(case), case.path("background")
    server = memory.server(case, folder, *options)
    hits = 0
    with server:
        fill(server.connect())
        expected = contents(server.connect())
        for n in numbers():
            memory.fail(n, "strata-snapshot")
            control = server.connect()
            try:
                before = info(control, "persistence")
                pipeline(control, [(command,)])
                wait_until(lambda: info(control, "persistence")["rdb_bgsave_in_progress"] == "0"
                           and info(control, "persistence")["aof_rewrite_in_progress"] == "0"
                           and info(control, "persistence")["aof_rewrite_scheduled"] == "0", "the end")
                status = info(control, "persistence")[field]
            except (ConnectionLost, OSError):
                wait_until(lambda: has_ended(server) is not None, "the end of the process")
                status = "ended"
            was_hit = memory.was_hit()
            memory.fail(0)
            if status == "ended":
                assert was_hit
                server.start()
            require_same(contents(server.connect()), expected, f"{command}, allocation {n}")
            if not was_hit:
                assert status == "ok", before
                break
            hits += 1
        assert hits >= 5, f"{hits} allocations failed"
        left = [name for name in data_files(folder) if "temp" in name]
        assert not left, left
        shut_down(server)
    return folder


def snapshots(case):
    folder = in_the_background(case, "BGSAVE", "rdb_last_bgsave_status", NO_LOG)
    assert json.loads(check(case, "rdb", folder / "dump.rdb", "--json"))["facts"]["checksum"] == "verified"


def rewrites(case):
    folder = in_the_background(case, "BGREWRITEAOF", "aof_last_bgrewrite_status", ("--appendonly", "yes", "--save", ""))
    check(case, "aof", folder)


def starts(case):
    """A start finds no memory: it is refused, or succeeds; the files stay as they are."""
    memory = FaultyMemory(case)
    for name, options in (("dump", NO_LOG), ("log", ("--appendonly", "yes", "--save", ""))):
        folder = case.path(name)
        with case.ours(folder, *options) as server:
            fill(server.connect())
            if name == "dump":
                pipeline(server.connect(), [("SAVE",)])
            server.kill()
        before = data_files(folder)
        words = [case.strata, "--dir", folder, "--threads", str(case.threads), *options, "--check"]
        refused = 0
        for n in numbers():
            memory.fail(n)
            done = subprocess.run(words, capture_output=True, text=True, timeout=60, env=memory.environment())
            was_hit = memory.was_hit()
            memory.fail(0)
            assert done.returncode in (0, 1, OUT_OF_MEMORY), f"allocation {n}: {done.returncode}\n{done.stdout}{done.stderr}"
            assert data_files(folder) == before, f"allocation {n} changed a file"
            refused += done.returncode != 0
            if not was_hit:
                assert done.returncode == 0, done.stdout
                break
        assert refused >= 5, f"{refused} starts were refused"


if __name__ == "__main__":
    sys.exit(run_cases((snapshots, rewrites, starts), __doc__))
