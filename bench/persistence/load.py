#!/usr/bin/python3
"""How long Strata and redis-server take to load the same 2-million-key RDB and AOF. See README.md.

    load.py STRATA_SERVER [--keys N] [--rounds N] [--threads N] [--json FILE]
"""

import argparse
import json
import re
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

from servers import REDIS_SERVER, Server  # noqa: E402

SECONDS = re.compile(r"DB loaded from (?:disk|append only file|base file \S+|incr file \S+): ([\d.]+) seconds")
VALUE_BYTES = 64
PIPELINE = 10_000
LOAD_SECONDS_MAX = 300


def make_rdb(folder, keys):
    with Server(REDIS_SERVER, "--save", "", "--enable-debug-command", "yes", folder=folder) as server:
        connection = server.connect(timeout=LOAD_SECONDS_MAX)
        connection.command("DEBUG", "POPULATE", keys, "key", VALUE_BYTES)
        connection.command("SAVE")


def make_aof(folder, keys):
    """Plain SETs in one increment, as redis-server writes them: no checksums, so both servers read the same bytes."""
    log = folder / "appendonlydir"
    log.mkdir()
    (log / "appendonly.aof.manifest").write_text("file appendonly.aof.1.incr.aof seq 1 type i\n")
    value = b"v" * VALUE_BYTES
    with open(log / "appendonly.aof.1.incr.aof", "wb") as file:
        file.write(b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n")
        for first in range(0, keys, PIPELINE):
            parts = []
            for n in range(first, min(first + PIPELINE, keys)):
                key = b"key:%d" % n
                parts.append(b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(key), key, VALUE_BYTES, value))
            file.write(b"".join(parts))


def load_once(binary, source, keys, options):
    """The seconds that the server's own log line says."""
    folder = Path(tempfile.mkdtemp(prefix="strata-load-"))
    shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("server.log"))
    try:
        with Server(binary, "--save", "", *options, folder=folder) as server:
            size = server.connect(timeout=LOAD_SECONDS_MAX).command("DBSIZE").value
            assert int(size) == keys, f"{binary} loaded {size} keys of {keys}"
            return max(float(text) for text in SECONDS.findall(server.log_path.read_text()))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("strata")
    parser.add_argument("--keys", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    for name, make, log in (("RDB", make_rdb, "no"), ("AOF", make_aof, "yes")):
        source = Path(tempfile.mkdtemp(prefix="strata-load-source-"))
        make(source, options.keys)
        times = {"strata": [], "redis": []}
        for _ in range(options.rounds):  # in turn, so that what else the machine does hits both
            times["redis"].append(load_once(REDIS_SERVER, source, options.keys, ("--appendonly", log)))
            times["strata"].append(load_once(options.strata, source, options.keys,
                                             ("--appendonly", log, "--threads", options.threads)))
        shutil.rmtree(source, ignore_errors=True)
        ours, theirs = statistics.median(times["strata"]), statistics.median(times["redis"])
        rows.append({"file": name, "strata_s": ours, "redis_s": theirs, "ratio": theirs / ours, "all": times})
    print(f"| {options.keys:,} keys, {options.threads} threads | redis-server | Strata | ratio |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row['file']} | {row['redis_s']:.2f} s | {row['strata_s']:.2f} s | {row['ratio']:.2f} |")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
