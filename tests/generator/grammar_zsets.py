"""Sorted sets beyond single members: their algebra, stored ranges, lexicographic ranges. Wired in by grammar.py."""

GROUP = """
(zunion | zinter) 2 KEY KEY [weights WEIGHT WEIGHT] [aggregate (sum | min | max)] [withscores]
(zunion | zinter) 3 KEY KEY KEY [weights WEIGHT WEIGHT WEIGHT] [aggregate (sum | min | max)] [withscores]
zdiff 2 KEY KEY [withscores]
zdiff 3 KEY KEY SETKEY [withscores]
(zunionstore | zinterstore) KEY 2 KEY SETKEY [weights WEIGHT WEIGHT] [aggregate (sum | min | max)]
(zunionstore | zinterstore) KEY 3 KEY KEY SETKEY [aggregate (sum | min | max)]
zdiffstore KEY 2 KEY SETKEY
zintercard 2 KEY SETKEY [limit COUNT]
zrangestore KEY KEY INDEX INDEX [rev]
zrangestore KEY KEY BOUND BOUND byscore [rev] [limit COUNT COUNT]
zrangestore KEY FLATKEY LEX LEX bylex [rev] [limit COUNT COUNT]
zrange KEY BOUND BOUND byscore [rev] [limit COUNT INDEX] [withscores]
(zrangebyscore | zrevrangebyscore) KEY BOUND BOUND [withscores] [limit COUNT INDEX]
(zcount | zremrangebyscore) KEY BOUND BOUND
zadd FLATKEY <0 MEMBER>
zadd FLATKEY <0 MEMBER>
(zrange | zrange) FLATKEY LEX LEX bylex [rev] [limit COUNT INDEX]
(zrangebylex | zrevrangebylex) FLATKEY LEX LEX [limit COUNT INDEX]
(zlexcount | zremrangebylex) FLATKEY LEX LEX
(zrank | zrevrank) KEY MEMBER
zmscore KEY <MEMBER>
zremrangebyrank KEY INDEX INDEX
zmpop 2 KEY KEY (min | max) [count COUNT]
zmpop COUNT KEY (min | max)
sadd SETKEY <MEMBER>
srem SETKEY MEMBER
zadd KEY <SCORE MEMBER>
zadd KEY MANY_PAIRS
zrandmember KEY COUNT
zscan KEY 0 count 10000
""".strip().splitlines()

# A mutation must not meet what came after 7.0 (WITHSCORE, AGGREGATE COUNT), nor make the scores of a flat key differ.
NEVER_MUTATED = {b"zrank", b"zrevrank", b"zunionstore", b"zinterstore", b"flat0", b"flat1"}


def extend(groups, own_keys, words):
    """Adds the group and the kinds of words that only it has."""
    groups["zset algebra"] = (4, GROUP)
    own_keys["zset algebra"] = 10
    words.WEIGHT = lambda self: self.random.choice([b"1", b"2", b"-1", b"0", b"0.5", b"inf", b"-inf", b"1e300"])
    words.BOUND = lambda self: self.random.choice([b"", b"", b"("]) + self.random.choice(
        [b"-inf", b"+inf", b"0", b"1", b"1.5", b"2", b"100", b"-3", b"5e3"])
    words.LEX = lambda self: self.random.choice(
        [b"-", b"+", b"[" + self.MEMBER(), b"(" + self.MEMBER(), b"[m", b"(m5", self.MEMBER()])
    words.SETKEY = lambda self: self.random.choice([b"k8", b"k9", b"k11", b"aset"])
    # All scores equal: elsewhere ranges of members mean nothing.
    words.FLATKEY = lambda self: b"flat%d" % self.random.randrange(2)
