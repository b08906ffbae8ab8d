#!/usr/bin/python3
"""Runs ioredis.js (npm's ioredis) against Strata: ioredis.py STRATA_SERVER; exits with 77 when ioredis is not there."""

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))

from servers import without_persistence  # noqa: E402


def main():
    if not shutil.which("node") or not (HERE / "node_modules" / "ioredis").exists():
        print("skipped: ioredis is not installed (./dev test runs npm ci in tests/clients, which needs a registry)")
        return 77
    with without_persistence(sys.argv[1]) as server:
        run = subprocess.run(["node", str(HERE / "ioredis.js"), str(server.port)], timeout=120, check=False)
        if run.returncode != 0:
            print(server.log_tail())
        return run.returncode or server.stop()


if __name__ == "__main__":
    sys.exit(main())
