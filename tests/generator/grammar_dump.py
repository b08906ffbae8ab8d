"""Templates for DUMP and RESTORE. What DUMP gives differs in the order of sets and the cut of lists, so it is not compared;
tests/persistence/dump.py carries it from one server to the other. Payloads are sound or refused: redis-server does not
validate what a checksum vouches for."""

from payload import signed

DUMPS = """
dump KEY
restore KEY (0 | FAR_MS) PAYLOAD [replace] [idletime 3 | freq 7]
restore KEY 0 PAYLOAD replace
restore KEY FAR_AT_MS PAYLOAD absttl [replace]
restore KEY PAST_S PAYLOAD absttl [replace]
restore KEY (BAD_INT | -1) PAYLOAD [replace]
restore KEY 0 BAD_PAYLOAD [replace] [absttl]
restore KEY 0 PAYLOAD (bad | idletime | idletime -1 | freq 256 | freq 1 idletime 2)
restore-asking KEY 0 PAYLOAD [replace]
""".strip().splitlines()

DUMP_GROUPS = {"dumps": (1, DUMPS)}

PAYLOADS = [signed(body) for body in (
    b"\x00\x05hello", b"\x00\xc0\x07", b"\x00\xc3\t;\x01aa\xe0.\x00\x01aa",  # strings: text, number, compressed
    b"\x12\x01\x02\x0f\x0f\x00\x00\x00\x03\x00\x81a\x02\x81b\x02\x03\x01\xff",  # a list of packed nodes
    b"\x10\x0c\x0c\x00\x00\x00\x02\x00\x81a\x02\x01\x01\xff",  # a small hash
    b"\x0b\x0e\x02\x00\x00\x00\x03\x00\x00\x00\x01\x00\x02\x00\x03\x00", b"\x02\x02\x02m1\x02m2",  # sets
    b"\x11\x14\x14\x00\x00\x00\x04\x00\x81a\x02\x01\x01\x81b\x02\x832.5\x04\xff",  # a small sorted set
    b"\x05\x02\x02m1\x00\x00\x00\x00\x00\x00\xf8\x3f\x02m2\x00\x00\x00\x00\x00\x00\xf0\x7f",  # one of doubles
    b"\x01\x02\x01a\xc0\x09", b"\x04\x01\x02m1\x03abc", b"\x03\x01\x02m3\x031.5")]  # as older versions had them


class DumpWords:
    """Words of the templates above; mixed into grammar.Words."""

    def PAYLOAD(self):
        return self.random.choice(PAYLOADS)

    def BAD_PAYLOAD(self):
        payload = bytearray(self.random.choice(PAYLOADS))
        kind = self.random.randrange(4)
        if kind == 0:
            payload[self.random.randrange(len(payload))] ^= 1 << self.random.randrange(8)
        elif kind == 1:
            del payload[self.random.randrange(len(payload)) :]
        elif kind == 2:
            return signed(b"\x00\x01a", version=200)
        else:
            return signed(self.random.choice((b"\xff", b"\x02\x00", b"\x00", b"\x08\x00")))
        return bytes(payload)
