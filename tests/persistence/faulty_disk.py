"""A server whose disk is slow, hangs or fails, for the log's files or others: tests/support/faulty_disk.c preloaded, and the numbers it obeys."""

import mmap
import struct
import subprocess
from pathlib import Path

from cases import Skip
from servers import Server

SHIM = Path(__file__).resolve().parents[1] / "support" / "faulty_disk.c"
WRITE_US, WRITE_ERRNO, SYNC_US, SYNC_ERRNO, HITS = range(5)
HANGS = 0xFFFFFFFF  # As a delay: until it is changed.


class FaultyDisk:
    """The preloaded library and the numbers that it obeys."""

    def __init__(self, case, files="appendonlydir/"):
        self.files = files  # what the path of a file must hold
        folder = case.path("shim")
        self.library, self.control = folder / "faulty_disk.so", folder / "control"
        built = subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", self.library, SHIM, "-ldl"], capture_output=True, text=True)
        if built.returncode != 0:
            raise Skip(f"the shim cannot be built here: {built.stderr.strip()}")
        self.control.write_bytes(bytes(20))
        with open(self.control, "r+b") as file:
            self.numbers = mmap.mmap(file.fileno(), 20)

    def set(self, field, value):
        self.numbers[4 * field : 4 * field + 4] = struct.pack("=I", value)

    def hits(self):
        return struct.unpack("=5I", self.numbers)[HITS]

    def server(self, case, name, *options):
        folder = case.path(name)
        starter = folder / "start.sh"
        starter.write_text(f'#!/bin/sh\nFAULTY_DISK="{self.control}" FAULTY_DISK_FILES="{self.files}" LD_PRELOAD="{self.library}" exec "{Path(case.strata).absolute()}" "$@"\n')
        starter.chmod(0o755)
        return Server(starter, "--threads", case.threads, "--io", "epoll", "--appendonly", "yes", "--save", "", *options,
                      folder=folder)
