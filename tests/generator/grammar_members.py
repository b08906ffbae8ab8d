"""Templates for commands on members of hashes and sets that grammar.py does not have."""

MEMBERS = """
hset HASH_KEY <MEMBER VALUE>
hset HASH_KEY MANY_PAIRS
hstrlen HASH_KEY MEMBER
hincrbyfloat HASH_KEY MEMBER FLOAT
hincrby HASH_KEY MEMBER (BAD_INT | INT)
hsetnx HASH_KEY MEMBER VALUE
hrandfield HASH_KEY [INDEX [withvalues]]
hrandfield HASH_KEY (BAD_INT | 2 bad)
hscan HASH_KEY 0 count 100000 [match (* | m* | element1* | nothing)]
hscan HASH_KEY 0 (count BAD_INT | match | bad)
hdel HASH_KEY <MEMBER>
sadd SET_KEY <MEMBER>
sadd SET_KEY MANY
smismember SET_KEY <MEMBER>
smove SET_KEY SET_KEY MEMBER
sscan SET_KEY 0 count 100000 [match (* | m* | element1* | nothing)]
srandmember SET_KEY INDEX
srem SET_KEY <MEMBER>
""".strip().splitlines()

MEMBER_GROUPS = {"members": (3, MEMBERS)}


class MemberWords:
    """Words of the templates above; mixed into grammar.Words. Keys are those of hashes and of sets there."""

    def HASH_KEY(self):
        return b"k%d" % (6 + self.random.randrange(3)) if self.random.random() < 0.9 else self.KEY()

    def SET_KEY(self):
        return b"k%d" % (8 + self.random.randrange(3)) if self.random.random() < 0.9 else self.KEY()
