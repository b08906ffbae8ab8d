#!/usr/bin/python3
"""Replays tests/commands/*.test against Strata and Debian's redis-server and compares the replies byte for byte.

    replay.py STRATA_SERVER [--threads N] [--verbose] [script...]      (names without .test; default: all)

A script holds one command on each line, as for redis-cli ("quotes" and \\xHH). Around them:

    # comment
    !resp3, !resp2    HELLO 3 or 2 on this connection (compared with !shape: the reply names the server)
    !conn N           the following commands go over connection N, opened on demand
    !sleep MS         wait
    !flush            FLUSHALL on both
    !unordered        the next reply's arrays are compared as multisets
    !pairs            the same, for arrays of pairs
    !shape            the next reply: only types and lengths of arrays
    !kind             the next reply: only its type
    !within N         the next reply: numbers may differ by N
    !noreply          the next command has no reply (CLIENT REPLY)
    !expect TEXT      the next reply must be TEXT (as support/resp.py shows it) on Strata; redis-server is not asked

Each script starts on two fresh, empty servers. What may differ stands, with its reason, in differences.txt.
"""

import argparse
import fnmatch
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from compare import by, pairs, shape, unordered, within  # noqa: E402
from resp import ConnectionLost, Reply, encode, show, split_words  # noqa: E402
from servers import REDIS_SERVER, without_persistence  # noqa: E402

HERE = Path(__file__).resolve().parent
SHOWN_REPLY_CHARACTERS_MAX = 600
EXACT = by(lambda reply: reply)
COMPARISONS = {"!unordered": by(unordered), "!pairs": by(pairs), "!shape": by(shape),
               "!kind": by(lambda reply: reply.kind)}


# --- Replaying ------------------------------------------------------------------------------------------------


class Side:
    """One of the two servers, with its connections by number."""

    def __init__(self, server):
        self.server = server
        self.connections = {}
        self.number = "1"

    def run(self, words, wait=True):
        try:
            if self.number not in self.connections:
                self.connections[self.number] = self.server.connect(timeout=20.0)
            connection = self.connections[self.number]
            connection.send(encode(words))
            return connection.read() if wait else Reply("none", None)
        except (ConnectionLost, OSError) as error:
            self.connections.pop(self.number, None)
            if isinstance(error.__cause__, TimeoutError):
                # Not even where both sides are silent: a script has to say with !noreply that it expects nothing.
                return Reply("no answer", self.server.port)
            # Both sides lose a connection for their own wording of the same reason.
            return Reply("lost", None) if self.server.process.poll() is None else Reply("dead", str(error).encode())


class Script:
    """One .test file on two fresh servers."""

    def __init__(self, path, ours, theirs, known):
        self.path, self.known = path, known
        self.ours, self.theirs = Side(ours), Side(theirs)
        self.compared = self.differences = self.known_differences = 0
        self.same, self.expected, self.wait = EXACT, None, True

    def run(self):
        for number, line in enumerate(self.path.read_text().splitlines(), 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            if line.startswith("!"):
                self.directive(number, line)
            else:
                self.command(number, line)
                self.same, self.expected, self.wait = EXACT, None, True
            if self.ours.server.process.poll() is not None:
                self.fail(number, line, Reply("dead", b""), None)
                print(self.ours.server.log_tail(40))
                return

    def directive(self, number, line):
        word, _, rest = line.partition(" ")
        if word in COMPARISONS:
            self.same = COMPARISONS[word]
        elif word == "!within":
            self.same = within(float(rest))
        elif word == "!expect":
            self.expected = rest.strip()
        elif word == "!noreply":
            self.wait = False
        elif word == "!sleep":
            time.sleep(float(rest) / 1000)
        elif word == "!conn":
            self.ours.number = self.theirs.number = rest.strip()
        elif word == "!flush":
            self.command(number, "flushall")
        elif word in ("!resp2", "!resp3"):
            self.same = by(lambda reply: reply.kind)
            self.command(number, "hello " + word[-1])
            self.same = EXACT
        else:
            raise ValueError(f"{self.path}:{number}: unknown directive {word}")

    def command(self, number, line):
        words = split_words(line)
        self.compared += 1
        ours = self.ours.run(words, self.wait)
        if self.expected is not None:
            if show(ours) != self.expected:
                self.fail(number, line, ours, None)
            return
        theirs = self.theirs.run(words, self.wait)
        if not self.same(ours, theirs):
            if any(fnmatch.fnmatchcase(line.lower(), pattern) for pattern in self.known):
                self.known_differences += 1
            else:
                self.fail(number, line, ours, theirs)

    def fail(self, number, line, ours, theirs):
        self.differences += 1
        wanted = self.expected if theirs is None else shorten(theirs)
        print(f"{self.path.relative_to(HERE.parents[1])}:{number}: {line}")
        print(f"    redis-server: {wanted}\n    strata:       {shorten(ours)}")


def shorten(reply):
    text = show(reply) if reply.kind not in ("lost", "dead", "none", "no answer") else f"<connection {reply.kind}>"
    return text if len(text) <= SHOWN_REPLY_CHARACTERS_MAX else text[:SHOWN_REPLY_CHARACTERS_MAX] + "…"


def read_known():
    """Patterns of commands whose replies may differ."""
    lines = (HERE / "differences.txt").read_text().splitlines()
    return [line.split("  ")[0].strip().lower() for line in lines if line.strip() and not line.startswith("#")]


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("strata")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("scripts", nargs="*")
    options = parser.parse_args()

    paths = [HERE / f"{Path(name).stem}.test" for name in options.scripts] or sorted(HERE.glob("*.test"))
    known, failed, compared, excused = read_known(), 0, 0, 0
    for path in paths:
        with without_persistence(options.strata, "--threads", options.threads) as ours, \
             without_persistence(REDIS_SERVER) as theirs:
            script = Script(path, ours, theirs, known)
            script.run()
            if ours.process.poll() is None and ours.stop() != 0:
                print(f"{path.name}: strata-server ended with {ours.process.returncode}\n{ours.log_tail(40)}")
                script.differences += 1
        print(f"{path.name}: {script.compared} commands, {script.differences} differences")
        failed += script.differences
        compared += script.compared
        excused += script.known_differences
    print(f"{len(paths)} scripts, {compared} commands, {failed} differences, {excused} known ones")
    return 1 if failed or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
