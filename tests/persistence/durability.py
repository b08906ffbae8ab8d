#!/usr/bin/python3
"""CLIENT DURABILITY and WAITAOF: which replies leave while the disk hangs, and that the others leave afterwards.

    durability.py STRATA_SERVER [--threads N] [--only CASE] [--keep]

Syncs of the log hang for as long as a case wants them to, so what is not to leave is looked for after everything that
is to leave has come. A case fails if no sync of the server was disturbed.
"""

import errno
import select
import sys

from cases import ConnectionLost, info, run_cases, wait_until
from faulty_disk import HANGS, SYNC_ERRNO, SYNC_US, FaultyDisk
from resp import encode, show, to_bytes

SYNCED, NOT_SYNCED = "[(integer) 1, (integer) 0]", "[(integer) 0, (integer) 0]"


class Client:
    """One connection; commands as lines of words."""

    def __init__(self, server, *first):
        self.connection = server.connect(timeout=60)
        for line in first:
            self.expect(line, "OK")

    def send(self, *lines):
        self.connection.send(b"".join(encode([to_bytes(word) for word in line.split()]) for line in lines))

    def read(self, *replies):
        for wanted in replies:
            got = show(self.connection.read())
            assert got == wanted, f"{got} instead of {wanted}"

    def expect(self, line, *replies):
        self.send(line)
        self.read(*replies)

    def has_nothing(self):
        return not select.select([self.connection.socket], [], [], 0)[0]


def hang(disk, server):
    """Syncs hang, and one does already."""
    before = disk.hits()
    disk.set(SYNC_US, HANGS)
    return lambda: wait_until(lambda: disk.hits() > before, "a sync that hangs")


def levels(case):
    """Under each policy: a connection's level decides, and a disk level makes the log sync though the policy would not."""
    for policy, default in (("no", "memory"), ("everysec", "memory"), ("always", "disk")):
        disk = FaultyDisk(case)
        with disk.server(case, f"levels {policy}", "--appendfsync", policy) as server:
            plain = Client(server)
            clients = {level: Client(server, f"CLIENT DURABILITY {level}") for level in ("none", "memory", "disk")}
            plain.expect("SET before 1", "OK")
            until_it_hangs = hang(disk, server)
            clients["disk"].send("SET d 1", "GET d")
            until_it_hangs()
            # They have to come while it hangs, in any order of clients; the write of "memory" beside the sync.
            clients["none"].expect("SET n 1", "OK")
            clients["memory"].expect("SET m 1", "OK")
            clients["memory"].expect("GET d", '"1"')
            reader = Client(server, "CLIENT DURABILITY disk")
            reader.send("GET d", "GET m")
            plain.send("SET p 1", "GET d")
            if default == "memory":
                plain.read("OK", '"1"')
            # The server has seen what the reader sent when it answers who came later.
            late = Client(server)
            late.expect("PING", "PONG")
            assert clients["disk"].has_nothing() and reader.has_nothing(), f"{policy}: a reply came before its sync"
            assert default == "memory" or plain.has_nothing(), f"{policy}: a reply came before its sync"
            disk.set(SYNC_US, 0)
            clients["disk"].read("OK", '"1"')
            reader.read('"1"', '"1"')
            if default == "disk":
                plain.read("OK", '"1"')
            assert disk.hits() > 0


def next_command(case):
    """NEXT holds for one command, or for one transaction; RESET ends it all."""
    disk = FaultyDisk(case)
    with disk.server(case, "next", "--appendfsync", "no") as server:
        for first, rest in ((("CLIENT DURABILITY NEXT disk", "SET a 1"), ("SET b 1", "GET b")),
                            (("CLIENT DURABILITY NEXT disk", "MULTI", "SET a 1", "EXEC"), ("SET b 1", "GET b"))):
            client, other = Client(server), Client(server)
            until_it_hangs = hang(disk, server)
            client.send(*first)
            client.read("OK")
            until_it_hangs()
            other.expect("SET c 1", "OK")
            assert client.has_nothing(), "a reply came before its sync"
            disk.set(SYNC_US, 0)
            client.read(*(("OK",) if len(first) == 2 else ("OK", "QUEUED", "[OK]")))
            disk.set(SYNC_US, HANGS)
            for line in rest:  # "no" again: nothing is synced
                client.expect(line, "OK" if line.startswith("SET") else '"1"')
            disk.set(SYNC_US, 0)
    # One batch of a pipeline: what is behind a stronger level leaves after it, what is before it does not wait.
    disk = FaultyDisk(case)
    with disk.server(case, "always", "--appendfsync", "always") as server:
        client, other = Client(server), Client(server)
        disk.set(SYNC_US, HANGS)
        client.send("CLIENT DURABILITY memory", "SET a 1", "CLIENT DURABILITY NEXT disk", "SET b 1", "SET c 1")
        client.read("OK", "OK", "OK")
        wait_until(lambda: disk.hits() > 0, "a sync that hangs")
        assert client.has_nothing(), "a reply came before its sync"
        disk.set(SYNC_US, 0)
        client.read("OK", "OK")
        client.expect("RESET", "RESET")
        before = disk.hits()
        disk.set(SYNC_US, HANGS)
        client.send("SET d 1")
        wait_until(lambda: disk.hits() > before, "a sync that hangs")
        other.expect("PING", "PONG")
        assert client.has_nothing(), "RESET did not bring back the policy's level"
        disk.set(SYNC_US, 0)
        client.read("OK")


def wait_aof(case):
    """WAITAOF waits for the sync of the client's own writes, for its timeout, or until it is unblocked."""
    for policy in ("no", "everysec", "always"):
        disk = FaultyDisk(case)
        with disk.server(case, f"waits {policy}", "--appendfsync", policy) as server:
            idle, writer = Client(server), Client(server, "CLIENT DURABILITY memory")
            idle.expect("WAITAOF 1 0 0", SYNCED)
            idle.expect("WAITAOF 1 1 20", SYNCED)
            disk.set(SYNC_US, HANGS)
            writer.expect("SET a 1", "OK")
            writer.expect("WAITAOF 1 0 20", NOT_SYNCED)
            writer.expect("WAITAOF 0 0 0", NOT_SYNCED)
            writer.expect("WAITAOF 0 1 20", NOT_SYNCED)
            writer.send("MULTI", "WAITAOF 1 0 0", "EXEC")
            writer.read("OK", "QUEUED", f"[{NOT_SYNCED}]")
            idle.expect("WAITAOF 1 0 0", SYNCED)
            writer.send("CLIENT ID", "WAITAOF 1 0 0", "PING")
            client_id = writer.connection.read().value.decode()
            wait_until(lambda: int(info(idle.connection)["blocked_clients"]) == 1, "a client that waits")
            idle.expect(f"CLIENT UNBLOCK {client_id} ERROR", "(integer) 1")
            writer.read("(error) UNBLOCKED client unblocked via CLIENT UNBLOCK", "PONG")
            writer.send("WAITAOF 1 0 0", "WAITAOF 0 0 0", "PING")
            wait_until(lambda: int(info(idle.connection)["blocked_clients"]) == 1, "a client that waits")
            idle.expect("PING", "PONG") if policy == "always" else idle.expect("SET b 1", "OK")
            assert writer.has_nothing(), "WAITAOF came before the sync"
            assert disk.hits() > 0
            disk.set(SYNC_US, 0)
            writer.read(SYNCED, SYNCED, "PONG")
            wait_until(lambda: int(info(idle.connection)["blocked_clients"]) == 0, "nobody waits")


def leaving(case):
    """A client that goes while it waits, and one that is killed, take nothing with them."""
    disk = FaultyDisk(case)
    with disk.server(case, "leaving", "--appendfsync", "no") as server:
        stays = Client(server)
        disk.set(SYNC_US, HANGS)
        for _ in range(20):
            goes, killed = Client(server), Client(server)
            killed.send("CLIENT ID")
            client_id = killed.connection.read().value.decode()
            for client in (goes, killed):
                client.expect("SET a 1", "OK")
                client.send("WAITAOF 1 0 0")
            wait_until(lambda: int(info(stays.connection)["blocked_clients"]) == 2, "clients that wait")
            goes.connection.socket.close()
            stays.expect(f"CLIENT KILL ID {client_id}", "(integer) 1")
            wait_until(lambda: int(info(stays.connection)["blocked_clients"]) == 0, "nobody waits")
        disk.set(SYNC_US, 0)
        stays.expect("SET b 1", "OK")
        stays.expect("WAITAOF 1 0 0", SYNCED)
        assert disk.hits() > 0


def failing(case):
    """A sync that fails: who waits for it is told so, and reads at the disk level go on."""
    disk = FaultyDisk(case)
    with disk.server(case, "failing", "--appendfsync", "no") as server:
        waits, writes, reads = Client(server), Client(server, "CLIENT DURABILITY disk"), Client(server)
        disk.set(SYNC_US, HANGS)
        waits.expect("SET a 1", "OK")
        waits.send("WAITAOF 1 0 0")
        writes.send("SET b 1")
        wait_until(lambda: int(info(reads.connection)["blocked_clients"]) == 1 and disk.hits() > 0, "a client that waits")
        disk.set(SYNC_ERRNO, errno.EIO)
        disk.set(SYNC_US, 0)
        assert waits.connection.read().value.startswith(b"MISCONF "), "WAITAOF"
        assert writes.connection.read().value.startswith(b"MISCONF "), "SET"
        try:
            writes.connection.read()
            raise AssertionError("the connection goes on")
        except ConnectionLost:
            pass
        wait_until(lambda: info(reads.connection)["aof_last_write_status"] == "err", "the log's failure")
        reads.expect("CLIENT DURABILITY disk", "OK")
        reads.expect("GET a", '"1"')
        waits.expect("WAITAOF 0 0 0", NOT_SYNCED)


CASES = (levels, next_command, wait_aof, leaving, failing)

if __name__ == "__main__":
    sys.exit(run_cases(CASES, __doc__))
