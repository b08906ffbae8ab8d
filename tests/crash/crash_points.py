#!/usr/bin/python3
"""Ends the real server at every named crash point and at random moments, and looks whether what it acknowledged is there.

    crash_points.py STRATA_SERVER [--rounds-each 1] [--random 5] [--policy always|everysec] [--point NAME] [--seed S]
                    [--lose]

The points are those of the sources (base/crash_point.h): STRATA_CRASH_POINT("…"). In each round clients write as in
kill9.py, while BGSAVE and BGREWRITEAOF follow one another; the server ends at its point, or is killed at a random
moment, which is often in the middle of a snapshot or a rewrite. Then it is started again on the same folder, now and
then with a point of the start itself, or killed while it loads, and what it holds is compared: nothing acknowledged
is missing, in each client's order, transactions whole; no temporary file is left.

It fails if a point was never reached. With --lose half of the last increment is taken away before a start, and it fails if
that is not noticed.
"""

import argparse
import collections
import os
import random
import re
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "persistence"))

from kill9 import Appender, Broken, MultiSetter, Transactor, Writer, finish, require  # noqa: E402
from resp import ConnectionLost  # noqa: E402
from servers import Server  # noqa: E402

SOURCES = Path(__file__).resolve().parents[2] / "src"
POINT = re.compile(r'STRATA_CRASH_POINT\("([a-z_.]+)"\)')
EXIT_CODE = 137
ROUNDS_PER_FOLDER = 10  # Then a new folder: lists and log would grow for ever.
POINT_SECONDS_MAX = 60.0
START_SECONDS_MAX = 120.0
RANDOM_SECONDS_MAX = 0.4
FILLING = 300  # Keys besides the clients', so that a snapshot takes a moment.
LARGE_BYTES = 100_000  # Beyond the size up to which records lie in the log's ring.

# How often a point is passed until it counts, at most; the others end at their first or second pass.
PASSES_MAX = {"log.before_write": 200, "log.after_write": 200, "log.before_sync": 200, "log.after_sync": 200,
              "log.within_large_record": 5, "snapshot.half_written": 1, "rewrite.within_removal": 2,
              "replacement.before_rename": 3, "replacement.after_rename": 3}
SYNCS = ("log.before_sync", "log.after_sync")  # Every second under everysec.
# Passed as a start does its work, or as an orderly end does; a failing disk is resumption.py's, CONFIG SET
# appendonly is switching.py's.
OF_A_START = ("cut.before_truncation", "cut.after_truncation", "cut.after_manifest")
OF_AN_END = ("log.before_sync_of_seal", "ending.after_seal")
OF_A_FAILURE = ("resumption.after_increment", "resumption.after_manifest")
OF_A_SWITCH = ("beginning.after_increment", "beginning.after_manifest")
EITHER = ("increment.created", "increment.written", "replacement.before_rename", "replacement.after_rename")


def all_points():
    paths = [path for path in sorted(SOURCES.rglob("*")) if path.suffix in (".cc", ".h") and path.name != "crash_point.h"]
    found = {point for path in paths if not path.name.endswith("_test.cc") for point in POINT.findall(path.read_text())}
    return sorted(found)


class LargeWriter(Appender):
    """SET of a value that has a block of its own in the log, then as an Appender."""

    def commands(self, n):
        return [("SET", f"large:{self.name}", str(n) * (LARGE_BYTES // len(str(n)))), *super().commands(n)]


class Snapshots(threading.Thread):
    """BGREWRITEAOF and BGSAVE in turn, until the server is gone."""

    def __init__(self, server):
        super().__init__()
        self.server = server

    def run(self):
        try:
            connection = self.server.connect()
            while True:
                connection.command("BGREWRITEAOF")
                time.sleep(0.03)
                connection.command("BGSAVE", "SCHEDULE")
                time.sleep(0.03)
        except (ConnectionLost, OSError):
            pass


class Campaign:
    def __init__(self, options):
        self.options = options
        self.chooser = random.Random(options.seed)
        self.hits = collections.Counter()
        self.kills = self.acknowledged = self.recoveries_interrupted = 0
        self.server = None

    # --- One folder ---

    def new_folder(self):
        self.close_folder()
        self.manners = [kind(f"{kind.__name__.lower()}{index}") for index, kind in
                        enumerate((Appender, Transactor, MultiSetter, LargeWriter) * 2)]
        self.last = dict.fromkeys(self.manners, 0)
        self.server = Server(self.options.strata, "--save", "", "--appendonly", "yes", "--appendfsync", self.options.policy,
                             "--threads", self.options.threads, "--auto-aof-rewrite-percentage", "0")
        self.server.start()
        connection = self.server.connect()
        for number in range(FILLING):
            connection.command("SET", f"filling:{number}", os.urandom(2000).hex())
        self.rounds = 0

    def close_folder(self):
        if self.server:
            self.server.__exit__()
        self.server = None

    def keep_folder(self):
        self.server.kill()
        print(f"the folder is kept: {self.server.folder}\n{self.server.log_tail(30)}")
        self.server = None

    # --- Starting with a point, and waiting for it ---

    def launch(self, point, passes=1):
        os.environ["STRATA_CRASH_POINT"] = f"{point}:{passes}"
        try:
            self.server.launch()
        finally:
            del os.environ["STRATA_CRASH_POINT"]

    def wait_for_end(self, seconds):
        """True: it ended at its point."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            code = self.server.process.poll()
            if code is not None:
                require(code == EXIT_CODE, f"the server ended with {code}")
                return True
            time.sleep(0.005)
        self.server.kill()
        return False

    def wait_for_ping(self):
        """False: it ended before it answered."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            try:
                if self.server.connect().command("PING").kind == "+":
                    return True
            except (ConnectionLost, OSError):
                pass
            code = self.server.process.poll()
            if code is not None:
                require(code == EXIT_CODE, f"the server ended with {code} as it started")
                return False
            time.sleep(0.005)
        raise Broken("the server does not answer")

    # --- Rounds ---

    def load(self):
        writers = [Writer(self.server, manner, self.last[manner], self.chooser.random()) for manner in self.manners]
        # After a rotation there would be nothing to lose.
        threads = writers if self.options.lose else [*writers, Snapshots(self.server)]
        for thread in threads:
            thread.start()
        return writers, threads

    def play(self, point):
        """One round; a point that is None stands for a random moment."""
        if self.server is None or self.rounds == ROUNDS_PER_FOLDER:
            self.new_folder()
        self.rounds += 1
        is_rare = self.options.policy == "everysec" and point in SYNCS
        passes = self.chooser.randint(1, 2 if is_rare else PASSES_MAX.get(point, 2))
        writers = []
        hit = False
        if point in OF_A_START:
            hit = self.interrupt_start(point)
        else:
            is_armed = point is not None and point not in OF_AN_END
            self.restart(point if is_armed else None, passes)
            if self.server.process.poll() is None and self.wait_for_ping():
                writers, threads = self.load()
                hit = self.end(point)
                for thread in threads:
                    thread.join()
            else:
                hit = True
        self.kills += 1
        self.hits[point or "(a random moment)"] += hit
        self.recover()
        self.check(writers)

    def restart(self, point, passes):
        """The server runs already when no point is to be reached."""
        if point is None:
            return
        self.server.kill()
        self.launch(point, passes)

    def end(self, point):
        if point in OF_AN_END:
            time.sleep(self.chooser.uniform(0.05, 0.2))
            self.server.kill()
            self.launch(point)
            require(self.wait_for_ping(), "no start")
            self.server.process.terminate()
            return self.wait_for_end(POINT_SECONDS_MAX)
        if point is None:
            time.sleep(RANDOM_SECONDS_MAX if self.options.lose else self.chooser.uniform(0.01, RANDOM_SECONDS_MAX))
            self.server.kill()
            return True
        return self.wait_for_end(POINT_SECONDS_MAX)

    def interrupt_start(self, point):
        """A start that has something to cut: half a batch, as a power cut leaves it."""
        self.server.kill()
        increments = sorted((self.server.folder / "appendonlydir").glob("*.incr.aof"), key=lambda path: int(path.name.split(".")[2]))
        if point == "cut.after_manifest":
            # The last increment has nothing but its opening: the cut takes it away and leaves one in use.
            self.server.start()
            self.server.kill()
            increments = sorted((self.server.folder / "appendonlydir").glob("*.incr.aof"),
                                key=lambda path: int(path.name.split(".")[2]))
            if len(increments) < 2:
                return False
            torn = increments[-2]
        else:
            torn = increments[-1]
        with open(torn, "ab") as file:
            file.write(b"#SB:0000")
        self.launch(point)
        return not self.wait_for_ping() or self.wait_for_end(0)

    def lose_something(self):
        increments = [path for path in (self.server.folder / "appendonlydir").glob("*.incr.aof")]
        newest = max(increments, key=lambda path: int(path.name.split(".")[2]))
        os.truncate(newest, newest.stat().st_size // 2)  # The very last bytes were not acknowledged yet.

    def recover(self):
        """Starts it; now and then a start or two are interrupted before."""
        if self.options.lose:
            self.lose_something()
        while self.chooser.random() < 0.3:
            self.recoveries_interrupted += 1
            if self.chooser.random() < 0.5:
                self.launch(self.chooser.choice(EITHER), self.chooser.randint(1, 2))
                if self.wait_for_ping():
                    self.server.kill()
            else:
                self.server.launch()
                time.sleep(self.chooser.uniform(0, 0.05))
                self.server.kill()
        self.server.start()

    def check(self, writers):
        connection = self.server.connect(timeout=60.0)
        for writer in writers:
            require(writer.error is None, f"a write was refused: {writer.error}")
            n, seen = writer.manner.last(connection)
            name = writer.manner.seq
            require(n >= writer.acknowledged, f"{name}: {writer.acknowledged} was acknowledged, {n} is there")
            require(seen <= writer.sent, f"{name}: {seen} is there, only {writer.sent} was sent")
            self.acknowledged += writer.acknowledged - self.last[writer.manner]
            self.last[writer.manner] = n
            finish(connection, writer.manner, n, seen)
        found = [key for key in connection.command("KEYS", "filling:*").value]
        require(len(found) == FILLING, f"{len(found)} of {FILLING} keys are there")
        folders = (self.server.folder, self.server.folder / "appendonlydir")
        left = [path.name for folder in folders for path in folder.iterdir() if path.name.startswith("temp-")]
        require(not left, f"temporary files are left: {left}")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("strata")
    parser.add_argument("--rounds-each", type=int, default=1)
    parser.add_argument("--random", type=int, default=5)
    parser.add_argument("--policy", default="always")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--point")
    parser.add_argument("--lose", action="store_true")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    print(f"--seed {options.seed}", flush=True)
    points = [options.point] if options.point else [point for point in all_points() if point not in OF_A_FAILURE + OF_A_SWITCH]
    rounds = points * options.rounds_each + [None] * options.random
    campaign = Campaign(options)
    campaign.chooser.shuffle(rounds)
    try:
        for number, point in enumerate(rounds, 1):
            campaign.play(point)
            if number % 50 == 0 or number == len(rounds):
                print(f"{campaign.kills} kills, {campaign.recoveries_interrupted} recoveries interrupted, "
                      f"{campaign.acknowledged} numbers acknowledged, none lost", flush=True)
    except (Broken, ConnectionLost, RuntimeError) as error:
        print(f"at {point}: {error}")
        if options.lose and ("was acknowledged" in str(error) or "torn" in str(error) or "ends with" in str(error)):
            campaign.close_folder()
            return 0
        campaign.keep_folder()
        return 1
    if options.lose:
        print("what was taken away was not missed")
        return 1
    campaign.close_folder()
    for name in sorted(campaign.hits):
        print(f"{campaign.hits[name]:5} {name}")
    missed = [point for point in points if campaign.hits[point] < options.rounds_each]
    if missed:
        print(f"not reached as often as it should be: {', '.join(missed)}")
        return 1
    if campaign.acknowledged == 0:
        print("nothing was acknowledged: nothing was tested")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
