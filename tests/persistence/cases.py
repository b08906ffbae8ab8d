"""What the scripts of this folder share: cases by name, starting on files, refusals, folders as bytes."""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from resp import ConnectionLost, Reply  # noqa: E402, F401
from servers import REDIS_SERVER, Server  # noqa: E402

WAIT_SECONDS_MAX = 60
EXIT_SECONDS_MAX = 60
SKIPPED = 77
# What the tests write beside the servers' own files.
NOT_DATA = ("server.log", "redis.conf", "start.sh")


class Skip(Exception):
    """This machine cannot run the case."""


class Case:
    """Where a case works: a folder for each server, and the options of Strata."""

    def __init__(self, strata, threads, folder):
        self.strata, self.threads, self.folder = strata, threads, folder

    def path(self, name):
        path = self.folder / name
        path.mkdir(exist_ok=True)
        return path

    def copy(self, name, of):
        """A copy of another folder's data."""
        target = self.folder / name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(of, target, ignore=shutil.ignore_patterns(*NOT_DATA))
        return target

    def ours(self, folder, *options):
        return Server(self.strata, *options, "--threads", self.threads, "--enable-debug-command", "yes", folder=folder)

    def ours_with_file(self, folder, text, *options):
        """With a configuration file, so that Redis's defaults hold. It has to be the first argument: a script puts it there."""
        config, starter = folder / "redis.conf", folder / "start.sh"
        config.write_text(text)
        starter.write_text(f'#!/bin/sh\nexec "{self.strata}" "{config}" "$@"\n')
        starter.chmod(0o755)
        return Server(starter, "--threads", self.threads, "--enable-debug-command", "yes", *options, folder=folder)

    def redis(self, folder, *options):
        return Server(REDIS_SERVER, "--enable-debug-command", "yes", "--save", "", *options, folder=folder)


def data_files(folder):
    """Every file of the data with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name not in NOT_DATA}


def wait_until(true, what, seconds=WAIT_SECONDS_MAX):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.02)


def exit_code(server, what):
    try:
        return server.process.wait(EXIT_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        server.kill()
        raise AssertionError(f"{what}: the server does not end:\n{server.log_tail()}") from None


def require_refusal(server, *words):
    """The start fails with a line that holds the words, and no file has changed."""
    before = data_files(server.folder)
    server.log_path.unlink(missing_ok=True)
    server.launch()
    code = exit_code(server, f"a start that should be refused ({words})")
    log = server.log_path.read_text(errors="replace")
    assert code == 1, f"exit code {code}:\n{log}"
    for word in words:
        assert word.lower() in log.lower(), f"the log does not name '{word}':\n{log}"
    changed = [name for name, data in before.items() if data_files(server.folder).get(name) != data]
    assert not changed, f"a refused start changed {changed}"


def shut_down(server, *words, code=0):
    """SHUTDOWN, and the end of the process."""
    connection = server.connect()
    try:
        reply = connection.command("SHUTDOWN", *words)
        raise AssertionError(f"SHUTDOWN was answered: {reply}")
    except ConnectionLost:
        pass
    got = exit_code(server, "SHUTDOWN")
    assert got == code, f"SHUTDOWN {words} ended with {got}:\n{server.log_tail()}"


def info(connection, section="everything"):
    lines = connection.command("INFO", section).value.decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def run_cases(cases, usage):
    parser = argparse.ArgumentParser(usage=usage)
    parser.add_argument("strata")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", help="the name of one case")
    parser.add_argument("--keep", action="store_true", help="keep the folders")
    options = parser.parse_args()
    skipped = failed = 0
    for case in cases:
        name = case.__name__
        if options.only and options.only != name:
            continue
        folder = Path(tempfile.mkdtemp(prefix=f"strata-{name}-"))
        began = time.monotonic()
        try:
            case(Case(options.strata, options.threads, folder))
            print(f"ok      {name} ({time.monotonic() - began:.1f} s)", flush=True)
        except Skip as reason:
            skipped += 1
            print(f"skipped {name}: {reason}", flush=True)
        except (AssertionError, ConnectionLost, RuntimeError, OSError, subprocess.SubprocessError):
            failed += 1
            traceback.print_exc()
            print(f"FAILED  {name}; the folder is kept: {folder}", flush=True)
            continue
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    if failed:
        return 1
    return SKIPPED if skipped == len(cases) else 0
