#!/usr/bin/python3
"""Runs a program of examples/ against a fresh server: example.py STRATA_SERVER PROGRAM [--threads N]."""

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from servers import without_persistence  # noqa: E402

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SKIPPED = 77
SECONDS_MAX = 120


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("strata")
    parser.add_argument("program")
    parser.add_argument("--threads", type=int, default=4)
    options = parser.parse_args()
    if importlib.util.find_spec("redis") is None:
        print("redis-py is not installed")
        return SKIPPED
    with without_persistence(options.strata, "--threads", options.threads) as server:
        done = subprocess.run([sys.executable, EXAMPLES / options.program, "--port", str(server.port)],
                              timeout=SECONDS_MAX, check=False)
        return done.returncode or server.stop()


if __name__ == "__main__":
    sys.exit(main())
