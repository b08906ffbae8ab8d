#!/usr/bin/python3
"""Compares Strata with redis-server on this machine, side by side. The method: README.md beside this file.

    compare.py [--strata build/release/bin/strata-server] [--rounds 5] [--quick] [--threads 2] [--types] [--only TEXT]

Prints a table in Markdown: the server's CPU per request, requests per second, latencies, and bytes per key, as medians
over interleaved rounds, with ratios (how many times better Strata is).
"""

import argparse
import mmap
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from resp import encode  # noqa: E402
from servers import REDIS_SERVER, without_persistence  # noqa: E402

REDIS_BENCHMARK = "/usr/bin/redis-benchmark"
CLIENTS = 50
VALUE_BYTES = 64
SMALL_KEYS, LARGE_KEYS = 100_000, 3_000_000
FILL_KEYS = 1_000_000
FILL_BATCH = 1000
WOKEN_BYTES = 256 << 20
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
RUN_CPU_SECONDS = 0.5  # Requests are chosen for about this much CPU of redis-server: /proc counts in steps of 10 ms.


class Work:
    """One row: a command for redis-benchmark, its pipeline, its key space, and what it needs to find."""

    def __init__(self, name, command, cost_us, pipeline=1, keys=SMALL_KEYS, prepare=None, consumes=False, grows=False,
                 goal=None):
        self.name, self.command, self.pipeline, self.keys, self.prepare = name, command, pipeline, keys, prepare
        self.cost_us = cost_us  # About what redis-server needs for one request.
        self.consumes = consumes  # Is prepared again, with as many elements as requests, before each round.
        self.grows = grows  # Takes memory with each request.
        self.goal = goal  # The ratio of CPU that we want at least.

    def requests(self, quick):
        return int(RUN_CPU_SECONDS * 1e6 / self.cost_us / (5 if quick else 1))


def fill_strings(keys):
    """Every key that redis-benchmark -r can name, with a value."""

    def fill(connection):
        pipeline(connection, ((b"SET", b"key:%012d" % number, b"x" * VALUE_BYTES) for number in range(keys)))

    return fill


def fill_list(name, elements, size):
    def fill(connection):
        pipeline(connection, ((b"RPUSH", name, b"%0*d" % (size, number)) for number in range(elements)))

    return fill


BATCH_ELEMENTS = 500


def fill_collection(name, elements, command, element, times=1):
    """A collection by one command with many elements each; element(number) gives the words of one."""

    def fill(connection):
        numbers = range(elements * times)
        pipeline(connection, ((command, name, *(word for number in numbers[begin : begin + BATCH_ELEMENTS] for word in element(number)))
                              for begin in range(0, len(numbers), BATCH_ELEMENTS)))

    return fill


def fill_pair_of_sets(connection):
    """Two sets of 10,000, half of each in the other."""
    for name, begin in ((b"set:a", 0), (b"set:b", 5000)):
        fill_collection(name, 10_000, b"SADD", lambda number, begin=begin: (b"element:%012d" % (begin + number),))(connection)


def fill_zset(name, elements):
    return fill_collection(name, elements, b"ZADD", lambda number: (b"%d" % number, b"element:%012d" % number))


def pipeline(connection, commands):
    """Sends commands in batches and drops their replies."""
    batch, waiting = [], 0
    for command in commands:
        batch.append(encode(command))
        if len(batch) == FILL_BATCH:
            connection.send(b"".join(batch))
            waiting, batch = waiting + FILL_BATCH, []
            for _ in range(FILL_BATCH):
                connection.read()
    connection.send(b"".join(batch))
    for _ in batch:
        connection.read()


KEY, VALUE = "key:__rand_int__", "x" * VALUE_BYTES
GET, SET = ["GET", KEY], ["SET", KEY, VALUE]

ONE_THREAD = [
    *(Work(f"GET, pipeline {deep}", GET, cost, deep, prepare=fill_strings(SMALL_KEYS))
      for deep, cost in ((1, 7.2), (16, 0.9), (100, 0.57))),
    *(Work(f"SET, pipeline {deep}", SET, cost, deep, prepare=fill_strings(SMALL_KEYS))
      for deep, cost in ((1, 7.2), (16, 1.1), (100, 0.8))),
    *(Work(f"GET, 3 M keys, pipeline {deep}", GET, cost, deep, LARGE_KEYS, fill_strings(LARGE_KEYS))
      for deep, cost in ((16, 1.9), (100, 1.5))),
    *(Work(f"SET, 3 M keys, pipeline {deep}", SET, cost, deep, LARGE_KEYS, fill_strings(LARGE_KEYS))
      for deep, cost in ((16, 2.2), (100, 1.8))),
    Work("INCR, pipeline 16", ["INCR", "counter:__rand_int__"], 0.7, 16),
    Work("LPUSH, pipeline 16", ["LPUSH", "mylist", VALUE], 0.7, 16, grows=True),
    Work("SADD, pipeline 16", ["SADD", "myset", "element:__rand_int__"], 0.8, 16),
    Work("HSET, pipeline 16", ["HSET", "myhash", "element:__rand_int__", VALUE], 0.95, 16),
    Work("ZADD, pipeline 16", ["ZADD", "myzset", "__rand_int__", "element:__rand_int__"], 2, 16),
    Work("MSET of 10, pipeline 16", ["MSET", *[KEY, VALUE] * 10], 4.2, 16),
    Work("LRANGE_100, pipeline 16", ["LRANGE", "list", "0", "99"], 3.2, 16, prepare=fill_list(b"list", 600, 3)),
    Work("LRANGE_600, pipeline 16", ["LRANGE", "list", "0", "599"], 17, 16, prepare=fill_list(b"list", 600, 3)),
    Work("LRANGE of 100 × 10 KiB", ["LRANGE", "list", "0", "-1"], 350, 1, prepare=fill_list(b"list", 100, 10240)),
]
# Every type, with what issue 4 asks for: 1.8 times less CPU, 2.5 times on large values that are walked.
TYPES = [
    Work("RPUSH, pipeline 16", ["RPUSH", "mylist", VALUE], 0.62, 16, grows=True, goal=1.8),
    Work("LPUSH, pipeline 16", ["LPUSH", "mylist", VALUE], 0.7, 16, grows=True, goal=1.8),
    Work("LPOP, pipeline 16", ["LPOP", "mylist"], 0.7, 16, prepare=fill_collection(b"mylist", 1, b"RPUSH", lambda number: (b"x" * VALUE_BYTES,)),
         consumes=True, goal=1.8),
    Work("SADD, pipeline 16", ["SADD", "myset", "element:__rand_int__"], 0.8, 16, goal=1.8),
    Work("HSET, pipeline 16", ["HSET", "myhash", "element:__rand_int__", VALUE], 0.95, 16, goal=1.8),
    Work("HGETALL of 100, pipeline 16", ["HGETALL", "hash"], 6.2, 16,
         prepare=fill_collection(b"hash", 100, b"HSET", lambda number: (b"field:%d" % number, b"value:%d" % number)), goal=1.8),
    Work("SMEMBERS of 400, pipeline 16", ["SMEMBERS", "set"], 15.5, 16,
         prepare=fill_collection(b"set", 400, b"SADD", lambda number: (b"element:%d" % number,)), goal=1.8),
    Work("SINTER of 2 x 10k", ["SINTER", "set:a", "set:b"], 483, 1, prepare=fill_pair_of_sets, goal=2.5),
    Work("ZADD, pipeline 16", ["ZADD", "myzset", "__rand_int__", "element:__rand_int__"], 2, 16, goal=1.8),
    Work("ZADD to 1 M, pipeline 16", ["ZADD", "zset", "__rand_int__", "element:__rand_int__"], 3, 16, FILL_KEYS,
         fill_zset(b"zset", FILL_KEYS), goal=2.5),
    Work("ZRANGE 100 of 1 M, pipeline 16", ["ZRANGE", "zset", "500000", "500099"], 5, 16, prepare=fill_zset(b"zset", FILL_KEYS), goal=2.5),
    Work("ZRANGEBYSCORE 100 of 100k, pipeline 16", ["ZRANGEBYSCORE", "zset", "__rand_int__", "+inf", "LIMIT", "0", "100"], 4.6, 16,
         prepare=fill_zset(b"zset", SMALL_KEYS), goal=1.8),
    Work("ZRANGEBYSCORE 100 of 1 M, pipeline 16", ["ZRANGEBYSCORE", "zset", "__rand_int__", "+inf", "LIMIT", "0", "100"], 6, 16, FILL_KEYS,
         fill_zset(b"zset", FILL_KEYS), goal=2.5),
    Work("ZPOPMIN, pipeline 16", ["ZPOPMIN", "zset"], 1.43, 16, prepare=fill_zset(b"zset", 1), consumes=True, goal=1.8),
    Work("XADD, pipeline 16", ["XADD", "stream", "*", "field", VALUE], 1.2, 16, grows=True, goal=1.8),
    Work("XRANGE of 100, pipeline 16", ["XRANGE", "stream", "-", "+", "COUNT", "100"], 22, 16,
         prepare=lambda connection: pipeline(connection, ((b"XADD", b"stream", b"*", b"field", b"x" * VALUE_BYTES) for _ in range(10_000))), goal=1.8),
    Work("SORT of 10k", ["SORT", "list"], 1460, 1,
         prepare=fill_collection(b"list", 10_000, b"RPUSH", lambda number: (b"%d" % (number * 7919 % 10_007),)), goal=1.8),
    Work("SCAN MATCH over 1 M keys", ["SCAN", "0", "MATCH", "*nothing*", "COUNT", "1000000"], 445_000 / 2, 1, FILL_KEYS,
         fill_strings(FILL_KEYS), goal=2.5),
    Work("KEYS over 1 M keys", ["KEYS", "*nothing*"], 214_000 / 2, 1, FILL_KEYS, fill_strings(FILL_KEYS), goal=2.5),
]
MORE_THREADS = [work for work in ONE_THREAD if work.command in (GET, SET) and work.keys == SMALL_KEYS]


# --- Measuring ------------------------------------------------------------------------------------------------


def cpu_seconds(stat_path):
    """User and system time of a process or thread, from its stat file."""
    fields = stat_path.read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def cpu_by_thread(pid):
    return {task.name: cpu_seconds(task / "stat") for task in Path(f"/proc/{pid}/task").iterdir()}


def resident_bytes(pid):
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def wake_memory():
    """Touches and frees what a server may grow into. The host of a virtual machine takes free memory back within
    seconds, above all what could be huge pages, and gives it again at 5 us for 4 KiB: not a server's cost."""
    with mmap.mmap(-1, WOKEN_BYTES) as block:
        block.madvise(mmap.MADV_HUGEPAGE)
        for page in range(0, WOKEN_BYTES, mmap.PAGESIZE):
            block[page] = 1


def drive(server, work, quick):
    """One run of redis-benchmark: a dict of figures."""
    requests = requests_of(work, quick)
    if work.grows:
        wake_memory()
    threads_before = cpu_by_thread(server.pid)
    before = cpu_seconds(Path(f"/proc/{server.pid}/stat"))
    run = subprocess.run([REDIS_BENCHMARK, "-p", str(server.port), "-c", str(min(CLIENTS, requests)), "-n", str(requests), "-P",
                          str(work.pipeline), "-r", str(work.keys), *work.command],
                         capture_output=True, text=True, check=True)
    used = cpu_seconds(Path(f"/proc/{server.pid}/stat")) - before
    shares = sorted((now - threads_before.get(task, 0) for task, now in cpu_by_thread(server.pid).items()), reverse=True)
    figures = parse_latencies(run.stdout)
    figures["cpu_us"] = used / requests * 1e6
    figures["shares"] = [share / used for share in shares if used and share / used > 0.02]
    return figures


def parse_latencies(text):
    """Rate and latencies from redis-benchmark's report: --csv would leave p99.9 out."""
    rate = float(re.search(r"throughput summary: ([\d.]+) requests", text).group(1))
    summary = re.search(r"latency summary.*?\n.*?\n\s+([\d. ]+)", text, re.S).group(1).split()
    _, _, p50, _, p99, _ = map(float, summary)
    steps = re.findall(r"([\d.]+)% <= ([\d.]+) milliseconds", text.split("Cumulative distribution")[0])
    p999 = next((float(ms) for percent, ms in steps if float(percent) >= 99.9), p99)
    return {"rps": rate, "p50": p50, "p99": p99, "p99.9": p999}


def median(runs, name):
    return statistics.median(run[name] for run in runs)


def measure(work, makers, options):
    """Figures of each server in its interleaved rounds. The servers are up together, and idle in turn."""
    runs = [[] for _ in makers]
    servers = [make() for make in makers]
    for server in servers:
        server.__enter__()
    try:
        for server in servers:
            prepare(server, work)
            drive(server, work, quick=True)  # Warms up, and creates what the command works on.
        for _ in range(options.rounds):
            for server, results in zip(servers, runs):
                if work.consumes:
                    prepare(server, work)
                results.append(drive(server, work, options.quick))
    finally:
        for server in servers:
            server.__exit__()
    return runs


def prepare(server, work):
    if work.consumes:
        command, name = ("RPUSH", b"mylist") if work.command[0] == "LPOP" else ("ZADD", b"zset")
        size = requests_of(work, False)
        fill = fill_zset(name, size) if command == "ZADD" else fill_collection(name, size, b"RPUSH", lambda _: (b"x" * VALUE_BYTES,))
        fill(server.connect(timeout=120.0))
    elif work.prepare:
        work.prepare(server.connect(timeout=120.0))


def requests_of(work, quick):
    return max(work.requests(quick), (CLIENTS if work.pipeline > 1 else 10) * work.pipeline)


def exists(make, command):
    """Whether the server has the command."""
    with make() as server:
        reply = server.connect().command("COMMAND", "INFO", command)
        return reply.value[0].value is not None


# What issue 4 weighs: 200,000 small values of ten 8-byte members, and one of a million 14-byte members of each type.
SMALL_VALUES, SMALL_MEMBERS = 200_000, 10
WEIGHTS = {
    "hash of ten": (b"HSET", lambda number: (b"field%03d" % number, b"value%03d" % number)),
    "list of ten": (b"RPUSH", lambda number: (b"elem%04d" % number,)),
    "set of ten": (b"SADD", lambda number: (b"memb%04d" % number,)),
    "sorted set of ten": (b"ZADD", lambda number: (b"%d" % number, b"memb%04d" % number)),
}
LARGE_WEIGHTS = {
    "sorted set": (b"ZADD", lambda number: (b"%d" % number, b"member%08d" % number)),
    "hash": (b"HSET", lambda number: (b"field_%08d" % number, b"value%03d" % (number % 1000))),
    "set": (b"SADD", lambda number: (b"member%08d" % number,)),
}


def fill_stream(connection):
    pipeline(connection, ((b"XADD", b"stream", b"*", b"field", b"value%03d" % (number % 1000)) for number in range(FILL_KEYS)))


def weigh(make, fill, count):
    """RSS after the fill less RSS of the empty server, for each of `count` things."""
    with make() as server:
        connection = server.connect(timeout=120.0)
        connection.command("PING")
        empty = resident_bytes(server.pid)
        fill(connection)
        return (resident_bytes(server.pid) - empty) / count


def small_values(command, element):
    def fill(connection):
        words = [word for number in range(SMALL_MEMBERS) for word in element(number)]
        pipeline(connection, ((command, b"key:%012d" % number, *words) for number in range(SMALL_VALUES)))

    return fill


def print_weights(options, makers):
    row("RSS bytes", "Strata", "Redis", "ratio (goal 0.85)")
    row(*["---"] * 4)
    rows = [(f"{name} (each)", small_values(*how), SMALL_VALUES) for name, how in WEIGHTS.items()]
    rows += [(f"{name} of 1 M (each member)", fill_collection(b"large", FILL_KEYS, *how), FILL_KEYS) for name, how in LARGE_WEIGHTS.items()]
    if all(exists(make, "XADD") for make in makers):
        rows.append(("stream of 1 M (each entry)", fill_stream, FILL_KEYS))
    for name, fill, count in rows:
        if options.only.lower() in name.lower():
            ours, theirs = (statistics.median(weigh(make, fill, count) for _ in range(1 if options.quick else 3)) for make in makers)
            row(name, f"{ours:.0f}", f"{theirs:.0f}", f"**{ours / theirs:.2f}**" + (" short" if ours / theirs > 0.85 else ""))


def print_types(options, makers):
    """Every type: CPU per request, and memory."""
    row("work (50 clients)", "CPU µs/request", "Redis", "less CPU", "goal")
    row(*["---"] * 5)
    for work in selected(TYPES, options):
        if not all(exists(make, work.command[0]) for make in makers):
            row(work.name, "not there", "", "", "")
            continue
        ours, theirs = measure(work, makers, options)
        cpu, cpu_redis = median(ours, "cpu_us"), median(theirs, "cpu_us")
        ratio = cpu_redis / cpu if cpu else 0
        row(work.name, f"{cpu:.2f}", f"{cpu_redis:.2f}", f"**{ratio:.1f}×**", f"{work.goal}×" + (" short" if ratio < work.goal else ""))
    print()
    print_weights(options, makers)


def fill_and_weigh(make, rounds_keys=FILL_KEYS):
    """Bytes of RSS for each key: 16-byte keys, 64-byte values."""
    with make() as server:
        connection = server.connect(timeout=120.0)
        connection.command("PING")
        empty = resident_bytes(server.pid)
        pipeline(connection, ((b"SET", b"key:%012d" % number, b"x" * VALUE_BYTES) for number in range(rounds_keys)))
        return (resident_bytes(server.pid) - empty) / rounds_keys


# --- Printing -----------------------------------------------------------------------------------------------------


def row(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def print_comparison(options, makers):
    row("work (50 clients, 64-byte values)", "CPU µs/request", "Redis", "less CPU", "requests/s", "Redis", "p50 / p99 / p99.9 ms", "Redis")
    row(*["---"] * 8)
    for work in selected(ONE_THREAD, options):
        ours, theirs = measure(work, makers, options)
        cpu, cpu_redis = median(ours, "cpu_us"), median(theirs, "cpu_us")
        row(work.name, f"{cpu:.2f}", f"{cpu_redis:.2f}", f"**{cpu_redis / cpu if cpu else 0:.1f}×**",
            rate(ours), rate(theirs), latencies(ours), latencies(theirs))
    if not options.only:
        ours, theirs = (statistics.median(fill_and_weigh(make) for _ in range(1 if options.quick else 3)) for make in makers)
        print(f"\nBytes of RSS per key (1 M keys of 16 bytes, 64-byte values): {ours:.0f}; Redis {theirs:.0f}; "
              f"**{ours / theirs:.2f}×**")


def print_threads(options, makers):
    """Strata with one and with more threads: what a request costs, and who carries how much."""
    row("work", "CPU µs, 1 thread", f"CPU µs, {options.threads} threads", "ratio", "share of CPU by thread")
    row(*["---"] * 5)
    for work in selected(MORE_THREADS, options):
        one, more = measure(work, makers, options)
        shares = [statistics.median(column) for column in zip(*(run["shares"][: options.threads] for run in more))]
        row(work.name, f"{median(one, 'cpu_us'):.2f}", f"{median(more, 'cpu_us'):.2f}",
            f"{median(more, 'cpu_us') / median(one, 'cpu_us'):.2f}", " / ".join(f"{share:.0%}" for share in shares))


def selected(works, options):
    return [work for work in works if options.only.lower() in work.name.lower()]


def rate(runs):
    return f"{median(runs, 'rps') / 1000:,.0f}k"


def latencies(runs):
    return " / ".join(f"{median(runs, name):.2f}" for name in ("p50", "p99", "p99.9"))


def machine():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{os.cpu_count()} cores, {model.group(1) if model else platform.machine()}, Linux {platform.release()}"


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--strata", default=str(ROOT / "build/release/bin/strata-server"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one short round: a look, not a measurement")
    parser.add_argument("--types", action="store_true", help="every data type: CPU, and bytes of memory")
    parser.add_argument("--threads", type=int, default=1, help="2: compare Strata with itself at one thread")
    parser.add_argument("--only", default="", help="rows whose name holds this text")
    parser.add_argument("--server-options", default="", help="more options for strata-server")
    options = parser.parse_args()
    if options.quick:
        options.rounds = 1

    def strata(threads):
        return lambda: without_persistence(options.strata, "--threads", threads, *options.server_options.split())

    version = subprocess.run([REDIS_SERVER, "--version"], capture_output=True, text=True, check=True).stdout
    print(f"{time.strftime('%Y-%m-%d')}, {machine()}, Redis {re.search('v=([0-9.]+)', version).group(1)}, "
          f"median of {options.rounds} interleaved rounds\n")
    if options.types:
        print_types(options, [strata(1), lambda: without_persistence(REDIS_SERVER)])
    elif options.threads == 1:
        print_comparison(options, [strata(1), lambda: without_persistence(REDIS_SERVER)])
    else:
        print_threads(options, [strata(1), strata(options.threads)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
