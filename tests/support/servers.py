"""Starts servers for tests: on a free port of 127.0.0.1, in a folder of their own, ended by their process id."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from resp import Connection, ConnectionLost

REDIS_SERVER = "/usr/bin/redis-server"
START_SECONDS_MAX = 120  # A machine that is busy elsewhere was seen to give a start nothing for 30 s.
STOP_SECONDS_MAX = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running server; use it in a with statement.

    The folder is the server's working directory; one that was made here is removed at the end.
    """

    def __init__(self, binary, *options, folder=None):
        # The process runs in a folder of its own: a path is made absolute, a bare name is looked up.
        self.binary = str(Path(binary).absolute()) if "/" in str(binary) else str(binary)
        self.options = [str(option) for option in options]
        self.made_folder = folder is None
        self.folder = Path(folder or tempfile.mkdtemp(prefix="strata-test-"))
        self.port = 0
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        if self.made_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def launch(self):
        """Starts the process and does not wait for it."""
        self.port = free_port()
        command = [self.binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), *self.options]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start(self):
        """Returns once the server answers PING with anything but -LOADING."""
        self.launch()
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                reply = self.connect().command("PING")
                if reply.kind != "-" or not reply.value.startswith(b"LOADING"):
                    return
            except (ConnectionLost, OSError):
                pass
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.binary} ended with {self.process.returncode} as it started:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                waits = self.what_threads_wait_for()
                self.kill()
                raise RuntimeError(f"{self.binary} does not answer:\n{self.log_tail()}\n{waits}")
            time.sleep(0.01)

    def what_threads_wait_for(self):
        """A line for each thread: in which place of the kernel it sleeps, in which system call."""
        lines = []
        for thread in Path(f"/proc/{self.pid}/task").iterdir():
            try:
                lines.append(" ".join((thread / name).read_text().strip() for name in ("comm", "wchan", "syscall")))
            except OSError as error:
                lines.append(f"{thread.name}: {error}")
        return "\n".join(lines)

    def stop(self):
        """SIGTERM, and the exit code; SIGKILL when that does not help."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode

    def kill(self):
        self.process.kill()
        self.process.wait()

    def connect(self, timeout=30.0):
        return Connection(self.port, timeout)

    @property
    def pid(self):
        return self.process.pid

    @property
    def log_path(self):
        return self.folder / "server.log"

    def log_tail(self, lines=20):
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])


def without_persistence(binary, *options):
    """A server for comparing replies: nothing is written, DEBUG is allowed."""
    return Server(binary, "--save", "", "--appendonly", "no", "--enable-debug-command", "yes", *options)
