#!/usr/bin/python3
"""A session store with redis-py: one hash for each session, whose fields expire on their own.

    session_store.py [--port 6379]

A session lasts as long as it is used: touching it puts its deadline off (HGETEX). Parts of it live shorter: a one-time
code is gone after a short while, and is taken at most once (HGETDEL), while the rest of the session stays. Run as it
stands, it plays the life of a session and checks each step.
"""

import argparse
import secrets
import time

import redis

SESSION_SECONDS = 1800
CODE_MILLISECONDS = 300


class SessionStore:
    def __init__(self, client):
        self.client = client

    @staticmethod
    def key(token):
        return f"session:{token}"

    def create(self, **values):
        """A new session; returns its token."""
        token = secrets.token_urlsafe(24)
        pairs = [word for pair in values.items() for word in pair]
        self.client.execute_command("HSETEX", self.key(token), "EX", SESSION_SECONDS, "FIELDS", len(values), *pairs)
        return token

    def touch(self, token, *fields):
        """Reads fields and lets them live for another SESSION_SECONDS; None for those that are gone."""
        return self.client.execute_command("HGETEX", self.key(token), "EX", SESSION_SECONDS, "FIELDS", len(fields), *fields)

    def issue_code(self, token):
        """A one-time code, good for CODE_MILLISECONDS; None if an earlier one still is."""
        code = f"{secrets.randbelow(10**6):06}"
        is_set = self.client.execute_command("HSETEX", self.key(token), "FNX", "PX", CODE_MILLISECONDS,
                                             "FIELDS", 1, "code", code)
        return code if is_set else None

    def redeem_code(self, token, code):
        """True once, for the right code and in time."""
        [stored] = self.client.execute_command("HGETDEL", self.key(token), "FIELDS", 1, "code")
        return stored is not None and secrets.compare_digest(stored, code)

    def seconds_left(self, token, field):
        [seconds] = self.client.execute_command("HTTL", self.key(token), "FIELDS", 1, field)
        return seconds

    def end(self, token):
        self.client.delete(self.key(token))


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--port", type=int, default=6379)
    client = redis.Redis(port=parser.parse_args().port, decode_responses=True)
    store = SessionStore(client)

    token = store.create(user="ada", theme="dark")
    assert store.touch(token, "user", "theme", "missing") == ["ada", "dark", None]
    assert SESSION_SECONDS - 5 <= store.seconds_left(token, "user") <= SESSION_SECONDS
    assert store.seconds_left(token, "missing") == -2

    code = store.issue_code(token)
    assert code and store.issue_code(token) is None, "one code at a time"
    assert store.redeem_code(token, code) and not store.redeem_code(token, code), "a code works once"

    # A code that nobody redeems goes on its own; the session stays.
    late = store.issue_code(token)
    deadline = time.monotonic() + 30
    while client.hlen(store.key(token)) > 2:
        assert time.monotonic() < deadline, "the code does not expire"
        time.sleep(0.01)
    assert not store.redeem_code(token, late)
    assert store.touch(token, "user") == ["ada"]

    store.end(token)
    assert store.touch(token, "user") == [None]
    print("a session was created, used and ended")


if __name__ == "__main__":
    main()
