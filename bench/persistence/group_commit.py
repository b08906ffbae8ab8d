#!/usr/bin/python3
"""appendfsync always: Strata beside redis-server, and beside its own everysec, in one run. See README.md.

    group_commit.py STRATA_SERVER [--rounds N] [--seconds N] [--threads N] [--json FILE]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

from servers import REDIS_SERVER, Server  # noqa: E402

LOADS = {"50 clients, pipeline 16": (50, 16), "50 clients, pipeline 1": (50, 1), "1 client, pipeline 1": (1, 1)}
VALUE_BYTES = 32
KEYS = 100_000


def cpu_seconds(pid):
    """User and system time of all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def benchmark(server, clients, pipeline, requests):
    """Requests per second, as the wall clock sees them, and CPU microseconds of the server per request."""
    command = ["redis-benchmark", "-p", str(server.port), "-t", "set", "-n", str(requests), "-c", str(clients),
               "-P", str(pipeline), "-r", str(KEYS), "-d", str(VALUE_BYTES), "-q"]
    cpu, began = cpu_seconds(server.pid), time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - began
    return requests / seconds, (cpu_seconds(server.pid) - cpu) / requests * 1e6


def measure(servers, clients, pipeline, options):
    """The servers take turns within each round, so that what else the machine does hits all."""
    results = {name: [] for name in servers}
    wanted = {}
    for name, server in servers.items():
        probe = 2000 * pipeline if clients > 1 else 1000
        rate, _ = benchmark(server, clients, pipeline, probe)
        wanted[name] = max(probe, int(rate * options.seconds))
    for _ in range(options.rounds):
        for name, server in servers.items():
            results[name].append(benchmark(server, clients, pipeline, wanted[name]))
    return results


def median_ratio(above, below):
    """Of the rounds' own ratios: neighbours in time saw the same machine."""
    return statistics.median(a[0] / b[0] for a, b in zip(above, below))


def row(load, results):
    rates = {name: statistics.median(rate for rate, _ in rounds) for name, rounds in results.items()}
    cpu = {name: statistics.median(us for _, us in rounds) for name, rounds in results.items()}
    return {"load": load, "rate": rates, "cpu_us": cpu,
            "to_everysec": median_ratio(results["always"], results["everysec"]),
            "to_redis": median_ratio(results["always"], results["redis"]), "all": results}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("strata")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=("50x16", "50x1", "1x1"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    log = ("--save", "", "--appendonly", "yes", "--auto-aof-rewrite-percentage", "0", "--appendfsync")
    rows = []
    for load, (clients, pipeline) in LOADS.items():
        if options.only not in (None, f"{clients}x{pipeline}"):
            continue
        with Server(REDIS_SERVER, *log, "always") as redis, \
                Server(options.strata, "--threads", options.threads, *log, "everysec") as everysec, \
                Server(options.strata, "--threads", options.threads, *log, "always") as always:
            servers = {"redis": redis, "everysec": everysec, "always": always}
            rows.append(row(load, measure(servers, clients, pipeline, options)))
    print("| SET, requests/s (server's CPU µs each) | redis-server always | Strata everysec | Strata always "
          "| always/everysec | Strata/redis-server |\n|---|---|---|---|---|---|")
    for r in rows:
        cells = [f"{r['rate'][name]:,.0f} ({r['cpu_us'][name]:.2f})" for name in ("redis", "everysec", "always")]
        print(f"| {r['load']} | {' | '.join(cells)} | {r['to_everysec']:.2f} | {r['to_redis']:.2f} |")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
