#!/usr/bin/python3
"""The whole default run of redis-benchmark against Strata, in several shapes: redis_benchmark.py STRATA_SERVER

Nothing is measured here: every one of its tests must run to the end without an error.
"""

import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from servers import without_persistence  # noqa: E402

TESTS = ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPUSH", "RPUSH", "LPOP", "RPOP", "SADD", "HSET", "SPOP",
         "ZADD", "ZPOPMIN", "LRANGE_100", "LRANGE_300", "LRANGE_500", "LRANGE_600", "MSET"]
SHAPES = [["-n", "2000"], ["-n", "10000", "-P", "16", "-r", "10000"], ["-n", "5000", "--threads", "2"],
          ["-n", "3000", "-c", "1000"]]
SECONDS_MAX = 240


def main():
    with without_persistence(sys.argv[1]) as server:
        for shape in SHAPES:
            run = subprocess.run(["/usr/bin/redis-benchmark", "-p", str(server.port), "-q", *shape],
                                 capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
            lines = [line for line in re.split(r"[\r\n]", run.stdout) if "requests per second" in line]
            missing = [test for test in TESTS if not any(line.startswith(test) for line in lines)]
            # redis-benchmark warns when it cannot read CONFIG, and prints the server's error replies.
            complaints = re.findall(r".*(?:rror|WARN).*", run.stdout + run.stderr)
            print(f"redis-benchmark {' '.join(shape)}: {len(lines)} tests")
            if run.returncode != 0 or missing or complaints:
                print(f"exit code {run.returncode}, missing {missing}, complaints {complaints}\n{server.log_tail()}")
                return 1
        return server.stop()


if __name__ == "__main__":
    sys.exit(main())
