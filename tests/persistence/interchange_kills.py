#!/usr/bin/python3
"""A real redis-server starts from what a killed Strata leaves, and Strata from what that redis-server appends.

    interchange_kills.py STRATA_SERVER [--threads N] [--rounds 10] [--seed S] [--keep]

In each round clients write to a Strata with appendfsync always until it is killed: at a random moment, or, with
tests/support/kill_in_write.c preloaded, between two pages of one write, where alone the kernel would stop it. Then

    accepted    redis-check-aof finds the log valid as it is, or with a last command that is not whole: the part of a record
                larger than a page, or of one in a log that is not prefilled, as a redis-server that is killed leaves it too
    equal       redis-server and Strata, each from a copy, hold the same keys
    durable     among them all that was acknowledged
    and back    what redis-server appends to its copy, Strata finds there

No transaction is larger than a page: one of which a kill leaves a part makes redis-server 7.0.15 cut the log behind
MULTI instead of before it, and lose what it appends there itself.

Some rounds have values larger than a page, which end the prefilling for a while, rewrites, or appendfsync everysec.
"""

import argparse
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from cases import SKIPPED, Case, ConnectionLost, info, shut_down, wait_until
from dataset import contents, pipeline, require_same
from resp import encode
from servers import REDIS_SERVER, Server

SHIM = Path(__file__).resolve().parents[1] / "support" / "kill_in_write.c"
REDIS_CHECK_AOF = "/usr/bin/redis-check-aof"
WRITERS = 4
PIPELINE_MAX = 200
LARGE_BYTES = 20_000
WRITES_BEFORE_KILL_MAX = 30
SECONDS_BEFORE_KILL_MAX = 0.2


class Writer(threading.Thread):
    """Sends pipelines of rising numbers until the connection breaks; every third number is a transaction."""

    def __init__(self, server, number, seed, writes_large):
        super().__init__()
        self.server, self.prefix, self.acknowledged = server, f"w{number}:", 0
        self.random, self.writes_large = random.Random(seed), writes_large

    def commands(self, n):
        key = f"{self.prefix}{n % 500}".encode()
        is_large = self.writes_large and self.random.randrange(400) == 0 and n % 3 != 0
        size = LARGE_BYTES if is_large else self.random.randrange(300)
        one = [(b"SET", key, b"%d " % n + b"v" * size), (b"SET", self.prefix.encode(), b"%d" % n)]
        return [(b"MULTI",), *one, (b"EXEC",)] if n % 3 == 0 else one

    def run(self):
        try:
            connection, n = self.server.connect(), 0
            while True:
                batch = [self.commands(n + i + 1) for i in range(self.random.randrange(1, PIPELINE_MAX))]
                connection.send(b"".join(encode(command) for commands in batch for command in commands))
                for commands in batch:
                    for _ in commands:
                        assert connection.read().kind != "-"
                    n += 1
                    self.acknowledged = n
        except (ConnectionLost, OSError):
            pass


class Killer:
    """The preloaded library and its two numbers."""

    def __init__(self, folder):
        self.library, self.control = folder / "kill_in_write.so", folder / "control"
        self.works = subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", self.library, SHIM, "-ldl"],
                                    capture_output=True).returncode == 0
        self.control.write_bytes(bytes(8))

    def server(self, case, folder, *options):
        starter = folder / "start.sh"
        starter.write_text(f'#!/bin/sh\nKILL_IN_WRITE="{self.control}" LD_PRELOAD="{self.library}" '
                           f'exec "{Path(case.strata).absolute()}" "$@"\n')
        starter.chmod(0o755)
        return Server(starter, *options, folder=folder)

    def arm(self, countdown, boundaries):
        with open(self.control, "r+b") as file:
            file.write(struct.pack("=II", countdown, boundaries))


def run_until_killed(case, folder, killer, chooser):
    """Returns the writers, and how the server was killed."""
    kind = chooser.choice(("small", "small", "large", "rewrite", "everysec"))
    policy = "everysec" if kind == "everysec" else "always"
    options = ("--threads", case.threads, "--appendonly", "yes", "--appendfsync", policy, "--save", "")
    killer.arm(0, 0)
    with killer.server(case, folder, *options) as server:
        writers = [Writer(server, number, chooser.random(), kind == "large") for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        control = server.connect()
        wait_until(lambda: all(writer.acknowledged > 0 for writer in writers), "writers that get on")
        if kind == "small":
            wait_until(lambda: int(info(control)["aof_prefilled_bytes"]) > 0, "the log to be prefilled")
        elif kind == "rewrite":
            control.command("BGREWRITEAOF")
        amid_write = killer.works and chooser.randrange(3) > 0
        if amid_write:
            killer.arm(chooser.randrange(1, WRITES_BEFORE_KILL_MAX), chooser.randrange(40))
        else:
            try:
                server.process.wait(chooser.uniform(0, SECONDS_BEFORE_KILL_MAX))
            except subprocess.TimeoutExpired:
                server.kill()
        server.process.wait(60)
        for writer in writers:
            writer.join(60)
        return writers, kind, f"{kind}, {'amid a write' if amid_write else 'at a random moment'}"


def require_acknowledged(connection, writers, what):
    for writer in writers:
        value = connection.command("GET", writer.prefix).value
        there = int(value) if value else 0
        assert there >= writer.acknowledged, f"{what}: {writer.prefix}{there} of {writer.acknowledged} acknowledged"


def is_part_of_command(tail):
    """Whether `tail` is the beginning of one command, and nothing besides."""
    lines_left, position = None, 0
    while lines_left != 0:
        end = tail.find(b"\r\n", position)
        if end < 0:
            return re.fullmatch(rb"([*$][0-9]*\r?)?", tail[position:]) is not None
        number = int(tail[position + 1:end])
        position = end + 2
        if lines_left is None:
            lines_left = number
            continue
        if len(tail) < position + number + 2:
            return True
        position += number + 2
        lines_left -= 1
    return False


def require_accepted(manifest, may_be_cut, how):
    check = subprocess.run([REDIS_CHECK_AOF, manifest], capture_output=True, text=True)
    if check.returncode == 0:
        assert "All AOF files and manifest are valid" in check.stdout, f"{how}: {check.stdout}"
        return
    cut = re.search(r"filename=(\S+), size=\d+, ok_up_to=(\d+), .*\nAOF \1 is not valid", check.stdout)
    assert may_be_cut and cut, f"{how}: {check.stdout}"
    tail = (manifest.parent / cut[1]).read_bytes()[int(cut[2]):]
    assert is_part_of_command(tail), f"{how}: {tail[:200]}\n{check.stdout}"


def keys_of_strata(case, folder):
    with case.ours(folder, "--appendonly", "yes") as server:
        return contents(server.connect())


def one_round(case, number, killer, chooser):
    folder = case.path(f"round {number}")
    writers, kind, how = run_until_killed(case, folder, killer, chooser)
    require_accepted(folder / "appendonlydir" / "appendonly.aof.manifest", kind != "small", how)
    expected = keys_of_strata(case, case.copy(f"strata {number}", folder))
    copy = case.copy(f"redis {number}", folder)
    with case.redis(copy, "--appendonly", "yes") as redis:
        connection = redis.connect()
        require_acknowledged(connection, writers, how)
        require_same(contents(connection), expected, f"{how}: redis-server")
        pipeline(connection, [("SET", "by:redis", number), ("MULTI",), ("INCR", "by:redis"), ("INCR", "by:redis:too"), ("EXEC",)])
        expected = contents(connection)
        shut_down(redis, "NOSAVE")
    require_same(keys_of_strata(case, copy), expected, f"{how}: Strata after redis-server")
    print(f"round {number}: {how}: {sum(writer.acknowledged for writer in writers)} acknowledged", flush=True)
    for name in (f"round {number}", f"strata {number}", f"redis {number}"):
        shutil.rmtree(case.folder / name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("strata")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--keep", action="store_true", help="keep the folders of a round that failed")
    options = parser.parse_args()
    if not Path(REDIS_SERVER).exists() or not Path(REDIS_CHECK_AOF).exists():
        print("redis-server or redis-check-aof is not installed")
        return SKIPPED
    print(f"seed {options.seed}", flush=True)
    chooser = random.Random(options.seed)
    folder = Path(tempfile.mkdtemp(prefix="strata-interchange-kills-"))
    case = Case(options.strata, options.threads, folder)
    killer = Killer(case.path("shim"))
    done = False
    try:
        for number in range(options.rounds):
            one_round(case, number, killer, chooser)
        done = True
    finally:
        if done or not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
