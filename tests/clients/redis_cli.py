#!/usr/bin/python3
"""redis-cli against Strata: at a terminal, where help and completion come from COMMAND DOCS, and in its batch modes.

redis_cli.py STRATA_SERVER
"""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from servers import without_persistence  # noqa: E402

REDIS_CLI = "/usr/bin/redis-cli"
ANSWER_SECONDS_MAX = 20
COLOURS = re.compile(r"\x1b\[[0-9;]*\w")


class Terminal:
    """redis-cli on a pseudo-terminal."""

    def __init__(self, *arguments):
        pid, self.screen = pty.fork()
        if pid == 0:
            os.environ["TERM"] = "xterm"
            # Without a size, redis-cli would ask the terminal where the cursor is, and wait for the answer.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
            os.execv(REDIS_CLI, [REDIS_CLI, *arguments])
        self.pid = pid
        self.text = ""

    def type(self, keys):
        self.text = ""
        os.write(self.screen, keys.encode())

    def expect(self, pattern):
        """Waits until what was printed since the last type() matches."""
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while not re.search(pattern, self.text, re.S):
            ready, _, _ = select.select([self.screen], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"no {pattern!r} in {self.text!r}"
            self.text = COLOURS.sub("", self.text + os.read(self.screen, 65536).decode(errors="replace"))

    def close(self):
        os.write(self.screen, b"exit\r")
        os.waitpid(self.pid, 0)
        os.close(self.screen)


def at_a_terminal(server):
    terminal = Terminal("-p", str(server.port))
    terminal.expect(r"127\.0\.0\.1:\d+>")
    for keys, answer in [
        ("set greeting hello\r", r"OK"),
        ("get greeting\r", r'"hello"'),
        ("lpush l a b\r", r"\(integer\) 2"),
        ("lrange l 0 -1\r", r'1\) "b".*2\) "a"'),
        ("incr greeting\r", r"\(error\) ERR value is not an integer or out of range"),
        ("multi\r", r"OK.*\(TX\)"),
        ("exec\r", r"\(empty array\)"),
        # Help: summary, version and group of a command; then all of a group.
        ("help getrange\r", r"GETRANGE.*key start end.*summary: .*since: 2\.4\.0.*group: string"),
        ("help @list\r", r"LPUSH key element"),
        # A hint appears while a command is typed; Tab completes its name.
        ("hset ", r"hset .*key field value"),
        ("\x15hincrb\t", r"HINCRBY"),
        ("\x15select 3\r", r"\[3\]"),
    ]:
        terminal.type(keys)
        # After a whole line comes the next prompt; keys typed before it would be echoed by the terminal itself.
        terminal.expect(answer + r".*> $" if keys.endswith("\r") else answer)
    terminal.close()


def run(server, *arguments, given=None):
    result = subprocess.run([REDIS_CLI, "-p", str(server.port), *arguments], input=given, capture_output=True, timeout=60,
                            check=False)
    assert result.returncode == 0, f"{arguments}: {result.stderr.decode()}"
    return result.stdout.decode()


def in_batch(server):
    run(server, "flushall")
    assert run(server, "set", "k", "v") == "OK\n"
    assert run(server, "-3", "hset", "h", "f", "v") == "1\n"
    assert run(server, "-x", "set", "stdin", given=b"from standard input") == "OK\n"
    mass = b"".join(b"*3\r\n$3\r\nSET\r\n$8\r\nkey:%04d\r\n$1\r\nv\r\n" % number for number in range(5000))
    assert "errors: 0, replies: 5000" in run(server, "--pipe", given=mass)
    assert len(run(server, "--scan", "--pattern", "key:*").split()) == 5000
    assert "Sampled 5003 keys" in run(server, "--bigkeys")
    assert "redis_version:" in run(server, "info", "server")


def main():
    with without_persistence(sys.argv[1]) as server:
        at_a_terminal(server)
        in_batch(server)
        code = server.stop()
        assert code == 0, f"strata-server ended with {code}"
    print("redis-cli: ok")


if __name__ == "__main__":
    main()
