#!/usr/bin/python3
"""Strata and a real redis-server start from each other's files, and from each other's again.

    interchange.py STRATA_SERVER [--threads N] [--only CASE] [--keep]

What has been read is compared key by key: type, value and deadline. Files that hold what Strata has not are refused by
name and stay as they are.
"""

import random
import subprocess
import sys

from cases import info, require_refusal, run_cases, shut_down, wait_until
from dataset import change, contents, fill, pipeline, require_same, small_limits

REDIS_CHECK_AOF = "/usr/bin/redis-check-aof"
REDIS_CHECK_RDB = "/usr/bin/redis-check-rdb"
LOG = ("--appendonly", "yes")
NO_LOG = ("--appendonly", "no")
CRC_BYTES = 8
SELECT = b"*2\r\n$6\r\nSELECT"


def end_redis(server):
    """Ends a redis-server, leaving its files as they are."""
    shut_down(server, "NOSAVE")


def rewrite(connection):
    """BGREWRITEAOF, and its end."""
    pipeline(connection, [("BGREWRITEAOF",)])
    wait_until(lambda: info(connection)["aof_rewrite_in_progress"] == "0" and info(connection)["aof_rewrite_scheduled"] == "0",
               "BGREWRITEAOF")
    assert info(connection)["aof_last_bgrewrite_status"] == "ok"


def require_encodings(connection):
    """The data is worth its name: every encoding of redis-server 7.0 is in it."""
    found = set()
    for name in connection.command("KEYS", "*").value:
        found.add((connection.command("TYPE", name.value).value + b" " +
                   connection.command("OBJECT", "ENCODING", name.value).value).decode())
    wanted = {"string int", "string embstr", "string raw", "list quicklist", "set intset", "set hashtable",
              "hash listpack", "hash hashtable", "zset listpack", "zset skiplist"}
    assert wanted <= found, f"missing: {wanted - found}"


def redis_dump(case, name, *options, compress_depth=0):
    """A folder with a dump.rdb of redis-server, and what is in it."""
    folder = case.path(name)
    with case.redis(folder, *options) as server:
        connection = server.connect()
        small_limits(connection)
        pipeline(connection, [("CONFIG", "SET", "list-compress-depth", compress_depth),
                              ("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "10K")])
        fill(connection)
        require_encodings(connection)
        expected = contents(connection)
        pipeline(connection, [("SAVE",)])
        end_redis(server)
    return folder, expected


def redis_log(case, name, *options):
    """A folder with a log of redis-server: a base, and an increment with transactions."""
    folder = case.path(name)
    with case.redis(folder, *LOG, *options) as server:
        connection = server.connect()
        small_limits(connection)
        fill(connection)
        rewrite(connection)
        change(connection)
        expected = contents(connection)
        end_redis(server)
    return folder, expected


def increment_of(folder):
    """The last increment of a log."""
    return max((folder / "appendonlydir").glob("*.incr.aof"), key=lambda path: int(path.name.split(".")[-3]))


def require_loaded(case, folder, expected, what, *options):
    """Strata starts from the folder, has what is expected, and still has it with more after kill -9 and a new start."""
    with case.ours(folder, *options) as server:
        connection = server.connect()
        require_same(contents(connection), expected, what)
        if "no" in options[:2]:
            return
        pipeline(connection, [("SET", "written:by:strata", what)])
        after = contents(connection)
        server.kill()
        server.start()
        require_same(contents(server.connect()), after, f"{what}, started again")


# --- redis-server → Strata ----------------------------------------------------------------------------------------


def dump_of_redis(case):
    for name, options, depth in (("compressed", (), 1), ("plain", ("--rdbcompression", "no"), 0),
                                 ("unchecked", ("--rdbchecksum", "no"), 0)):
        folder, expected = redis_dump(case, name, *options, compress_depth=depth)
        require_loaded(case, folder, expected, f"{name} dump.rdb", *NO_LOG)
        # With a log, the dump becomes its base.
        require_loaded(case, folder, expected, f"{name} dump.rdb as base", *LOG)


def log_with_rdb_base(case):
    folder, expected = redis_log(case, "redis")
    assert list((folder / "appendonlydir").glob("*.base.rdb")), "no RDB base"
    require_loaded(case, folder, expected, "log with an RDB base", *LOG)


def log_with_aof_base(case):
    folder, expected = redis_log(case, "redis", "--aof-use-rdb-preamble", "no")
    assert list((folder / "appendonlydir").glob("*.base.aof")), "no AOF base"
    require_loaded(case, folder, expected, "log with an AOF base", *LOG)


def log_with_several_increments(case):
    """redis-server leaves several increments behind when a rewrite fails or it ends meanwhile."""
    folder, expected = redis_log(case, "redis")
    log, first = folder / "appendonlydir", increment_of(folder)
    data = first.read_bytes()
    cut = data.index(b"*1\r\n$5\r\nMULTI", len(data) // 2)
    number = int(first.name.split(".")[-3])
    second = first.name.replace(f".{number}.incr", f".{number + 1}.incr")
    # Every file begins in database 0.
    select = data.rindex(SELECT, 0, cut)
    first.write_bytes(data[:cut])
    (log / second).write_bytes(first_command(data[select:]) + data[cut:])
    manifest = log / "appendonly.aof.manifest"
    manifest.write_text(manifest.read_text() + f"file {second} seq {number + 1} type i\n")
    require_loaded(case, folder, expected, "log with two increments", *LOG)


def first_command(data):
    """The bytes of a command with two arguments."""
    return b"\r\n".join(data.split(b"\r\n")[:5]) + b"\r\n"


def old_single_file(case):
    """Before version 7 the log was one file beside the dump, with an RDB at its beginning or without."""
    for name, options in (("plain", ("--aof-use-rdb-preamble", "no")), ("preamble", ())):
        modern, expected = redis_log(case, f"modern {name}", *options)
        base = next((modern / "appendonlydir").glob("*.base.*"))
        folder = case.path(name)
        (folder / "appendonly.aof").write_bytes(base.read_bytes() + increment_of(modern).read_bytes())
        require_loaded(case, folder, expected, f"single file, {name}", *LOG)
        assert not (folder / "appendonly.aof").exists(), "the old file was not moved into the log's folder"


def truncated_log(case):
    """A log of redis-server that ends within a command or within MULTI."""
    original, _ = redis_log(case, "redis")
    size = increment_of(original).stat().st_size
    in_multi = increment_of(original).read_bytes().rindex(b"$4\r\nEXEC") - 4
    for name, at in (("within a command", size - 5), ("within a length", size - 12), ("within MULTI", in_multi)):
        for folder in (theirs := case.copy("theirs", original), ours := case.copy("ours", original)):
            with open(increment_of(folder), "r+b") as file:
                file.truncate(at)
        require_refusal(case.ours(ours, *LOG, "--aof-load-truncated", "no"), increment_of(ours).name, "unexpected end")
        with case.redis(theirs, *LOG) as server:
            expected = contents(server.connect())
            end_redis(server)
        require_loaded(case, ours, expected, f"cut {name}", *LOG, "--aof-load-truncated", "yes")


# --- Strata → redis-server ----------------------------------------------------------------------------------------


def dump_of_ours(case):
    for name, options in (("compressed", ()), ("plain", ("--rdbcompression", "no", "--rdbchecksum", "no"))):
        folder = case.path(name)
        with case.ours(folder, *NO_LOG, "--save", "", *options) as server:
            connection = server.connect()
            small_limits(connection)
            fill(connection)
            change(connection)
            expected = contents(connection)
            pipeline(connection, [("SAVE",)])
            assert server.stop() == 0
        subprocess.run([REDIS_CHECK_RDB, folder / "dump.rdb"], check=True, stdout=subprocess.DEVNULL)
        with case.redis(folder) as server:
            require_same(contents(server.connect()), expected, f"{name} dump.rdb of ours in redis-server")


def require_accepted_by_redis(case, folder, expected, what):
    """redis-check-aof and redis-server accept a copy of the log."""
    copy = case.copy("checked", folder)
    manifest = copy / "appendonlydir" / "appendonly.aof.manifest"
    checked = subprocess.run([REDIS_CHECK_AOF, manifest], capture_output=True, text=True)
    assert checked.returncode == 0 and "valid" in checked.stdout, f"{what}: redis-check-aof: {checked.stdout}{checked.stderr}"
    with case.redis(copy, *LOG) as server:
        require_same(contents(server.connect()), expected, f"{what} in redis-server")
        end_redis(server)


def log_of_ours(case):
    folder = case.path("ours")
    with case.ours(folder, *LOG) as server:
        connection = server.connect()
        fill(connection)
        change(connection)
        expected = contents(connection)
        server.kill()
        require_accepted_by_redis(case, folder, expected, "log after kill -9")
        server.start()
        connection = server.connect()
        change(connection, seed=2)
        expected = contents(connection)
        assert server.stop() == 0, server.log_tail()
        require_accepted_by_redis(case, folder, expected, "log after a shutdown")


def newer_commands(case):
    """What redis-server 7.0 has no word for is logged in words that it has, as long as the data is of its kinds."""
    folder = case.path("ours")
    chooser = random.Random(7)
    with case.ours(folder, *LOG) as server:
        connection = server.connect()
        for key in ("l", "m"):
            pipeline(connection, [("RPUSH", key, *range(3000)), ("PEXPIRE", key, 10**9)])
        for n in range(300):
            source, target = chooser.choice("lm"), chooser.choice("lmn")
            ends = [chooser.choice(("LEFT", "RIGHT")) for _ in range(2)]
            command, timeout = chooser.choice((("LMOVEM", ()), ("BLMOVEM", (0.001,))))
            count = chooser.choice((1, 2, 3, 50, 2500, 9000))
            how = (chooser.choice(("COUNT", "EXACTLY")), count, chooser.choice(("OBO", "BULK")))
            connection.command(command, source, target, *ends, *timeout, *how)
            if n % 10 == 0:
                pipeline(connection, [("RPUSH", source, *range(n + 1)), ("LMOVEM", "n", source, "LEFT", "LEFT")])
        pipeline(connection, [
            ("RPUSH", "all", 1, 2, 3), ("PEXPIRE", "all", 10**9), ("LMOVEM", "all", "all", "LEFT", "LEFT", "COUNT", 3, "OBO"),
            ("RPUSH", "same", 1, 2, 3), ("LMOVEM", "same", "same", "LEFT", "LEFT", "COUNT", 2, "BULK"),
            ("MSETEX", 2, "a", 1, "b", 2, "EX", 1000), ("INCREX", "counter"), ("SET", "c", "x"), ("SET", "c", "y", "IFEQ", "x"),
            ("SET", "d", "x"), ("DELEX", "d", "IFEQ", "x"), ("SET", "e", "x"), ("DELIFEQ", "e", "x"),
            ("HSET", "h", "f", 1, "g", 2), ("HGETDEL", "h", "FIELDS", 1, "f"),
            ("XADD", "s", "1-1", "f", "v"), ("XADD", "s", "2-1", "f", "v"), ("XDELEX", "s", "KEEPREF", "IDS", 1, "1-1"),
            ("XGROUP", "CREATE", "s", "g", "0"), ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"),
            ("XACKDEL", "s", "g", "DELREF", "IDS", 1, "2-1")])
        expected = contents(connection)
        assert server.stop() == 0
    require_accepted_by_redis(case, folder, expected, "a log of newer commands")
    require_loaded(case, folder, expected, "a log of newer commands", *LOG)


def logs_in_turn(case):
    """Both servers go on where the other one ended, several times, whichever way it ended."""
    folder = case.path("both")
    expected = None
    for turn in range(8):
        ours = turn % 2 == 0
        server = case.ours(folder, *LOG) if ours else case.redis(folder, *LOG, "--appendfsync", "always")
        with server:
            connection = server.connect()
            who = f"turn {turn}, {'Strata' if ours else 'redis-server'}"
            if expected is None:
                fill(connection)
            else:
                require_same(contents(connection), expected, who)
            change(connection, seed=turn)
            if turn == 5:
                rewrite(connection)
                change(connection, seed=100)
            expected = contents(connection)
            if turn % 4 >= 2:
                server.kill()
            elif ours:
                assert server.stop() == 0
            else:
                end_redis(server)


# --- What is refused ----------------------------------------------------------------------------------------------


LOAD_FUNCTION = ("FUNCTION", "LOAD", "#!lua name=thelib\nredis.register_function('f', function() return 1 end)")


def unknown_type_in_dump(case):
    folder = case.path("function")
    with case.redis(folder) as server:
        pipeline(server.connect(), [("SET", "before", 1), LOAD_FUNCTION, ("SET", "after", 1), ("SAVE",)])
        end_redis(server)
    for options in (NO_LOG, LOG, ()):
        require_refusal(case.ours(folder, *options), "function", "dump.rdb")
    # A dump beside a log of which nothing is known would be overwritten by the next save.
    assert not list(folder.glob("appendonlydir/*.base.rdb")), "a dump that was refused became a base"


def unknown_type_in_log(case):
    for base, preamble in (("base.rdb", "yes"), ("base.aof", "no")):
        for place in ("base", "increment"):
            folder = case.path(f"{base} {place}")
            with case.redis(folder, *LOG, "--aof-use-rdb-preamble", preamble) as server:
                connection = server.connect()
                pipeline(connection, [("SET", "before", 1)])
                if place == "increment":
                    rewrite(connection)
                pipeline(connection, [LOAD_FUNCTION, ("SET", "after", 1)])
                if place == "base":
                    rewrite(connection)
                end_redis(server)
            file = base if place == "base" else ".incr.aof"
            word = "function" if place == "base" and preamble == "yes" else "FUNCTION"
            require_refusal(case.ours(folder, *LOG), word, file)


def unknown_command_in_multi(case):
    folder, _ = redis_log(case, "redis")
    with case.redis(folder, *LOG) as server:
        pipeline(server.connect(), [("MULTI",), ("SET", "a", 1), LOAD_FUNCTION, ("EXEC",)])
        end_redis(server)
    require_refusal(case.ours(folder, *LOG), "FUNCTION", increment_of(folder).name)


def unknown_command_behind_many(case):
    """What was queued before it is still being replayed, on several threads, when the log is refused."""
    folder = case.path("many")
    with case.redis(folder, *LOG) as server:
        connection = server.connect()
        for _ in range(20):
            pipeline(connection, [("SET", f"key:{n}", "v" * 500) for n in range(500)])
        pipeline(connection, [LOAD_FUNCTION])
        end_redis(server)
    for _ in range(5):
        require_refusal(case.ours(folder, *LOG), "FUNCTION", increment_of(folder).name)


def damaged_dumps(case):
    original, expected = redis_dump(case, "redis")
    data = (original / "dump.rdb").read_bytes()
    middle = len(data) // 2
    damages = {
        "newer version": (b"REDIS0013" + data[9:], ("version", "13")),
        "far newer version": (b"REDIS9999" + data[9:], ("version", "9999")),
        "garbage": (b"\x17garbage, and much of it" * 1000, ("dump.rdb",)),
        "garbage behind the magic": (data[:9] + b"\x17garbage" * 1000, ("dump.rdb",)),
        "flipped byte": (data[:middle] + bytes([data[middle] ^ 0x10]) + data[middle + 1 :], ("dump.rdb",)),
        "flipped checksum": (data[:-1] + bytes([data[-1] ^ 1]), ("checksum",)),
        "cut": (data[:middle], ("dump.rdb",)),
        "without its checksum": (data[:-CRC_BYTES], ("dump.rdb",)),
        "empty": (b"", ("dump.rdb",)),
    }
    for name, (bytes_now, words) in damages.items():
        folder = case.path(name)
        (folder / "dump.rdb").write_bytes(bytes_now)
        for options in (NO_LOG, LOG):
            require_refusal(case.ours(folder, *options), *words)
    # The version before that is only a number: what 11 and 12 brought is refused where it is met.
    for version in (b"0009", b"0011", b"0012"):
        folder = case.path(f"version {version.decode()}")
        (folder / "dump.rdb").write_bytes(b"REDIS" + version + data[9:-CRC_BYTES] + bytes(CRC_BYTES))
        require_loaded(case, folder, expected, f"RDB version {version.decode()}", *NO_LOG)


def damaged_logs(case):
    original, _ = redis_log(case, "redis")
    base = next((original / "appendonlydir").glob("*.base.rdb")).name
    increment = increment_of(original).name

    def damaged(name, file, edit, *words):
        folder = case.copy(name, original)
        path = folder / "appendonlydir" / file
        bytes_now = edit(path.read_bytes())
        path.unlink() if bytes_now is None else path.write_bytes(bytes_now)
        require_refusal(case.ours(folder, *LOG), *words)

    def flip(data):
        return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 0x10]) + data[len(data) // 2 + 1 :]

    damaged("base flipped", base, flip, base)
    damaged("base cut", base, lambda data: data[:-100], base)
    damaged("base missing", base, lambda data: None, base)
    damaged("base of a newer version", base, lambda data: b"REDIS0013" + data[9:], base, "13")
    damaged("increment missing", increment, lambda data: None, increment)
    damaged("increment with garbage", increment, lambda data: data[:1000] + b"garbage\r\n" + data[1000:], increment)
    damaged("increment of garbage", increment, lambda data: b"garbage\r\n" * 100, increment)
    damaged("manifest of garbage", "appendonly.aof.manifest", lambda data: b"garbage\n", "manifest")
    damaged("manifest missing", "appendonly.aof.manifest", lambda data: None, "manifest")


def damaged_log_of_ours(case):
    """A flipped byte in what was synced is refused; nothing is cut."""
    original = case.path("ours")
    with case.ours(original, *LOG) as server:
        connection = server.connect()
        fill(connection)
        assert server.stop() == 0
    increment = increment_of(original).name
    data = (original / "appendonlydir" / increment).read_bytes()
    for at in (5, 100, len(data) // 3, len(data) // 2, len(data) - 200):
        folder = case.copy(f"flipped {at}", original)
        (folder / "appendonlydir" / increment).write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        require_refusal(case.ours(folder, *LOG), increment)


CASES = (dump_of_redis, log_with_rdb_base, log_with_aof_base, log_with_several_increments, old_single_file, truncated_log,
         dump_of_ours, log_of_ours, newer_commands, logs_in_turn, unknown_type_in_dump, unknown_type_in_log, unknown_command_in_multi,
         unknown_command_behind_many, damaged_dumps, damaged_logs, damaged_log_of_ours)

if __name__ == "__main__":
    sys.exit(run_cases(CASES, __doc__))
