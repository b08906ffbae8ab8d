"""Templates for SORT. Stored results are of texts, or not sorted at all: redis-server 7.0.15 takes numbers for too large
once it has seen one that is, whatever they are (a stale errno)."""

SORTS = """
rpush KEY <SMALL>
rpush KEY MANY_NUMBERS
sadd KEY <SMALL>
zadd KEY <SCORE SMALL>
zadd KEY MANY_PAIRS
mset <WEIGHT_KEY SMALL>
hset WEIGHT_KEY f SMALL g VALUE
set WEIGHT_KEY VALUE
del WEIGHT_KEY
sort KEY [alpha] [asc | desc] [limit INDEX INDEX]
sort KEY [limit INDEX INDEX] [by nosort] [desc] [get #]
sort KEY by (weight_* | weight_*->f | weight_*-> | *) [desc] [limit INDEX COUNT] [get #] [get weight_*] [get weight_*->g]
sort KEY get (# | weight_* | nothing | weight_*->f) [get #] [alpha] [limit 0 COUNT]
sort KEY alpha [get # | get weight_*] [desc] [limit INDEX COUNT] store KEY
sort KEY by nosort [desc] [limit INDEX COUNT] [get weight_*] store KEY
sort KEY (limit BAD_INT 1 | limit 1 | by | get | store | bad)
sort_ro KEY [by weight_*] [desc] [get weight_*]
sort_ro KEY alpha [store KEY]
lrange KEY 0 -1
""".strip().splitlines()

SORT_GROUPS = {"sorts": (2, SORTS)}
SORT_OWN_KEYS = {"sorts": 3}  # The keys of lists; sets and sorted sets find their way there.


class SortWords:
    """Words of the templates above; mixed into grammar.Words."""

    def SMALL(self):
        return b"%d" % self.random.randrange(12)

    def WEIGHT_KEY(self):
        return b"weight_%d" % self.random.randrange(12)
