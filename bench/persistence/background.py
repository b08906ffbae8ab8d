#!/usr/bin/python3
"""What other clients and the memory see of BGSAVE and BGREWRITEAOF under full write load, Strata and redis-server.

    background.py STRATA_SERVER [--keys N] [--threads N] [--rounds N] [--json FILE] [--plot FILE.png]

See README.md. --plot needs python3-matplotlib.
"""

import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

from resp import Connection, encode  # noqa: E402
from servers import REDIS_SERVER, Server  # noqa: E402

REDIS_BENCHMARK = "/usr/bin/redis-benchmark"
VALUE_BYTES = 64
BATCH = 1000
PACE_SECONDS = 0.001
SAMPLE_SECONDS = 0.05
BEFORE_SECONDS, AFTER_SECONDS = 2.0, 1.0
END_SECONDS_MAX = 120


def fill(server, keys):
    """The keys that redis-benchmark will overwrite."""
    connection = server.connect()
    value = b"v" * VALUE_BYTES
    for first in range(0, keys, BATCH):
        arguments = [b"MSET"]
        for number in range(first, min(first + BATCH, keys)):
            arguments += (b"key:%012d" % number, value)
        connection.send(encode(arguments))
        assert connection.read().kind == "+"


def probe(port, answers, stop):
    """Sends a PING every millisecond; answers with (when it was sent, how long it took)."""
    connection = Connection(port)
    found = []
    while not stop.is_set():
        began = time.monotonic()
        connection.command("PING")
        found.append((began, time.monotonic() - began))
        time.sleep(PACE_SECONDS)
    answers.put(found)


def family(pid):
    """The process and its children."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid, *map(int, children)]


def memory_kb(pid):
    """Of the process and its children, what is theirs: a page that both see counts once."""
    total = 0
    for member in family(pid):
        try:
            for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except OSError:
            pass  # the child has just ended
    return total


def info(connection):
    lines = connection.command("INFO", "everything").value.decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


class Watch:
    """Samples the memory until it is told to stop."""

    def __init__(self, pid):
        self.pid, self.samples, self.stopping = pid, [], False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopping:
            self.samples.append((time.monotonic(), memory_kb(self.pid)))
            time.sleep(SAMPLE_SECONDS)

    def end(self):
        self.stopping = True
        self.thread.join()


def start_load(server, keys):
    return subprocess.Popen([REDIS_BENCHMARK, "-p", str(server.port), "-t", "set", "-r", str(keys), "-d", str(VALUE_BYTES),
                             "-c", "20", "-P", "16", "-n", "2000000000", "-q"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def measure(binary, command, keys, *options):
    """One server, one BGSAVE or BGREWRITEAOF in the midst of load."""
    log = "yes" if command == "BGREWRITEAOF" else "no"
    field = "aof_rewrite_in_progress" if log == "yes" else "rdb_bgsave_in_progress"
    with Server(binary, "--save", "", "--appendonly", log, "--auto-aof-rewrite-percentage", "0", *options) as server:
        fill(server, keys)
        control = server.connect(timeout=END_SECONDS_MAX)
        answers, stop = multiprocessing.Queue(), multiprocessing.Event()
        prober = multiprocessing.Process(target=probe, args=(server.port, answers, stop))
        load = start_load(server, keys)
        watch = Watch(server.pid)
        try:
            prober.start()
            time.sleep(1.0)  # the load and the log's buffers have reached their height
            began = time.monotonic()
            time.sleep(BEFORE_SECONDS)
            control.command("CONFIG", "RESETSTAT")
            saving = time.monotonic()
            assert control.command(command).kind == "+"
            while info(control)[field] != "0":
                assert time.monotonic() < saving + END_SECONDS_MAX, "it does not end"
                time.sleep(0.02)
            saved = time.monotonic()
            fields = info(control)
            time.sleep(AFTER_SECONDS)
        finally:
            load.kill()
            load.wait()
            stop.set()
            watch.end()
        found = answers.get()
        prober.join()
        assert fields["aof_last_bgrewrite_status" if log == "yes" else "rdb_last_bgsave_status"] == "ok"
    during = [took for at, took in found if saving <= at <= saved]
    before = [took for at, took in found if began <= at < saving]
    memory_before = statistics.median(kb for at, kb in watch.samples if began <= at < saving)
    return {
        "seconds": saved - saving,
        "writes_per_second": int(fields["total_commands_processed"]) / (saved - saving),
        "ping_before_ms": [1000 * max(before), 1000 * quantile(before, 0.99)],
        "ping_during_ms": [1000 * max(during), 1000 * quantile(during, 0.99)],
        "memory_ratio": max(kb for at, kb in watch.samples if saving <= at <= saved) / memory_before,
        "memory_before_mb": memory_before / 1024,
        "longest_turn_us": int(fields.get("longest_loop_turn_usec", 0)),
        "longest_hold_us": int(fields.get("longest_shard_hold_usec", 0)),
        "answers": [(at - saving, 1000 * took) for at, took in found if began <= at],
        "end": saved - saving,
    }


def quantile(values, share):
    return sorted(values)[int(share * (len(values) - 1))]


def plot(path, runs):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(2, 2, figsize=(11, 6.5), sharey=True)
    for row, command in enumerate(("BGSAVE", "BGREWRITEAOF")):
        for column, name in enumerate(("redis-server", "Strata")):
            axis, run = axes[row][column], runs[command][name][0]
            axis.axvspan(0, run["end"], color="#dddddd", lw=0)
            axis.plot(*zip(*run["answers"]), ".", ms=2, color=("#c0392b", "#1f618d")[column])
            axis.set_yscale("log")
            axis.set_title(f"{name}, {command}: {run['memory_ratio']:.2f} × memory", fontsize=10)
            axis.grid(True, axis="y", alpha=0.3)
            if column == 0:
                axis.set_ylabel("PING, ms")
            if row == 1:
                axis.set_xlabel("seconds since the command")
    figure.suptitle("Answer times of another client under full write load; grey: while it runs", fontsize=11)
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def median_of(runs, read):
    return statistics.median(read(run) for run in runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("strata")
    parser.add_argument("--keys", type=int, default=2_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    runs = {command: {"redis-server": [], "Strata": []} for command in ("BGSAVE", "BGREWRITEAOF")}
    for _ in range(options.rounds):  # in turn, so that what else the machine does hits both
        for command, found in runs.items():
            found["redis-server"].append(measure(REDIS_SERVER, command, options.keys))
            found["Strata"].append(measure(options.strata, command, options.keys, "--threads", options.threads))
    print(f"| {options.keys:,} keys, medians of {options.rounds} | seconds | writes/s meanwhile | worst PING before → during | "
          "p99 before → during | memory | longest turn, hold (CPU) |\n|---|---|---|---|---|---|---|")
    for command, found in runs.items():
        for name, of_one in found.items():
            own = "" if name != "Strata" else (f"{max(run['longest_turn_us'] for run in of_one)} µs, "
                                               f"{max(run['longest_hold_us'] for run in of_one)} µs")
            pings = [median_of(of_one, lambda run, w=when, k=kind: run[f"ping_{w}_ms"][k])
                     for kind in (0, 1) for when in ("before", "during")]
            print(f"| {name} {command} | {median_of(of_one, lambda run: run['seconds']):.1f} | "
                  f"{median_of(of_one, lambda run: run['writes_per_second']):,.0f} | {pings[0]:.1f} → {pings[1]:.1f} ms | "
                  f"{pings[2]:.2f} → {pings[3]:.2f} ms | {median_of(of_one, lambda run: run['memory_ratio']):.2f} × | {own} |")
    if options.json:
        options.json.write_text(json.dumps(runs))
    if options.plot:
        plot(options.plot, runs)


if __name__ == "__main__":
    main()
