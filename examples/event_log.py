#!/usr/bin/python3
"""An event log on streams with consumer groups, with redis-py.

    event_log.py [--port 6379]

Producers append events to one stream. Two groups read it independently: `billing` shares the events among its
workers, each event going to one of them, and `audit` has a single reader that sees all in order. A worker
acknowledges what it has done; one that dies leaves its events pending, and the others take them over (XAUTOCLAIM)
once they have been idle for a while. A slow worker may lose its events that way and yet bill them, so an invoice
bears the event's ID: twice delivered is once billed. What both groups are done with is trimmed away. Run as it
stands, some workers die on the way, and at the end every event has its invoice.
"""

import argparse
import threading

import redis

STREAM = "events"
PRODUCERS, EVENTS = 3, 200  # of each producer
WORKERS, DYING = 4, 2
BATCH = 7
IDLE_MS = 100


class EventLog:
    def __init__(self, client):
        self.client = client

    def create_groups(self):
        for group in ("billing", "audit"):
            self.client.xgroup_create(STREAM, group, id="0", mkstream=True)

    def append(self, **event):
        return self.client.xadd(STREAM, event)

    def take(self, group, worker, block_ms=50):
        """New events for this worker: [(id, event)]."""
        reply = self.client.xreadgroup(group, worker, {STREAM: ">"}, count=BATCH, block=block_ms)
        return reply[0][1] if reply else []

    def take_over(self, group, worker):
        """Events that a colleague has held for too long."""
        _, events, _ = self.client.xautoclaim(STREAM, group, worker, min_idle_time=IDLE_MS, count=BATCH)
        return events

    def bill(self, events):
        """Does the work and acknowledges it in one step, so that a death in between does both or neither."""
        with self.client.pipeline() as work:
            for number, event in events:
                work.hset("invoices", number, f"{event['customer']} pays {event['amount']}")
            work.xack(STREAM, "billing", *[number for number, _ in events])
            work.execute()

    def is_done(self, group):
        [state] = [state for state in self.client.xinfo_groups(STREAM) if state["name"] == group]
        return state["lag"] == 0 and state["pending"] == 0

    def trim(self):
        """Drops what nobody needs any more: before the first event that a group has not acknowledged."""
        needed = []
        for state in self.client.xinfo_groups(STREAM):
            pending = self.client.xpending(STREAM, state["name"])
            needed.append(pending["min"] if pending["pending"] else state["last-delivered-id"])
        return self.client.xtrim(STREAM, minid=min(needed, key=as_numbers), approximate=False)


def as_numbers(number):
    return tuple(map(int, number.split("-")))


def produce(connect, producer):
    log = EventLog(connect())
    for event in range(EVENTS):
        log.append(customer=f"customer {(producer + event) % 10}", amount=event, producer=producer)


def work(connect, worker, dies, produced):
    log = EventLog(connect())
    taken = 0
    while not (produced.is_set() and log.is_done("billing")):
        events = log.take_over("billing", worker) or log.take("billing", worker)
        taken += 1 if events else 0
        if dies and taken == 3:
            return  # with events in its hands
        if events:
            log.bill(events)


def audit(connect, produced, seen):
    """Reads everything in order and acknowledges it in bulk."""
    log = EventLog(connect())
    while not (produced.is_set() and log.is_done("audit")):
        events = log.take("audit", "auditor")
        seen.extend(events)
        if events:
            log.client.xack(STREAM, "audit", *[number for number, _ in events])


def check(client, seen):
    total = PRODUCERS * EVENTS
    numbers = [as_numbers(number) for number, _ in seen]
    assert len(numbers) == total and numbers == sorted(set(numbers)), "the auditor has seen all, once and in order"
    for producer in range(PRODUCERS):
        amounts = [int(event["amount"]) for _, event in seen if int(event["producer"]) == producer]
        assert amounts == list(range(EVENTS)), "and the events of each producer as they were made"
    invoices = {number: f"{event['customer']} pays {event['amount']}" for number, event in seen}
    assert client.hgetall("invoices") == invoices
    assert client.xlen(STREAM) == total
    assert EventLog(client).trim() == total - 1 and client.xlen(STREAM) == 1, "the last event marks the place"
    assert client.xrange(STREAM)[0][0] == seen[-1][0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=6379)
    port = parser.parse_args().port

    def connect():
        return redis.Redis(port=port, decode_responses=True)

    connect().flushall()
    EventLog(connect()).create_groups()
    produced, seen = threading.Event(), []
    producers = [threading.Thread(target=produce, args=(connect, number)) for number in range(PRODUCERS)]
    readers = [threading.Thread(target=work, args=(connect, f"worker {number}", number < DYING, produced))
               for number in range(WORKERS)]
    readers.append(threading.Thread(target=audit, args=(connect, produced, seen)))
    for thread in producers + readers:
        thread.start()
    for thread in producers:
        thread.join()
    produced.set()
    for thread in readers:
        thread.join()
    client = connect()
    left = client.xinfo_consumers(STREAM, "billing")
    check(client, seen)
    print(f"{len(seen)} events billed and audited in order, with {DYING} of {len(left)} workers dead on the way")


if __name__ == "__main__":
    main()
