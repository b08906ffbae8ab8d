#!/usr/bin/python3
"""Deadlines of hash fields through SAVE, BGREWRITEAOF, kill -9 and DUMP: field_deadlines.py STRATA_SERVER [--threads N].

Redis 7.4's file version is written only while there are such fields, and the log says so.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from servers import Server  # noqa: E402

FAR_MS = 4_000_000_000_000
LARGE = 3000
WAIT_SECONDS_MAX = 60


def check(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: {got!r} instead of {wanted!r}")


def fill(connection):
    connection.command("HSET", "small", "a", 1, "b", 2, "plain", 3)
    connection.command("HPEXPIREAT", "small", FAR_MS, "FIELDS", 1, "a")
    connection.command("HPEXPIREAT", "small", FAR_MS + 7, "FIELDS", 1, "b")
    connection.command("HSET", "large", *[word for i in range(LARGE) for word in (f"f{i}", i)])
    for i in range(0, LARGE, 2):
        connection.command("HPEXPIREAT", "large", FAR_MS + i, "FIELDS", 1, f"f{i}")
    connection.command("HSET", "gone", "a", 1, "b", 2)


def check_fields(connection, small="small"):
    reply = connection.command("HPEXPIRETIME", small, "FIELDS", 4, "a", "b", "plain", "none")
    check([int(item.value) for item in reply.value], [FAR_MS, FAR_MS + 7, -1, -2], small)
    names = [f"f{i}" for i in range(LARGE)]
    reply = connection.command("HPEXPIRETIME", "large", "FIELDS", LARGE, *names)
    check([int(item.value) for item in reply.value], [FAR_MS + i if i % 2 == 0 else -1 for i in range(LARGE)], "large")
    check(connection.command("HGET", "large", "f7").value, b"7", "large f7")


def rdb_version(path):
    return path.read_bytes()[5:9].decode()


def wait_for(connection, section, line):
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while line not in connection.command("INFO", section).value.decode():
        if time.monotonic() > deadline:
            raise AssertionError(f"{line} does not come")
        time.sleep(0.02)


def through_rdb(binary, threads):
    with tempfile.TemporaryDirectory() as folder:
        options = ["--threads", threads, "--appendonly", "no", "--save", "", "--enable-debug-command", "yes"]
        with Server(binary, *options, folder=folder) as server:
            connection = server.connect()
            connection.command("SET", "k", "v")
            check(connection.command("SAVE").value, b"OK", "SAVE")
            check(rdb_version(Path(folder) / "dump.rdb"), "0010", "version without deadlines")
            fill(connection)
            digest = connection.command("DEBUG", "DIGEST").value
            check(connection.command("SAVE").value, b"OK", "SAVE")
            check(rdb_version(Path(folder) / "dump.rdb"), "0012", "version with deadlines")
            if "RDB version 12" not in server.log_path.read_text():
                raise AssertionError("the log does not tell of the version")
            dump = connection.command("DUMP", "small").value
            check(connection.command("RESTORE", "restored", 0, dump).value, b"OK", "RESTORE")
            check_fields(connection, "restored")
            connection.command("DEL", "restored")
            server.kill()
            server.start()
            connection = server.connect()
            check_fields(connection)
            check(connection.command("DEBUG", "DIGEST").value, digest, "digest after loading")
            connection.command("DEL", "small", "large")
            check(connection.command("SAVE").value, b"OK", "SAVE")
            check(rdb_version(Path(folder) / "dump.rdb"), "0010", "version when they are gone")


def through_aof(binary, threads):
    with tempfile.TemporaryDirectory() as folder:
        options = ["--threads", threads, "--appendonly", "yes", "--appendfsync", "always", "--save", "",
                   "--enable-debug-command", "yes"]
        with Server(binary, *options, folder=folder) as server:
            connection = server.connect()
            fill(connection)
            connection.command("HPEXPIRE", "gone", 200, "FIELDS", 2, "a", "b")
            connection.command("HINCRBYFLOAT", "small", "a", "0.5")
            digest = connection.command("DEBUG", "DIGEST").value
            server.kill()
            server.start()
            connection = server.connect()
            check_fields(connection)
            check(connection.command("HGET", "small", "a").value, b"1.5", "small a")
            check(connection.command("BGREWRITEAOF").kind, "+", "BGREWRITEAOF")
            wait_for(connection, "persistence", "aof_rewrite_in_progress:0")
            wait_for(connection, "stats", "expired_subkeys:2")
            check(int(connection.command("EXISTS", "gone").value), 0, "gone")
            bases = list(Path(folder).glob("appendonlydir/*.base.rdb"))
            check([rdb_version(base) for base in bases], ["0012"], "version of the base")
            digest = connection.command("DEBUG", "DIGEST").value
            server.kill()
            server.start()
            connection = server.connect()
            check_fields(connection)
            check(connection.command("DEBUG", "DIGEST").value, digest, "digest after the rewrite")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("strata")
    parser.add_argument("--threads", type=int, default=4)
    options = parser.parse_args()
    through_rdb(options.strata, options.threads)
    through_aof(options.strata, options.threads)
    print("deadlines of fields survive")
    return 0


if __name__ == "__main__":
    sys.exit(main())
