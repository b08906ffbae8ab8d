"""Streams, with IDs that are given: two servers do not generate the same. Wired in by grammar.py.

Since 7.2 reading makes a consumer, in 7.0 only getting something does: what shows that, or times, is left to scripts.
"""

STREAMS = """
xadd STREAM ID FIELDS
xadd STREAM ID FIELDS
xadd STREAM NEXT_ID FIELDS
xadd STREAM NEXT_ID FIELDS
xadd STREAM NEXT_ID FIELDS
xadd STREAM [nomkstream] (maxlen | minid) [= | ~] COUNT NEXT_ID FIELDS
xadd STREAM maxlen ~ COUNT limit COUNT NEXT_ID FIELDS
xadd STREAM (maxlen | limit | minid | nomkstream) BAD_INT NEXT_ID FIELDS
xtrim STREAM (maxlen | minid) [= | ~] COUNT
xtrim STREAM maxlen ~ COUNT limit COUNT
xlen STREAM
xrange STREAM START END [count INDEX]
xrange STREAM - +
xrevrange STREAM END START [count INDEX]
xdel STREAM ID [ID] [ID]
xsetid STREAM TOP_ID [entriesadded COUNT] maxdeletedid ID
xread [count INDEX] streams STREAM STREAM (ID | $ | 0) (ID | 0)
xread streams STREAM (ID | $ | > | BAD_INT)
xread [block 1] streams STREAM STREAM STREAM 0 0 0
xinfo stream STREAM
xgroup create STREAM GROUP (ID | $ | 0) [mkstream] [entriesread COUNT]
xgroup create STREAM GROUP 0 mkstream
xgroup createconsumer STREAM GROUP CONSUMER
xgroup setid STREAM GROUP (ID | $ | 0) [entriesread COUNT]
xgroup destroy STREAM GROUP
xreadgroup group GROUP CONSUMER [count INDEX] [noack] streams STREAM >
xreadgroup group GROUP CONSUMER [count INDEX] streams STREAM >
xreadgroup group GROUP CONSUMER count 2 streams STREAM STREAM > (> | 0 | ID)
xreadgroup group GROUP CONSUMER [count INDEX] streams STREAM (0 | ID)
xack STREAM GROUP ID [ID] [ID] [ID]
xpending STREAM GROUP
xpending STREAM GROUP [idle 10000000] START END COUNT [CONSUMER]
xclaim STREAM GROUP CONSUMER 0 ID [ID] [ID] [retrycount COUNT] [force] [justid] [lastid ID]
xclaim STREAM GROUP CONSUMER 10000000 ID [ID]
xautoclaim STREAM GROUP CONSUMER (0 | 0 | 10000000) START [count COUNT] [justid]
copy STREAM STREAM [replace]
rename STREAM STREAM
type STREAM
object encoding STREAM
exists STREAM
del STREAM
""".strip().splitlines()

# What a mutation could turn into a generated ID, a wait, or an option of a later version.
NEVER_MUTATED = {b"xadd", b"xread", b"xreadgroup", b"xinfo", b"xclaim", b"xautoclaim"}


def extend(groups, own_keys, words):
    """Adds the group and the kinds of words that only it has."""
    groups["streams"] = (5, STREAMS)
    del own_keys  # Streams have keys of their own, STREAM.
    words.STREAM = lambda self: self.random.choice([b"x0", b"x1", b"x2", b"x{tag}", b"x0", b"x1"] + [self.KEY()] * (self.random.random() < 0.05))
    words.GROUP = lambda self: self.random.choice([b"g", b"h", b"g", b"nogroup" if self.random.random() < 0.2 else b"h"])
    words.CONSUMER = lambda self: self.random.choice([b"alice", b"bob", b"carol"])
    words.ID = identifier
    words.NEXT_ID = next_identifier
    words.TOP_ID = top_identifier
    words.START = lambda self: self.random.choice([b"-", b"-", b"0", b"(" + self.ID(), self.ID(), b"(0-0"])
    words.END = lambda self: self.random.choice([b"+", b"+", b"(" + self.ID(), self.ID(), b"(+"])
    words.FIELDS = fields


def identifier(self):
    choice = self.random.random()
    if choice < 0.05:
        return self.random.choice([b"0-0", b"x", b"1-", b"-1", b"18446744073709551616", b"007-01", b"1-2-3", b""])
    if choice < 0.5:
        return b"%d-%d" % (self.random.randrange(40), self.random.randrange(4))
    if choice < 0.8:
        return b"%d" % self.random.randrange(40)
    return b"%d-%d" % (getattr(self, "last_ms", 1) - self.random.randrange(20), self.random.randrange(3))


def next_identifier(self):
    """Mostly above all before: of this generator's life, whichever stream it goes to."""
    self.last_ms = getattr(self, "last_ms", 0) + self.random.choice([0, 0, 1, 1, 2])
    return b"%d-*" % self.last_ms if self.random.random() < 0.7 else b"%d" % (self.last_ms + 1)


def top_identifier(self):
    """Not below any entry that there was: of a lower one 7.0 forgets that it was deleted, 7.2 refuses it."""
    return b"%d-5" % max(getattr(self, "last_ms", 0) + 1, 40)


def fields(self):
    names = self.random.choice([[b"a"], [b"a"], [b"a", b"b"], [b"b", b"a"], [b"a", b"b", b"c"], [b"a", b"a"]])
    return [word for name in names for word in (name, self.VALUE())]
