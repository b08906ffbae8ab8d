#!/usr/bin/python3
"""A leaderboard on sorted sets, with redis-py.

    leaderboard.py [--port 6379]

One sorted set holds the best score of each player, another the points of each day. A score counts only if it beats
the player's best (ZADD GT), so results may arrive twice or out of order. Ranks, pages and neighbourhoods are ranges
of the set; the week is the union of its days (ZUNIONSTORE) and keeps the hundred best. Run as it stands, a season is
played by several threads at once and every answer is compared with the same computed in Python.
"""

import argparse
import random
import threading

import redis

PLAYERS = 500
THREADS = 6
GAMES = 250  # of each thread
DAYS = 7
BEST = 100
SEED = 20240607


class Leaderboard:
    BOARD = "board:all time"
    WEEK = "board:week"

    def __init__(self, client):
        self.client = client

    @staticmethod
    def day_key(day):
        return f"board:day {day}"

    def report(self, player, score, day):
        """A game's result; True if it is the player's best so far."""
        with self.client.pipeline() as game:  # MULTI … EXEC: both boards or neither
            game.zadd(self.BOARD, {player: score}, gt=True, ch=True)
            game.zincrby(self.day_key(day), score, player)
            improved, _ = game.execute()
        return improved == 1

    def top(self, count, start=0):
        """[(player, score)] of places start + 1 to start + count."""
        return self.client.zrange(self.BOARD, start, start + count - 1, desc=True, withscores=True)

    def place(self, player):
        """1 for the best; None for somebody who never played. Equal scores: the later name stands higher."""
        rank = self.client.zrevrank(self.BOARD, player)
        return None if rank is None else rank + 1

    def around(self, player, distance):
        """Those who stand next to the player, and the player."""
        place = self.place(player)
        first = max(0, place - 1 - distance)
        return self.client.zrange(self.BOARD, first, place - 1 + distance, desc=True)

    def between(self, least, most):
        """How many have a score of least <= score < most."""
        return self.client.zcount(self.BOARD, least, f"({most}")

    def close_week(self):
        """The points of all days together, of the best players only."""
        self.client.zunionstore(self.WEEK, [self.day_key(day) for day in range(DAYS)])
        self.client.zremrangebyrank(self.WEEK, 0, -BEST - 1)

    def champions(self, count):
        """Takes the best of the week out of it, for their prizes."""
        return self.client.zpopmax(self.WEEK, count)


def games_of(thread):
    """The games that a thread reports: the same in every run."""
    dice = random.Random(SEED + thread)
    return [(f"player {dice.randrange(PLAYERS):03}", dice.randrange(1, 10_000), dice.randrange(DAYS))
            for _ in range(GAMES)]


def play(connect, thread):
    board = Leaderboard(connect())
    for player, score, day in games_of(thread):
        board.report(player, score, day)


def expected():
    """The best scores and the points of the week, as {player: score}."""
    best, week = {}, {}
    for thread in range(THREADS):
        for player, score, _ in games_of(thread):
            best[player] = max(score, best.get(player, 0))
            week[player] = week.get(player, 0) + score
    return best, week


def in_order(scores):
    """[(player, score)] as ZREVRANGE has it."""
    return sorted(scores.items(), key=lambda pair: (pair[1], pair[0]), reverse=True)


def check(board):
    best, week = map(in_order, expected())
    assert board.top(len(best) + 10) == best
    assert board.top(10, start=20) == best[20:30]
    for index in (0, 1, len(best) // 2, len(best) - 1):
        player = best[index][0]
        assert board.place(player) == index + 1
        assert board.around(player, 3) == [name for name, _ in best[max(0, index - 3):index + 4]]
    assert board.place("nobody") is None
    assert board.between(2_000, 8_000) == sum(2_000 <= score < 8_000 for _, score in best)
    assert not board.report(best[0][0], best[0][1] - 1, 0), "a lower score is no new best"
    assert board.report(best[0][0], best[0][1] + 1, 1), "a higher one is"
    week = in_order(dict(week) | {best[0][0]: dict(week)[best[0][0]] + 2 * best[0][1]})
    board.close_week()
    assert board.champions(3) == week[:3]
    assert board.champions(BEST) == week[3:BEST]
    assert not board.client.exists(board.WEEK), "a set without members is gone"
    return len(best)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=6379)
    port = parser.parse_args().port

    def connect():
        return redis.Redis(port=port, decode_responses=True)

    connect().flushall()
    threads = [threading.Thread(target=play, args=(connect, thread)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    players = check(Leaderboard(connect()))
    print(f"{players} players, {THREADS * GAMES} games: every rank, page and prize as computed")


if __name__ == "__main__":
    main()
