"""Clients that go on whatever happens to the log, and know what was acknowledged."""

import threading
import time

from cases import ConnectionLost

VALUE_BYTES = 700
CLIENTS = 3
CRASH_POINT_EXIT_CODE = 137  # of a server that ended at STRATA_CRASH_POINT


def random_like(number):
    """Nothing that could be compressed."""
    return b"%d:" % number + bytes((number * 7919 + i * i * 31 + i) % 251 for i in range(VALUE_BYTES))


class Counter(threading.Thread):
    """INCR and SET in turn, whatever is answered: connects again, goes on after -MISCONF. Notes what was acknowledged."""

    def __init__(self, server, number):
        super().__init__(daemon=True)
        self.server, self.name = server, f"counter:{number}"
        self.stopping, self.acknowledged, self.refused, self.trouble = False, 0, 0, None

    def run(self):
        connection = None
        while not self.stopping:
            try:
                connection = connection or self.server.connect()
                reply = connection.command("INCR", self.name)
                if reply.kind == ":":
                    # Those that were in doubt count, too: the number may be higher than what was acknowledged.
                    if int(reply.value) <= self.acknowledged:
                        self.trouble = f"{self.name} is {reply.value} after {self.acknowledged}"
                        return
                    self.acknowledged = int(reply.value)
                    reply = connection.command("SET", f"{self.name}:{self.acknowledged % 300}", random_like(self.acknowledged))
                if reply.kind == "-":
                    if not reply.value.startswith(b"MISCONF "):
                        self.trouble = reply.value
                        return
                    self.refused += 1
                    time.sleep(0.02)
            except (ConnectionLost, OSError):
                connection = None
                time.sleep(0.02)


def start_counters(server):
    counters = [Counter(server, number) for number in range(CLIENTS)]
    for counter in counters:
        counter.start()
    return counters


def stop_counters(counters):
    for counter in counters:
        counter.stopping = True
    for counter in counters:
        counter.join()
        assert counter.trouble is None, counter.trouble
