#!/usr/bin/python3
"""A reliable job queue on lists, with redis-py.

    job_queue.py --port 6379              against a server that runs
    job_queue.py --server strata-server   starts one of its own

Producers push jobs to the list `jobs`. A worker takes one with BLMOVE, which puts it into the worker's own list in
the same step, so a job is always in exactly one list: a worker that dies in the middle loses nothing. It says that
it is alive with a key that expires; whoever finds a list whose worker is gone moves the jobs back. A worker that was
only slow has its job done twice, so jobs must bear that.

The program ends with 0 if every job was done, although a third of the workers died over one.
"""

import argparse
import sys
import threading
import time
from pathlib import Path

import redis

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

JOBS = 300
WORKERS = 9
ALIVE_MS = 200


def own_list(worker):
    return f"working:{worker}"


def produce(connect, first, count):
    client = connect()
    for number in range(first, first + count):
        client.lpush("jobs", f"job {number}")


def work(connect, worker, dies):
    """Takes jobs until there are no more for a while. One that dies leaves its third job undone."""
    client = connect()
    taken = 0
    while True:
        client.set(f"alive:{worker}", "yes", px=ALIVE_MS)
        job = client.blmove("jobs", own_list(worker), timeout=0.1, src="RIGHT", dest="LEFT")
        if job is None and client.get("all done"):
            return
        if job is None:
            continue
        taken += 1
        if dies and taken == 3:
            return
        with client.pipeline() as done:  # MULTI … EXEC: done and taken off the list, or neither
            done.sadd("done", job)
            done.incr("times done")
            done.lrem(own_list(worker), 1, job)
            done.execute()


def bring_back(connect):
    """Moves the jobs of dead workers back until every job is done; returns how many."""
    client = connect()
    moved = 0
    while client.scard("done") < JOBS:
        for key in client.scan_iter("working:*"):
            worker = key.split(":")[1]
            while not client.exists(f"alive:{worker}") and client.lmove(key, "jobs", "RIGHT", "RIGHT"):
                moved += 1
        time.sleep(0.01)
    client.set("all done", "yes")
    return moved


def run(connect):
    connect().flushall()
    threads = [threading.Thread(target=work, args=(connect, w, w % 3 == 0)) for w in range(WORKERS)]
    threads += [threading.Thread(target=produce, args=(connect, first, JOBS // 3)) for first in range(0, JOBS, JOBS // 3)]
    for thread in threads:
        thread.start()
    moved = bring_back(connect)
    for thread in threads:
        thread.join()
    client = connect()
    left = [key for key in ("jobs", *map(own_list, range(WORKERS))) if client.exists(key)]
    print(f"{client.scard('done')} of {JOBS} jobs done, {client.get('times done')} times; "
          f"{moved} brought back from the dead; left over: {left or 'nothing'}")
    times = int(client.get("times done"))
    return client.scard("done") == JOBS and JOBS <= times <= JOBS + moved and moved > 0 and not left


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=6379)
    parser.add_argument("--server", help="start this one, on a free port, in a folder of its own")
    options = parser.parse_args()
    if not options.server:
        return 0 if run(lambda: redis.Redis(port=options.port, decode_responses=True)) else 1
    from servers import Server

    with Server(options.server) as server:
        return 0 if run(lambda: redis.Redis(port=server.port, decode_responses=True)) else 1


if __name__ == "__main__":
    sys.exit(main())
