// Handlers of sorted set commands that do not stand beside their table (sorted_sets.cc).

#pragma once

#include "commands/collections.h"

namespace strata {

// sorted_sets_range.cc: ranges by rank, score or member.
void zrange(Context& context);
void zrevrange(Context& context);
void zrangebyscore(Context& context);
void zrevrangebyscore(Context& context);
void zrangebylex(Context& context);
void zrevrangebylex(Context& context);
void zrangestore(Context& context);
void zcount(Context& context);
void zlexcount(Context& context);
void zremrangebyrank(Context& context);
void zremrangebyscore(Context& context);
void zremrangebylex(Context& context);

// sorted_sets_read.cc: single members, popping, scanning, choosing at random.
void zscore(Context& context);
void zmscore(Context& context);
void zcard(Context& context);
void zrank(Context& context);
void zrevrank(Context& context);
void zpopmin(Context& context);
void zpopmax(Context& context);
void zmpop(Context& context);
// Pops from the sorted set of args[key_at] and replies as ZMPOP does: the key, and an array of pairs in both
// protocols.
void pop_several_members(Context& context, size_t key_at, Entry* entry, const PopOfSeveral& arguments);
void zscan(Context& context);
void zrandmember(Context& context);

// sorted_sets_blocking.cc: popping that waits for a member.
void bzpopmin(Context& context);
void bzpopmax(Context& context);
void bzmpop(Context& context);

// sorted_sets_algebra.cc: unions, intersections, differences.
void zunion(Context& context);
void zinter(Context& context);
void zdiff(Context& context);
void zunionstore(Context& context);
void zinterstore(Context& context);
void zdiffstore(Context& context);
void zintercard(Context& context);

}  // namespace strata
