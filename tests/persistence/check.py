#!/usr/bin/python3
"""strata-check on files of real servers: what it repairs, restores and backs up, both servers start from.

    check.py STRATA_SERVER [--threads N] [--only CASE] [--keep]
"""

import json
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

from cases import data_files, info, require_refusal, run_cases, shut_down, wait_until
from dataset import contents, fill, pipeline, require_same

LOG = ("--appendonly", "yes", "--save", "")


def check(case, *words, code=0, memory_bytes=None):
    tool = Path(case.strata).resolve().parent / "strata-check"
    limit = memory_bytes and (lambda: resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes)))
    done = subprocess.run([tool, *map(str, words)], capture_output=True, text=True, timeout=60, preexec_fn=limit)
    assert done.returncode == code, f"strata-check {words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def dumps(case):
    """Intact dumps of both servers, and a flipped bit."""
    for name, make in (("ours", case.ours), ("redis", case.redis)):
        folder = case.path(name)
        with make(folder) as server:
            fill(server.connect())
            keys = len(contents(server.connect()))
            pipeline(server.connect(), [("SAVE",)])
        found = json.loads(check(case, "rdb", folder / "dump.rdb", "--json"))
        assert found["facts"]["keys"] >= keys and found["facts"]["checksum"] == "verified", found
        held = json.loads(check(case, "dump", folder / "dump.rdb", "--json", "--biggest", 3))
        assert held["keys"] == found["facts"]["keys"] and len(held["biggest"]) == 3, held
        assert held["types"]["list"]["keys"] == found["facts"]["lists"], held
        assert held["types"]["zset"]["keys"] == found["facts"]["sorted_sets"], held
        assert f"{held['keys']} keys" in check(case, "dump", folder / "dump.rdb")
        flip(folder / "dump.rdb", -5)  # in the checksum
        found = json.loads(check(case, "rdb", folder / "dump.rdb", "--json", code=1))
        assert len(found["findings"]) == 1, found
        check(case, "rdb", folder / "dump.rdb", "--fix", code=3)
        check(case, "rdb", folder / "dump.rdb")
        for start in (case.ours, case.redis):
            with start(folder, "--appendonly", "no") as server:
                assert len(contents(server.connect())) == keys, f"{name} on {start.__name__}"


def repaired_log(case):
    """One lost batch; Strata refuses, the repaired log starts on both servers with everything else."""
    folder = case.path("log")
    with case.ours(folder, *LOG) as server:
        connection = server.connect()
        for n in range(20):
            pipeline(connection, [("SET", f"key{n}", "value")])
        shut_down(server)
    check(case, "aof", folder)
    assert "20 keys in 1 databases" in check(case, "dump", folder)
    flip(folder / "appendonlydir" / "appendonly.aof.manifest", 30)
    assert "DAMAGE" in check(case, "aof", folder, code=1)
    check(case, "aof", folder, "--fix", code=3)
    increment = next((folder / "appendonlydir").glob("*.incr.aof"))
    flip(increment, increment.read_bytes().index(b"key7"))
    assert "DAMAGE" in check(case, "aof", folder, code=1)
    check(case, "aof", folder, "--fix", code=3)
    check(case, "aof", folder)
    for make in (case.ours, case.redis):
        with make(folder, *LOG) as server:
            connection = server.connect()
            found = {n for n in range(20) if connection.command("GET", f"key{n}").value == b"value"}
            assert found == set(range(20)) - {7}, found


def restored_and_backed_up(case):
    """A backup of a running server; its own log restored at the position where the backup ended."""
    folder = case.path("log")
    with case.ours(folder, *LOG) as server:
        connection = server.connect()
        fill(connection)
        expected = contents(connection)
        check(case, "backup", "--from", folder, "--to", case.folder / "copy")
        end = json.loads(check(case, "aof", case.folder / "copy", "--json"))["facts"]["end_position"]
        pipeline(connection, [("FLUSHALL",), ("SET", "later", 1)])
    # This log names no times: a second must not bring back everything as if it were the answer.
    check(case, "restore", "--at", 1, "--from", folder, "--to", case.folder / "never", code=2)
    assert not (case.folder / "never").exists()
    check(case, "restore", "--at", f"@{end}", "--from", folder, "--to", case.folder / "then")
    for name in ("copy", "then"):
        for make in (case.ours, case.redis):
            with make(case.folder / name, *LOG) as server:
                require_same(contents(server.connect()), expected, f"{name} on {make.__name__}")


def large_increment(case):
    """Checked and restored in much less memory than it has bytes; what needs it whole, because it is damaged, says so."""
    tool = (Path(case.strata).resolve().parent / "strata-check").read_bytes()
    if b"AddressSanitizer" in tool or b"ThreadSanitizer" in tool:
        print("skipped: a sanitizer's shadow memory alone is beyond the limit")
        return
    folder, memory_bytes = case.path("log"), 64 << 20
    with case.ours(folder, *LOG, "--auto-aof-rewrite-percentage", "0") as server:
        connection = server.connect()
        for first in range(0, 120_000, 10_000):
            pipeline(connection, [("SET", f"key:{n}", "v" * 1000) for n in range(first, first + 10_000)])
        shut_down(server)
    increment = next((folder / "appendonlydir").glob("*.incr.aof"))
    assert increment.stat().st_size > memory_bytes + (32 << 20)
    facts = json.loads(check(case, "aof", folder, "--json", memory_bytes=memory_bytes))["facts"]
    assert facts["records"] == 120_000, facts
    middle = facts["end_position"] // 2
    check(case, "restore", "--at", f"@{middle}", "--from", folder, "--to", case.folder / "then", memory_bytes=memory_bytes)
    facts = json.loads(check(case, "aof", case.folder / "then", "--json", memory_bytes=memory_bytes))["facts"]
    assert middle - 2000 < facts["end_position"] <= middle, facts
    flip(increment, 100_000)
    before = data_files(folder)
    for words in (("aof", folder), ("aof", folder, "--fix")):
        assert "memory" in check(case, *words, code=2, memory_bytes=memory_bytes)
    assert data_files(folder) == before
    check(case, "aof", folder, code=1)


def timestamps_of_redis(case):
    """A log of redis-server with aof-timestamp-enabled, restored at a second."""
    restored_at_a_second(case, case.redis)


def timestamps_of_ours(case):
    """The same of our own; redis-check-aof cuts it at that second too, and both agree."""
    second = restored_at_a_second(case, case.ours)
    copy = case.copy("cut", case.folder / "log")
    subprocess.run(["redis-check-aof", "--truncate-to-timestamp", str(second), copy / "appendonlydir/appendonly.aof.manifest"],
                   check=True, capture_output=True, timeout=60)
    for make in (case.redis, case.ours):
        with make(copy, *LOG) as server:
            assert server.connect().command("GET", "a").value == b"1", make.__name__


def restored_at_a_second(case, make):
    folder = case.path("log")
    with make(folder, *LOG, "--aof-timestamp-enabled", "yes") as server:
        connection = server.connect()
        pipeline(connection, [("SET", "a", 1)])
        second = int(connection.command("TIME").value[0].value)
        while int(connection.command("TIME").value[0].value) <= second + 1:
            pass
        pipeline(connection, [("SET", "a", 2)])
        shut_down(server)
    check(case, "restore", "--at", second, "--from", folder, "--to", case.folder / "then")
    with case.ours(case.folder / "then", *LOG) as server:
        assert server.connect().command("GET", "a").value == b"1"
    return second


def history(case):
    """log-retention: write, rewrite, write, rewrite; each point comes back, and redis-server starts in between."""
    folder = case.path("log")
    points = []
    with case.ours(folder, *LOG, "--log-retention", 3600) as server:
        connection = server.connect()
        info = lambda: connection.command("INFO", "persistence").value.decode()

        def note():
            connection.command("WAITAOF", 1, 0, 0)
            second, position = (int(connection.command("TIME").value[0].value), int(re.search(r"aof_position:(\d+)", info())[1]))
            points.append((position, second, connection.command("DEBUG", "DIGEST").value))
            while int(connection.command("TIME").value[0].value) <= second:
                time.sleep(0.05)

        note()
        fill(connection)
        note()
        for n in range(2):
            assert connection.command("BGREWRITEAOF").kind != "-"
            wait_until(lambda: f"aof_rewrites:{n + 1}" in info(), "a rewrite")
            note()
            pipeline(connection, [("SET", "round", n), ("RPUSH", "rounds", n), ("DEL", f"string:{n}")])
            note()
        assert int(re.search(r"aof_history_size:(\d+)", info())[1]) > 1000, info()
        shut_down(server)
    assert len(list((folder / "appendonlydir").glob("*.base.rdb"))) == 2
    for n, (position, second, digest) in enumerate(points):
        for name, at in ((f"position{n}", f"@{position}"), (f"second{n}", second)):
            check(case, "restore", "--at", at, "--from", folder, "--to", case.folder / name)
            with case.ours(case.folder / name, *LOG) as server:
                assert server.connect().command("DEBUG", "DIGEST").value == digest, name
    check(case, "restore", "--at", points[0][1] - 10, "--from", folder, "--to", case.folder / "early")
    with case.redis(folder, *LOG) as server:
        assert server.connect().command("DEBUG", "DIGEST").value == points[-1][2]
    with case.ours(folder, *LOG, "--log-retention", "off") as server:
        connection = server.connect()
        assert connection.command("DEBUG", "DIGEST").value == points[-1][2]
        assert connection.command("CONFIG", "SET", "log-retention", "soon").kind == "-"
        assert connection.command("CONFIG", "SET", "log-retention", 7).kind == "+"
        assert connection.command("CONFIG", "GET", "log-retention").value[1].value == b"7"
    assert len(list((folder / "appendonlydir").glob("*.base.rdb"))) == 1


def served_by_nobody(case):
    """strata-server --check: the exit code of a start, without one; no file changes."""
    folder = case.path("checked")
    with case.ours(folder, *LOG) as server:
        fill(server.connect())
        server.kill()
    increment = next((folder / "appendonlydir").glob("*.incr.aof"))
    whole = increment.read_bytes()
    words = [case.strata, "--dir", folder, "--threads", str(case.threads), *LOG, "--check"]

    def run(code, *texts):
        before = data_files(folder)
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        assert done.returncode == code and all(text in done.stdout for text in texts), f"{done.returncode}: {done.stdout}"
        assert data_files(folder) == before, "a check changed a file"

    run(0, "The data is good")
    increment.write_bytes(whole + b"*3\r\n$3\r\nSET")
    run(0, "a start would cut", increment.name, f"offset {len(whole)}")
    increment.write_bytes(b"#SO:99" + whole[6:])
    run(1, "cannot be loaded", increment.name)
    for name in data_files(folder):
        (folder / name).unlink()
    (folder / "dump.rdb").write_bytes(b"REDIS0010\xfe\x00\x00\x01a")
    run(1, "cannot be loaded", "dump.rdb")


def wrong_usage(case):
    for words in ((), ("rdb",), ("rdb", case.folder / "nothing"), ("aof", case.path("empty")),
                  ("restore", "--at", "x", "--from", "a", "--to", "b")):
        check(case, *words, code=2)
    assert "Exit status" in check(case, "--help")


def lost_right_behind_the_base(case):
    """The manifest and the increment behind the base are lost: no manifest is made of the rest, and one made by hand is refused."""
    folder = case.path("lost")
    with case.ours(folder, *LOG) as server:
        pipeline(server.connect(), [("SET", "in", "base")])
        pipeline(server.connect(), [("BGREWRITEAOF",)])
        wait_until(lambda: list((folder / "appendonlydir").glob("*.base.rdb")), "a base")
        wait_until(lambda: info(server.connect())["aof_rewrite_in_progress"] == "0", "the end of the rewrite")
        pipeline(server.connect(), [("SET", "lost", 1)])
        server.kill()
        server.start()
        pipeline(server.connect(), [("SET", "later", 1)])
        shut_down(server)
    log = folder / "appendonlydir"
    base, = log.glob("*.base.rdb")
    first, second = sorted(log.glob("*.incr.aof"), key=lambda path: int(path.name.split(".")[2]))
    manifest = log / "appendonly.aof.manifest"
    line = "file {0.name} seq {1} type {2}\n"
    whole = line.format(base, 1, "b") + "".join(line.format(path, path.name.split(".")[2], "i") for path in (first, second))
    manifest.write_text(whole)
    with case.ours(case.copy("whole", folder), *LOG) as server:
        assert server.connect().command("MGET", "in", "lost", "later").value[1].value == b"1"
    first.unlink()
    manifest.write_text(line.format(base, 1, "b") + line.format(second, second.name.split(".")[2], "i"))
    require_refusal(case.ours(folder, *LOG), "does not begin where the one before it ends")
    found = json.loads(check(case, "aof", folder, "--json", code=1))["findings"]
    assert [one["what"] for one in found] == ["the file does not begin where the one before it ends"], found
    check(case, "restore", "--at", f"@{1 << 40}", "--from", folder, "--to", case.folder / "then", code=1)
    assert not (case.folder / "then").exists()
    manifest.unlink()
    found = check(case, "aof", folder, "--fix", code=1)
    assert not manifest.exists(), found


CASES = (dumps, repaired_log, lost_right_behind_the_base, history, restored_and_backed_up, large_increment,
         served_by_nobody, timestamps_of_redis, timestamps_of_ours, wrong_usage)

if __name__ == "__main__":
    sys.exit(run_cases(CASES, __doc__))
