"""Strings as bits and sketches, and places. Wired in by grammar.py."""

BITS = """
setbit KEY BIT (0 | 1 | 0 | 1 | 2)
setbit KEY BIT (0 | 1)
getbit KEY BIT
bitcount KEY [INDEX INDEX [byte | bit]]
bitpos KEY (0 | 1) [INDEX]
bitpos KEY (0 | 1) INDEX INDEX [byte | bit]
bitop (and | or | xor) KEY KEY [KEY] [KEY]
bitop not KEY KEY
bitfield KEY <FIELD>
bitfield KEY <FIELD>
bitfield_ro KEY <get WIDTH BIT>
set KEY VALUE
append KEY VALUE
getrange KEY 0 -1
""".strip().splitlines()

SKETCHES = """
pfadd KEY <VALUE>
pfadd KEY MANY
pfadd KEY <MEMBER>
pfcount KEY
pfcount KEY KEY [KEY]
pfmerge KEY KEY [KEY]
pfdebug (encoding | decode | todense) KEY
get KEY
""".strip().splitlines()

PLACES = """
geoadd KEY [nx | xx] [ch] <PLACE MEMBER>
geoadd KEY <PLACE MEMBER>
geoadd KEY <PLACE MEMBER>
geodist KEY MEMBER MEMBER [m | km | ft | mi]
geohash KEY <MEMBER>
geopos KEY <MEMBER>
geosearch KEY (fromlonlat PLACE | frommember MEMBER) (byradius LENGTH UNIT | bybox LENGTH LENGTH UNIT) [asc | desc] [withcoord] [withdist] [withhash]
geosearch KEY (fromlonlat PLACE | frommember MEMBER) (byradius LENGTH UNIT | bybox LENGTH LENGTH UNIT) count COUNT [any]
geosearchstore KEY KEY fromlonlat PLACE (byradius LENGTH UNIT | bybox LENGTH LENGTH UNIT) [storedist]
georadius KEY PLACE LENGTH UNIT [withdist] [asc | desc]
georadius KEY PLACE LENGTH UNIT (store | storedist) KEY
georadius_ro KEY PLACE LENGTH UNIT [withcoord]
(georadiusbymember | georadiusbymember_ro) KEY MEMBER LENGTH UNIT [withdist] [asc | desc]
zrem KEY MEMBER
zrange KEY 0 -1 withscores
""".strip().splitlines()

# A mutation may sort members of one place by another order.
NEVER_MUTATED = {b"georadius", b"georadiusbymember", b"geosearchstore"}


def extend(groups, own_keys, words):
    """Adds the groups and the kinds of words that only they have."""
    groups.update({"bits": (3, BITS), "sketches": (1.5, SKETCHES), "places": (3, PLACES)})
    own_keys.update({"bits": 13, "sketches": 16, "places": 19})
    words.BIT = lambda self: b"%d" % self.random.choice([0, 1, 3, 7, 8, 9, 31, 63, 64, 100, 511, 999, 8191, 70_000])
    words.WIDTH = lambda self: self.random.choice([b"u", b"i"]) + b"%d" % self.random.choice([1, 2, 4, 7, 8, 9, 16, 31, 32, 63, 64])
    words.FIELD = field
    words.PLACE = place
    words.LENGTH = lambda self: self.random.choice([b"0", b"1", b"10.5", b"200", b"3000", b"1e5", b"1e7", b"3e7", b"-1"])
    words.UNIT = lambda self: self.random.choice([b"m", b"km", b"ft", b"mi", b"KM", b"yd"])


def field(self):
    """One operation of BITFIELD."""
    width, at = self.WIDTH(), self.random.choice([self.BIT(), b"#%d" % self.random.randrange(20)])
    policy = self.random.choice([[], [], [b"overflow", self.random.choice([b"wrap", b"sat", b"fail"])]])
    return policy + self.random.choice([[b"get", width, at], [b"set", width, at, self.INT()], [b"incrby", width, at, self.INT()]])


def place(self):
    """Longitude and latitude, near to each other or anywhere."""
    if self.random.random() < 0.6:
        return [b"%.4f" % (13 + self.random.random() * 3), b"%.4f" % (37 + self.random.random() * 2)]
    if self.random.random() < 0.05:
        return [b"181", b"0"]
    return [b"%.6f" % (self.random.random() * 360 - 180), b"%.6f" % (self.random.random() * 170 - 85)]
