// Places are members of sorted sets whose scores say where they are (data/geo.h), so any sorted set may be
// asked.

#include "commands/geo.h"

#include <cstdio>
#include <optional>
#include <vector>

#include "commands/collections.h"
#include "commands/groups.h"
#include "commands/keys.h"
#include "text/ascii.h"
#include "text/numbers.h"

namespace strata {

bool parse_point(Context& context, size_t i, geo::Point& point) {
  if (!context.parse_double_arg(i, point.longitude) || !context.parse_double_arg(i + 1, point.latitude))
    return false;
  if (geo::is_valid(point)) return true;
  char text[800];  // two doubles of up to 309 digits
  std::snprintf(text, sizeof(text), "%f,%f", point.longitude, point.latitude);
  context.reply().error("ERR invalid longitude,latitude pair ", text);
  return false;
}

bool parse_unit(Context& context, size_t i, double& meters) {
  constexpr struct {
    const char* name;
    double meters;
  } kUnits[] = {{"M", 1}, {"KM", 1000}, {"FT", 0.3048}, {"MI", 1609.34}};
  for (const auto& unit : kUnits) {
    if (context.is_word(i, unit.name)) return meters = unit.meters, true;
  }
  context.reply().error("ERR unsupported unit provided. please use M, KM, FT, MI");
  return false;
}

void reply_distance(Context& context, double distance) {
  char text[400];
  const int size = std::snprintf(text, sizeof(text), "%.4f", distance);
  context.reply().bulk({text, static_cast<size_t>(size)});
}

void reply_point(Context& context, geo::Point point) {
  Reply& reply = context.reply();
  reply.array(2);
  for (double coordinate : {point.longitude, point.latitude}) {
    char text[kLongDoubleTextBytes];
    const Bytes digits(text, print_long_double_human(coordinate, text));
    if (!reply.resp3()) {
      reply.bulk(digits);
      continue;
    }
    // All 17 digits, which double_() would not print.
    reply.raw(",");
    reply.raw(digits);
    reply.raw("\r\n");
  }
}

namespace {

struct GeoaddArguments {
  ZaddFlags flags;
  bool counts_updates = false;  // CH
  size_t places_begin = 2;
};

bool parse_options(Context& context, GeoaddArguments& parsed) {
  for (; parsed.places_begin < context.argc(); ++parsed.places_begin) {
    const size_t i = parsed.places_begin;
    if (context.is_word(i, "NX")) {
      parsed.flags.if_absent = true;
    } else if (context.is_word(i, "XX")) {
      parsed.flags.if_present = true;
    } else if (context.is_word(i, "CH")) {
      parsed.counts_updates = true;
    } else {
      break;
    }
  }
  const size_t rest = context.argc() - parsed.places_begin;
  if (rest % 3 == 0 && !(parsed.flags.if_absent && parsed.flags.if_present)) return true;
  context.syntax_error();
  return false;
}

// All places are checked before the first is added.
bool parse_scores(Context& context, size_t first, std::vector<double>& scores) {
  for (size_t i = first; i < context.argc(); i += 3) {
    geo::Point point;
    if (!parse_point(context, i, point)) return false;
    scores.push_back(geo::score_of(point));
  }
  return true;
}

void geoadd(Context& context) {
  GeoaddArguments arguments;
  std::vector<double> scores;
  if (!parse_options(context, arguments) || !parse_scores(context, arguments.places_begin, scores)) return;
  if (scores.empty()) return context.syntax_error();
  const Key key = context.key(1);
  const ZsetLimits& limits = context.options().zset;
  Entry* entry;
  if (!context.find_for_write(key, Type::kZset, entry)) return;
  if (!entry && arguments.flags.if_present) return context.reply().integer(0);
  const size_t first_member = arguments.places_begin + 2;
  Result<Value> zset =
      entry ? entry->value() : zset_create(context.data(key), limits, context.arg(first_member).size());
  if (!context.check(zset)) return;
  uint64_t added = 0;
  uint64_t updated = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    const Bytes member = context.arg(first_member + 3 * i);
    Result<ZaddResult> result =
        zset_add(context.data(key), limits, *zset, scores[i], member, arguments.flags);
    if (!result) {
      return store_part(context, key, entry, *zset, result.error(), arguments.places_begin + 3 * i,
                        added + updated);
    }
    added += result->change == ZaddChange::kAdded;
    updated += result->change == ZaddChange::kUpdated;
  }
  if (!store(context, key, entry, *zset)) return;
  if (added + updated > 0) context.changed(key, added + updated);
  context.reply().integer(static_cast<int64_t>(added + (arguments.counts_updates ? updated : 0)));
}

void geodist(Context& context) {
  double meters = 1;
  if (context.argc() > 5) return context.syntax_error();
  if (context.argc() == 5 && !parse_unit(context, 4, meters)) return;
  Entry* entry;
  if (!context.find(context.key(1), Type::kZset, entry)) return;
  std::optional<double> a;
  std::optional<double> b;
  if (entry) a = zset_score(entry->value(), context.arg(2));
  if (a) b = zset_score(entry->value(), context.arg(3));
  if (!b) return context.reply().null();
  reply_distance(context, geo::distance_m(geo::point_of(*a), geo::point_of(*b)) / meters);
}

// Calls show(score) for each member asked for; the score is missing when the member is.
template <typename Show>
void for_members(Context& context, Show show) {
  Entry* entry;
  if (!context.find(context.key(1), Type::kZset, entry)) return;
  context.reply().array(context.argc() - 2);
  for (Bytes member : context.args().subspan(2)) {
    show(entry ? zset_score(entry->value(), member) : std::nullopt);
  }
}

void geohash(Context& context) {
  for_members(context, [&](const std::optional<double>& score) {
    if (!score) return context.reply().null();
    const auto letters = geo::hash_of(geo::point_of(*score));
    context.reply().bulk({letters.data(), letters.size()});
  });
}

void geopos(Context& context) {
  for_members(context, [&](const std::optional<double>& score) {
    score ? reply_point(context, geo::point_of(*score)) : context.reply().null_array();
  });
}

constexpr KeySpec kTargetAndSource[] = {{.flags = kKeyOW | kKeyUpdate},
                                        {.flags = kKeyRO | kKeyAccess, .index = 2}};
constexpr KeySpec kRadiusKeys[] = {{.flags = kKeyRO | kKeyAccess},
                                   {.flags = kKeyOW | kKeyUpdate, .keyword = "STORE", .start_from = 6},
                                   {.flags = kKeyOW | kKeyUpdate, .keyword = "STOREDIST", .start_from = 6}};
constexpr KeySpec kRadiusByMemberKeys[] = {
    {.flags = kKeyRO | kKeyAccess},
    {.flags = kKeyOW | kKeyUpdate, .keyword = "STORE", .start_from = 5},
    {.flags = kKeyOW | kKeyUpdate, .keyword = "STOREDIST", .start_from = 5}};

// The specifications find the first key behind each of the two words, and Redis stores under the last.
bool find_radius_targets(std::span<const Bytes> args, std::vector<KeyPosition>& positions) {
  constexpr size_t kOptionsBegin = 5;
  for (size_t i = kOptionsBegin; i + 1 < args.size(); ++i) {
    if (!iequals(args[i], "STORE") && !iequals(args[i], "STOREDIST")) continue;
    positions.push_back({static_cast<uint32_t>(i + 1), kKeyOW | kKeyUpdate | kKeyNotKey});
  }
  return true;
}

constexpr const char* kRadiusComplexity =
    "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area delimited by "
    "center and radius and M is the number of items inside the index.";
constexpr const char* kSearchComplexity =
    "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around the shape "
    "provided as the filter and M is the number of items inside the shape";

// clang-format off
constexpr Command kGeoCommands[] = {
    {.name = "geoadd",
     .syntax = "key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]",
     .flags = kWrite | kDenyOom, .keys = kFirstKeyUpdate, .acl = kAclGeo, .since = "3.2.0",
     .complexity = "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
     .summary = "Add one or more geospatial items in the geospatial index represented using a sorted set",
     .run = geoadd, .history = "6.2.0=Added the `CH`, `NX` and `XX` options."},
    {.name = "geodist", .syntax = "key member1 member2 [M | KM | FT | MI]", .flags = kReadOnly,
     .keys = kFirstKeyRead, .acl = kAclGeo, .since = "3.2.0", .complexity = "O(log(N))",
     .summary = "Returns the distance between two members of a geospatial index", .run = geodist},
    {.name = "geohash", .syntax = "key [member [member ...]]", .flags = kReadOnly, .keys = kFirstKeyRead,
     .acl = kAclGeo, .since = "3.2.0",
     .complexity = "O(log(N)) for each member requested, where N is the number of elements in the sorted set.",
     .summary = "Returns members of a geospatial index as standard geohash strings", .run = geohash},
    {.name = "geopos", .syntax = "key [member [member ...]]", .flags = kReadOnly, .keys = kFirstKeyRead,
     .acl = kAclGeo, .since = "3.2.0", .complexity = "O(N) where N is the number of members requested.",
     .summary = "Returns longitude and latitude of members of a geospatial index", .run = geopos},
    {.name = "georadius",
     .syntax = "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] "
               "[ASC | DESC] [STORE key] [STOREDIST key]",
     .flags = kWrite | kDenyOom | kMovableKeys, .keys = kRadiusKeys, .acl = kAclGeo, .since = "3.2.0",
     .complexity = kRadiusComplexity,
     .summary = "Query a sorted set representing a geospatial index to fetch members matching a given maximum distance "
                "from a point",
     .run = georadius,
     .history = "6.2.0=Added the `ANY` option for `COUNT`.|7.0.0=Added support for uppercase unit names.",
     .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
     .find_more_keys = find_radius_targets},
    {.name = "georadius_ro",
     .syntax = "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] "
               "[ASC | DESC]",
     .flags = kReadOnly, .keys = kFirstKeyRead, .acl = kAclGeo, .since = "3.2.10",
     .complexity = kRadiusComplexity, .summary = "A read-only variant for GEORADIUS", .run = georadius_ro,
     .history = "6.2.0=Added the `ANY` option for `COUNT`.", .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` with the `BYRADIUS` argument"},
    {.name = "georadiusbymember",
     .syntax = "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC] "
               "[STORE key] [STOREDIST key]",
     .flags = kWrite | kDenyOom | kMovableKeys, .keys = kRadiusByMemberKeys, .acl = kAclGeo, .since = "3.2.0",
     .complexity = kRadiusComplexity,
     .summary = "Query a sorted set representing a geospatial index to fetch members matching a given maximum distance "
                "from a member",
     .run = georadiusbymember, .history = "7.0.0=Added support for uppercase unit names.",
     .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
     .find_more_keys = find_radius_targets},
    {.name = "georadiusbymember_ro",
     .syntax = "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]",
     .flags = kReadOnly, .keys = kFirstKeyRead, .acl = kAclGeo, .since = "3.2.10",
     .complexity = kRadiusComplexity, .summary = "A read-only variant for GEORADIUSBYMEMBER",
     .run = georadiusbymember_ro, .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments"},
    {.name = "geosearch",
     .syntax = "key <<FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius <M | KM | FT | MI> | "
               "BYBOX width height <M | KM | FT | MI>> | BYPOLYGON vertices longitude latitude longitude latitude "
               "longitude latitude [longitude latitude ...]> "
               "[ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]",
     .flags = kReadOnly, .keys = kFirstKeyRead, .acl = kAclGeo, .since = "6.2.0", .complexity = kSearchComplexity,
     .summary = "Query a sorted set representing a geospatial index to fetch members inside an area of a box, a circle "
                "or a polygon.",
     .run = geosearch, .history = "7.0.0=Added support for uppercase unit names.|9.0.0=Added the `BYPOLYGON` option."},
    {.name = "geosearchstore",
     .syntax = "destination source <<FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius <M | KM | FT | MI> | "
               "BYBOX width height <M | KM | FT | MI>> | BYPOLYGON vertices longitude latitude longitude latitude "
               "longitude latitude [longitude latitude ...]> "
               "[ASC | DESC] [COUNT count [ANY]] "
               "[STOREDIST]",
     .flags = kWrite | kDenyOom, .keys = kTargetAndSource, .acl = kAclGeo, .since = "6.2.0",
     .complexity = kSearchComplexity,
     .summary = "Query a sorted set representing a geospatial index to fetch members inside an area of a box, a circle "
                "or a polygon, and store the result in another key.",
     .run = geosearchstore,
     .history = "7.0.0=Added support for uppercase unit names.|9.0.0=Added the `BYPOLYGON` option."},
};
// clang-format on
static_assert(well_formed(kGeoCommands));

}  // namespace

const CommandGroup kGeoGroup = {"geo", kGeoCommands};

}  // namespace strata
