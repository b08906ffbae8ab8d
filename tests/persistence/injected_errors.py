#!/usr/bin/python3
"""EIO and ENOSPC from single system calls of the real server, injected by strace: at every call of a step, one by one.

    injected_errors.py STRATA_SERVER [--threads N] [--only CASE] [--keep]

The k-th call of a kind fails, for k = 1, 2, … until a step has no k-th call; then it is the next kind's turn. (strace counts
for each thread; a snapshot or a rewrite has one of its own.) The server runs with --io epoll, because strace does not
see what goes through io_uring. A case fails where its injections were not hit.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from cases import NOT_DATA, Skip, exit_code, info, run_cases, wait_until
from dataset import contents, pipeline, require_same
from servers import Server

STRACE = "/usr/bin/strace"
ATTACH_SECONDS_MAX = 30
CALLS_MAX = 40
INJECTED = "(INJECTED)"
OURS = re.compile(r"appendonly|temp-|dump\.rdb|/strata-")  # Other files are not meant: /proc, for INFO.


def error_of(number):
    return "EIO" if number % 2 else "ENOSPC"


class Strace:
    """Attached to a server while the with statement lasts; `injections` are pairs of a call and its number."""

    def __init__(self, case, server, error, *injections):
        self.server, self.output = server, case.folder / "strace.txt"
        self.output.unlink(missing_ok=True)
        self.arguments = arguments(self.output, error, *injections)

    def __enter__(self):
        self.process = subprocess.Popen([STRACE, *self.arguments, "-p", str(self.server.pid)], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + ATTACH_SECONDS_MAX
        while not self.is_attached():
            if self.process.poll() is not None:
                raise Skip(f"strace cannot attach here: {self.process.stderr.read().strip()}")
            assert time.monotonic() < deadline, "strace does not attach"
            time.sleep(0.005)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        self.process.stderr.close()

    def is_attached(self):
        threads = Path(f"/proc/{self.server.pid}/task").iterdir()
        return all("TracerPid:\t0\n" not in (thread / "status").read_text() for thread in threads)

    def hits(self):
        return hits(self.output)


def arguments(output, error, *injections):
    calls = ",".join(call for call, _ in injections)
    injected = [f"inject={call}:error={error}:when={number}" for call, number in injections]
    return ["-f", "-y", "-qq", "-o", str(output), "-e", f"trace={calls}", *(word for one in injected for word in ("-e", one))]


def hits(output):
    """How many calls on files of ours were made to fail."""
    lines = output.read_text(errors="replace").splitlines() if output.exists() else []
    return sum(1 for line in lines if INJECTED in line and OURS.search(line))


def was_called(output):
    """Whether some call was made to fail, of ours or not."""
    return output.exists() and INJECTED in output.read_text(errors="replace")


def start(case, name, *options):
    if not Path(STRACE).exists():
        raise Skip("strace is not installed")
    return Server(case.strata, "--threads", case.threads, "--io", "epoll", "--appendonly", "yes", "--save", "",
                  "--auto-aof-rewrite-percentage", "0", *options, folder=case.path(name))


def fill(connection):
    pipeline(connection, [("SET", f"key:{number}", "v" * number) for number in range(200)] + [("RPUSH", "list", 1, 2, 3)])


def set_until_acknowledged(server, key, value):
    """Writes until the log has resumed. The value is there then, whatever was answered before."""
    def is_set():
        return server.connect().command("SET", key, value).kind == "+"
    wait_until(is_set, f"{key} = {value}")


def require_all(server, what):
    expected = contents(server.connect())
    server.kill()
    server.start()
    require_same(contents(server.connect()), expected, what)


def no_leftovers(folder, what):
    left = [str(path) for path in folder.rglob("*") if path.name.startswith("temp-") or path.name.endswith(".tmp")]
    assert not left, f"{what}: {left}"


def every_call(case, server, call, step, afterwards, least):
    """Runs the step once for each of its calls of this kind, which fails; and afterwards, when nothing fails any more."""
    found = 0
    for number in range(1, CALLS_MAX):
        error = error_of(number)
        with Strace(case, server, error, (call, number)) as strace:
            step(f"{call} {number} {error}")
        found += strace.hits()
        afterwards(f"{call} {number} {error}")
        no_leftovers(server.folder, f"{call} {number} {error}")
        if not was_called(strace.output):
            break
    assert found >= least, f"only {found} calls of {call} were made to fail, of {least} at least"


# --- The log ------------------------------------------------------------------------------------------------------


def the_log(case):
    """A write or a sync of the log fails: its client is told, the log resumes, nothing is lost."""
    for policy, call in (("always", "pwrite64"), ("always", "fdatasync"), ("everysec", "pwrite64"), ("everysec", "fdatasync")):
        with start(case, f"{policy} {call}", "--appendfsync", policy) as server:
            control = server.connect()
            fill(control)
            for error in ("EIO", "ENOSPC"):
                resumptions = int(info(control)["aof_resumptions"])
                with Strace(case, server, error, (call, 1)) as strace:
                    reply = server.connect().command("SET", "in doubt", error)
                    if policy == "always" or call == "pwrite64":
                        assert reply.kind == "-" and reply.value.startswith(b"MISCONF "), (policy, call, error, reply)
                    wait_until(strace.hits, f"{policy}: {call} of the log")
                wait_until(lambda: int(info(control)["aof_resumptions"]) > resumptions, f"{policy}, {call}: a resumption")
                set_until_acknowledged(server, "after", error)
                assert control.command("GET", "in doubt").value == error.encode()
            require_all(server, f"{policy}, {call}")


def is_begun_afresh(server):
    control = server.connect()
    fields = info(control)
    if fields["aof_last_write_status"] == "err" and fields["aof_rewrite_in_progress"] == "0":
        control.command("BGREWRITEAOF")
    return fields["aof_last_write_status"] == "ok" and fields["aof_rewrite_in_progress"] == "0"


def resumption(case):
    """Whatever fails as a failed log is begun afresh, a later attempt does it, and no file is left."""
    with start(case, "resumption", "--appendfsync", "always") as server:
        fill(server.connect())
        for call, numbers in (("openat", (1, 2, 3)), ("pwritev2", (1,)), ("pwrite64", (1, 2)), ("fsync", (1, 2, 3, 4, 5, 6)),
                              ("rename", (1, 2))):
            for number in numbers:
                what = f"{call} {number}"
                # The log's own thread has the sync that fails first.
                with Strace(case, server, error_of(number), ("fdatasync", 1), (call, number)) as strace:
                    reply = server.connect().command("SET", "in doubt", number)
                    assert reply.kind == "-" and reply.value.startswith(b"MISCONF "), (call, number, reply)
                    server.connect().command("BGREWRITEAOF")  # Rather than wait for the server's own attempt.
                    wait_until(lambda: strace.hits() >= 2, f"{what} of the fresh generation")
                    assert info(server.connect())["aof_last_write_status"] == "err", what
                wait_until(lambda: is_begun_afresh(server), f"a resumption after {what}")
                set_until_acknowledged(server, "after", number)
                no_leftovers(server.folder, what)
        require_all(server, "after failed resumptions")


# --- BGREWRITEAOF and BGSAVE --------------------------------------------------------------------------------------


def end_of(server, field, start_command):
    control = server.connect()
    reply = control.command(start_command)
    assert reply.kind == "+", reply
    wait_until(lambda: info(control)[field] == "0", f"the end of {start_command}")


def rewrite(case):
    """A rewrite that fails somewhere leaves the log in order, or begun afresh, and no files; a later one works."""
    with start(case, "rewrite", "--appendfsync", "always") as server:
        fill(server.connect())

        def step(_):
            end_of(server, "aof_rewrite_in_progress", "BGREWRITEAOF")

        def afterwards(what):
            set_until_acknowledged(server, "after", what)
            wait_until(lambda: info(server.connect())["aof_rewrite_in_progress"] == "0", "the end of a resumption")

        for call, least in (("openat", 6), ("pwrite64", 4), ("pwritev2", 1), ("fsync", 6), ("rename", 3), ("unlink", 2)):
            every_call(case, server, call, step, afterwards, least)
        step("at last")
        assert info(server.connect())["aof_last_bgrewrite_status"] == "ok"
        require_all(server, "after failed rewrites")


def save(case):
    """A dump that cannot be written leaves the old one, and no half-made file; writes go on, for there are no save points."""
    with start(case, "save", "--appendonly", "no") as server:
        control = server.connect()
        fill(control)
        pipeline(control, [("SAVE",)])
        dump = server.folder / "dump.rdb"
        seen = {"ok": 0, "err": 0}

        def step(what):
            before = dump.read_bytes()
            pipeline(control, [("SET", "changed", what)])
            end_of(server, "rdb_bgsave_in_progress", "BGSAVE")
            status = info(control)["rdb_last_bgsave_status"]
            seen[status] += 1
            # The last thing is the sync of the directory: then the new one is there, and may not outlive a power cut.
            if status == "err" and not what.startswith(("fsync 2", "openat 2")):
                assert dump.read_bytes() == before, f"{what}: the old dump has changed"

        for call, least in (("openat", 1), ("pwritev2", 1), ("fsync", 2), ("rename", 1)):
            every_call(case, server, call, step, lambda _: None, least)
        assert seen["err"] >= 4 and seen["ok"] >= 4, seen
        step("at last")
        assert info(control)["rdb_last_bgsave_status"] == "ok"
        expected = contents(control)
        pipeline(control, [("SAVE",)])
        server.kill()
        server.start()
        require_same(contents(server.connect()), expected, "the last dump")


# --- The start ----------------------------------------------------------------------------------------------------


def start_once(case, folder, call, number, error):
    """A start under strace. Returns whether the call was there, and the exit code, or None: it serves."""
    output = case.folder / "strace.txt"
    output.unlink(missing_ok=True)
    starter = folder / "start.sh"
    words = " ".join(f"'{word}'" for word in (STRACE, "-D", *arguments(output, error, (call, number))))
    starter.write_text(f'#!/bin/sh\nexec {words} "{Path(case.strata).absolute()}" "$@"\n')
    starter.chmod(0o755)
    server = Server(starter, "--threads", case.threads, "--io", "epoll", "--appendonly", "yes", "--appendfsync", "always",
                    "--save", "", folder=folder)
    server.log_path.unlink(missing_ok=True)
    try:
        server.start()
        code = None
    except RuntimeError:
        code = exit_code(server, f"{call} {number}")
    server.kill()
    wait_until(lambda: not is_open(output), "the end of strace")
    return was_called(output), hits(output), code, server.log_path.read_text(errors="replace")


def is_open(path):
    """Whether some process still writes to it."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link) == str(path):
                return True
        except OSError:
            pass
    return False


def the_start(case):
    """A start that meets an error serves all the same, or says so and ends with 1; the next start has everything."""
    with start(case, "original", "--appendfsync", "always") as server:
        fill(server.connect())
        end_of(server, "aof_rewrite_in_progress", "BGREWRITEAOF")
        pipeline(server.connect(), [("SET", "last", 1)])
        expected = contents(server.connect())
        server.kill()
        original = case.path("data")
        shutil.copytree(server.folder, original, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*NOT_DATA))
        refused = 0
        for call, least in (("openat", 4), ("pread64", 3), ("pwrite64", 2), ("fsync", 4), ("rename", 1)):
            found = 0
            for number in range(1, 400):
                folder = case.copy("copy", original)
                is_there, hit, code, log = start_once(case, folder, call, number, error_of(number))
                if not is_there:
                    break
                if not hit:
                    continue
                found += hit
                assert code in (None, 1), f"{call} {number}: the start ended with {code}:\n{log}"
                if code == 1:
                    refused += 1
                    assert "Fatal error loading the data" in log, f"{call} {number}: no reason is given:\n{log}"
                with case.ours(folder, "--appendonly", "yes", "--save", "") as again:
                    require_same(contents(again.connect()), expected, f"after a start whose {call} {number} failed")
                no_leftovers(folder, f"{call} {number}")
            assert found >= least, f"{call}: {found} calls of a start were made to fail, of {least} at least"
        assert refused > 5, refused


CASES = (the_log, resumption, rewrite, save, the_start)

if __name__ == "__main__":
    sys.exit(run_cases(CASES, __doc__))
