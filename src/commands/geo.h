// Handlers of geo commands that do not stand beside their table (geo.cc), and what both use.

#pragma once

#include "commands/context.h"
#include "data/geo.h"

namespace strata {

// Longitude and latitude at args[i] and behind. False: an error was replied.
bool parse_point(Context& context, size_t i, geo::Point& point);
// Meters in the unit at args[i].
bool parse_unit(Context& context, size_t i, double& meters);
// With four digits after the point.
void reply_distance(Context& context, double distance);
// An array of two.
void reply_point(Context& context, geo::Point point);

// geo_search.cc
void georadius(Context& context);
void georadius_ro(Context& context);
void georadiusbymember(Context& context);
void georadiusbymember_ro(Context& context);
void geosearch(Context& context);
void geosearchstore(Context& context);

}  // namespace strata
