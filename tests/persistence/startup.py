#!/usr/bin/python3
"""How a server comes up, saves, and goes: defaults with and without a configuration file, save points, SHUTDOWN, signals,
loading seen from outside, DEBUG RELOAD and LOADAOF.

    startup.py STRATA_SERVER [--threads N] [--only CASE] [--keep]
"""

import signal
import subprocess
import sys
import time

from cases import WAIT_SECONDS_MAX, Reply, exit_code, info, run_cases, shut_down, wait_until
from dataset import change, contents, fill, pipeline, require_same, small_limits

REDIS_CLI = "/usr/bin/redis-cli"
LOG = ("--appendonly", "yes")
NO_LOG = ("--appendonly", "no")
# Enough that loading lasts long enough to be seen, on a fast machine too.
MANY_KEYS = 2_000_000
# What a real Redis would have appended.
RECORD = b"*3\r\n$5\r\nRPUSH\r\n$4\r\nlist\r\n$1\r\na\r\n"
RECORDS_PER_ROUND = 100_000
RECORD_ROUNDS = 60
# Without keys and without a checksum.
EMPTY_RDB = b"REDIS0009\xff" + bytes(8)
LOADING = Reply("-", b"LOADING Redis is loading the dataset in memory")


def config(connection, name):
    return connection.command("CONFIG", "GET", name).value[1].value.decode()


def log_directory(server):
    return server.folder / "appendonlydir"


# --- Defaults -----------------------------------------------------------------------------------------------------


def without_file(case):
    """Data is kept by default: a log, synced every second; a dump that is there becomes its base."""
    folder = case.path("empty")
    with case.ours(folder) as server:
        connection = server.connect()
        assert (config(connection, "appendonly"), config(connection, "appendfsync")) == ("yes", "everysec")
        fill(connection)
        expected = contents(connection)
        server.kill()
        server.start()
        require_same(contents(server.connect()), expected, "after kill -9 without a configuration file")

    folder = case.path("dump")
    with case.redis(folder) as server:
        fill(server.connect())
        expected = contents(server.connect())
        shut_down(server, "SAVE")
    dump = (folder / "dump.rdb").read_bytes()
    with case.ours(folder) as server:
        assert (log_directory(server) / "appendonly.aof.1.base.rdb").read_bytes() == dump, "the dump is not the base"
        connection = server.connect()
        require_same(contents(connection), expected, "from a dump")
        change(connection)
        expected = contents(connection)
        server.kill()
    # From now on the log counts, not the dump.
    (folder / "dump.rdb").unlink()
    with case.ours(folder) as server:
        require_same(contents(server.connect()), expected, "from the log that a dump began")
    with case.redis(folder, *LOG) as server:
        require_same(contents(server.connect()), expected, "redis-server, from the log that a dump began")


def adopted_dump_stays(case):
    """Saving afterwards replaces the dump and leaves the base, which was the same file, as it was."""
    folder = case.path("dump")
    with case.redis(folder) as server:
        pipeline(server.connect(), [("SET", "a", 1)])
        shut_down(server, "SAVE")
    dump = (folder / "dump.rdb").read_bytes()
    with case.ours(folder, *LOG) as server:
        pipeline(server.connect(), [("SET", "a", 2), ("SAVE",)])
        assert (log_directory(server) / "appendonly.aof.1.base.rdb").read_bytes() == dump
        assert (folder / "dump.rdb").read_bytes() != dump


def with_file(case):
    """Redis's defaults: no log, its save points."""
    folder = case.path("conf")
    with case.ours_with_file(folder, "# nothing\n") as server:
        connection = server.connect()
        assert config(connection, "appendonly") == "no"
        assert config(connection, "save") == "3600 1 300 100 60 10000"
        assert not log_directory(server).exists()
        fill(connection)
        expected = contents(connection)
        assert server.stop() == 0, "SIGTERM with save points"
        assert (folder / "dump.rdb").exists(), "SIGTERM did not save"
        server.start()
        require_same(contents(server.connect()), expected, "after SIGTERM and a new start")
    with case.ours_with_file(folder, "appendonly yes\nsave ''\nappendfsync no\n") as server:
        connection = server.connect()
        assert [config(connection, name) for name in ("appendonly", "appendfsync", "save")] == ["yes", "no", ""]
        require_same(contents(server.connect()), expected, "the dump became the base")


def dump_names(case):
    """dbfilename, appenddirname and appendfilename are honoured, by redis-server too."""
    folder = case.path("names")
    names = ("--dbfilename", "my.rdb", "--appenddirname", "my log", "--appendfilename", "my file.aof")
    with case.ours(folder, *LOG, *names) as server:
        connection = server.connect()
        fill(connection)
        pipeline(connection, [("SAVE",)])
        expected = contents(connection)
        server.stop()
    assert (folder / "my.rdb").exists() and (folder / "my log" / "my file.aof.1.incr.aof").exists()
    with case.redis(folder, *LOG, *names) as server:
        require_same(contents(server.connect()), expected, "redis-server with names of its own")


# --- Saving and ending --------------------------------------------------------------------------------------------


def save_points(case):
    folder = case.path("points")
    with case.ours_with_file(folder, "save 1 1\n") as server:
        connection = server.connect()
        pipeline(connection, [("SET", "a", 1)])
        wait_until(lambda: (folder / "dump.rdb").exists(), "a save point")
        wait_until(lambda: info(connection)["rdb_changes_since_last_save"] == "0", "rdb_changes_since_last_save:0")
        pipeline(connection, [("CONFIG", "SET", "save", "1 10"), ("SET", "b", 1)])
        before = (folder / "dump.rdb").read_bytes()
        time.sleep(2.5)
        assert (folder / "dump.rdb").read_bytes() == before, "saved with too few changes"
        pipeline(connection, [("SET", f"many{n}", n) for n in range(20)])
        wait_until(lambda: info(connection)["rdb_changes_since_last_save"] == "0", "the second save point")
        expected = contents(connection)
        server.kill()
        server.start()
        require_same(contents(server.connect()), expected, "what save points kept")


def failing_save_points(case):
    """Writes are refused as Redis refuses them while the dump cannot be written, until it can."""
    folder = case.path("failing")
    with case.ours_with_file(folder, "save 1 1\ndbfilename dump.rdb\n") as server:
        (folder / "dump.rdb").mkdir()
        connection = server.connect()
        pipeline(connection, [("SET", "a", 1)])
        wait_until(lambda: info(connection)["rdb_last_bgsave_status"] == "err", "a save that fails")
        reply = connection.command("SET", "a", 2)
        assert reply.kind == "-" and reply.value.startswith(b"MISCONF Redis is configured to save RDB"), reply
        assert connection.command("GET", "a").value == b"1"
        (folder / "dump.rdb").rmdir()
        wait_until(lambda: info(connection)["rdb_last_bgsave_status"] == "ok", "a save that works again")
        pipeline(connection, [("SET", "a", 3)])


def shutdowns(case):
    """SHUTDOWN and SIGTERM, with and without save points and a log."""
    for name, save, words, saves in (("plain", "3600 1", (), True), ("save", "''", ("SAVE",), True),
                                     ("nosave", "3600 1", ("NOSAVE",), False), ("none", "''", (), False)):
        folder = case.path(name)
        with case.ours_with_file(folder, f"save {save}\n") as server:
            pipeline(server.connect(), [("SET", "a", 1)])
            shut_down(server, *words)
        assert (folder / "dump.rdb").exists() == saves, f"SHUTDOWN, {name}"
    for name, number, save, saves in (("term", signal.SIGTERM, "3600 1", True), ("int", signal.SIGINT, "3600 1", True),
                                      ("term without", signal.SIGTERM, "''", False)):
        folder = case.path(name)
        with case.ours_with_file(folder, f"save {save}\nappendonly yes\n") as server:
            pipeline(server.connect(), [("SET", "a", 1)])
            server.process.send_signal(number)
            assert exit_code(server, name) == 0, f"{name}:\n{server.log_tail()}"
            assert (folder / "dump.rdb").exists() == saves, name
            (folder / "dump.rdb").unlink(missing_ok=True)
            server.start()
            assert server.connect().command("GET", "a").value == b"1", f"{name}: the log has lost it"


def impossible_save(case):
    """When the final save fails, the server does not end, whoever asked: it would lose what it has."""
    folder = case.path("impossible")
    with case.ours_with_file(folder, "save 3600 1\n") as server:
        (folder / "dump.rdb").mkdir()
        connection = server.connect()
        pipeline(connection, [("SET", "a", 1)])
        reply = connection.command("SHUTDOWN")
        assert reply.kind == "-" and b"Errors trying to SHUTDOWN" in reply.value, reply
        assert connection.command("GET", "a").value == b"1"
        for number in (signal.SIGTERM, signal.SIGINT):
            failures = server.log_path.read_text().count("can't exit")
            server.process.send_signal(number)
            wait_until(lambda: server.log_path.read_text().count("can't exit") > failures, "a refused stop")
            time.sleep(0.3)
            assert server.process.poll() is None, f"signal {number} ended the server though it could not save"
            assert connection.command("GET", "a").value == b"1"
        (folder / "dump.rdb").rmdir()
        assert server.stop() == 0
        server.start()
        assert server.connect().command("GET", "a").value == b"1"
        (folder / "dump.rdb").unlink()
        (folder / "dump.rdb").mkdir()
        pipeline(server.connect(), [("SET", "a", 2)])
        shut_down(server, "NOSAVE")


def second_signal(case):
    """The first signal waits for what runs; a second one ends the process at once."""
    folder = case.path("twice")
    with case.ours(folder, *LOG) as server:
        sleeper = server.connect()
        for other in range(case.threads):  # every thread is busy
            connection = server.connect()
            pipeline(connection, [("SET", f"a{other}", 1)])
        sleeper.send(b"DEBUG SLEEP 600\r\n")
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert server.process.poll() is None, "the first signal did not wait for what runs"
        server.process.send_signal(signal.SIGTERM)
        assert exit_code(server, "a second signal") == 1
        server.start()
        assert server.connect().command("GET", "a0").value == b"1"


# --- Loading ------------------------------------------------------------------------------------------------------


def large_dump(case):
    folder = case.path("large")
    with case.redis(folder, "--rdbcompression", "no") as server:
        connection = server.connect(timeout=120)
        pipeline(connection, [("DEBUG", "POPULATE", MANY_KEYS, "key", 100), ("SAVE",)])
        shut_down(server, "NOSAVE")
    return folder


class Loading:
    """A server that loads, watched from outside; in a with statement."""

    def __init__(self, server):
        self.server = server
        self.connection = None

    def __enter__(self):
        self.server.log_path.unlink(missing_ok=True)
        self.server.launch()
        wait_until(self.connect, "a connection while it loads")
        assert self.is_loading(), "PING is answered at once; the file is too small for this test?"
        return self

    def __exit__(self, *_):
        self.server.kill()

    def connect(self):
        try:
            self.connection = self.server.connect()
        except OSError:
            return False
        return True

    def is_loading(self):
        return self.connection.command("PING") == LOADING


def watch_loading(server, what):
    """Whole, from the first connection to Ready."""
    with Loading(server) as loading:
        connection = loading.connection
        assert connection.command("GET", "key:1") == LOADING
        client = subprocess.run([REDIS_CLI, "-p", str(server.port), "INFO", "persistence"], capture_output=True, text=True,
                                timeout=WAIT_SECONDS_MAX)
        assert "loading:1" in client.stdout and "loading_loaded_perc:" in client.stdout, client.stdout
        seen = []
        while loading.is_loading():
            fields = info(connection, "persistence")
            if fields["loading"] == "1":
                seen.append(int(fields["loading_loaded_bytes"]))
                assert int(fields["loading_total_bytes"]) >= seen[-1], fields
                assert 0 <= float(fields["loading_loaded_perc"].rstrip("%")) <= 100, fields
                assert int(fields["loading_eta_seconds"]) >= 0 and int(fields["loading_start_time"]) > 0, fields
            time.sleep(0.01)
        assert seen == sorted(seen), f"{what}: progress goes backwards: {seen}"
        assert len(set(seen)) > 3, f"{what}: no progress was seen: {seen}"
        assert info(connection)["loading"] == "0"
        assert "Ready to accept connections" in server.log_path.read_text()
        found = int(connection.command("DBSIZE").value), int(connection.command("LLEN", "list").value)
        assert server.stop() == 0
        return found


def end_while_loading(case, folder, options, what):
    """SHUTDOWN and signals while it loads: it ends soon, with 0, and the files stay."""
    files = {path: path.stat() for path in folder.rglob("*") if path.is_file() and path.name != "server.log"}
    for way in ("SHUTDOWN", "SHUTDOWN SAVE", "SIGTERM"):
        with Loading(case.ours(folder, *options, "--save", 3600, 1)) as loading:
            if way == "SIGTERM":
                loading.server.process.send_signal(signal.SIGTERM)
            else:
                loading.connection.send(way.encode() + b"\r\n")
            code = exit_code(loading.server, f"{what}, {way} while it loads")
            log = loading.server.log_path.read_text()
            assert code == 0, f"{what}, {way}: {code}\n{log}"
            assert "Ready to accept" not in log, f"{what}, {way}: it loaded to the end first\n{log}"
    for path, was in files.items():
        now = path.stat()
        assert (now.st_size, now.st_mtime_ns) == (was.st_size, was.st_mtime_ns), f"{what}: {path} has changed"


def loading_from_outside(case):
    """A large file of each kind, loaded to the end, and not to the end."""
    dump = large_dump(case)
    end_while_loading(case, dump, NO_LOG, "dump")
    assert watch_loading(case.ours(dump, *NO_LOG, "--save", ""), "dump") == (MANY_KEYS, 0)
    end_while_loading(case, dump, LOG, "dump that becomes a base")
    assert watch_loading(case.ours(dump, *LOG, "--save", ""), "dump that becomes a base") == (MANY_KEYS, 0)
    end_while_loading(case, dump, LOG, "RDB base")
    log = dump / "appendonlydir"
    with open(next(log.glob("*.incr.aof")), "ab") as file:
        for _ in range(RECORD_ROUNDS):
            file.write(RECORD * RECORDS_PER_ROUND)
    list_length = RECORD_ROUNDS * RECORDS_PER_ROUND
    assert watch_loading(case.ours(dump, *LOG, "--save", ""), "log") == (MANY_KEYS + 1, list_length)
    base = next(log.glob("*.base.rdb"))
    base.unlink()  # it is the dump's file too
    base.write_bytes(EMPTY_RDB)
    end_while_loading(case, dump, LOG, "increment")


# --- DEBUG --------------------------------------------------------------------------------------------------------


def digest_of(connection, keys):
    """DEBUG DIGEST, once what has expired is gone: it counts, though nobody sees it."""
    def all_keys():
        spaces = info(connection, "keyspace")
        return sum(int(value.split(",")[0].removeprefix("keys=")) for name, value in spaces.items() if name.startswith("db"))

    wait_until(lambda: all_keys() == keys, f"expired keys go: {keys} are left")
    return connection.command("DEBUG", "DIGEST").value


def debug_reloads(case):
    """DEBUG RELOAD and LOADAOF leave everything as it was, also what is written afterwards."""
    folder = case.path("debug")
    with case.ours(folder, *LOG) as server:
        connection = server.connect()
        small_limits(connection)
        for turn, command in enumerate((("RELOAD",), ("LOADAOF",), ("RELOAD",), ("LOADAOF",), ("LOADAOF",))):
            fill(connection, seed=turn)
            change(connection, seed=turn)
            expected = contents(connection)
            digest = digest_of(connection, len(expected))
            pipeline(connection, [("DEBUG", *command)])
            require_same(contents(connection), expected, f"DEBUG {command[0]}")
            assert digest_of(connection, len(expected)) == digest, f"DEBUG {command[0]} changes DEBUG DIGEST"
        server.kill()
        server.start()
        require_same(contents(server.connect()), expected, "after kill -9")
    with case.ours(folder, *NO_LOG) as server:
        connection = server.connect()
        before = contents(connection)
        pipeline(connection, [("SET", "not saved", 1), ("DEBUG", "RELOAD", "NOSAVE")])
        require_same(contents(connection), before, "DEBUG RELOAD NOSAVE")
        assert connection.command("DEBUG", "LOADAOF").kind == "-"


CASES = (without_file, adopted_dump_stays, with_file, dump_names, save_points, failing_save_points, shutdowns,
         impossible_save, second_signal, loading_from_outside, debug_reloads)

if __name__ == "__main__":
    sys.exit(run_cases(CASES, __doc__))
