#include "data/geo.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace strata::geo {
namespace {

constexpr double kEarthRadius_m = 6372797.560856;
constexpr double kMercatorMax_m = 20037726.37;
constexpr double kDegree = std::numbers::pi / 180;
constexpr unsigned kSteps = 26;
constexpr uint64_t kEvenBits = 0x5555555555555555;  // latitude
constexpr uint64_t kOddBits = 0xaaaaaaaaaaaaaaaa;   // longitude

double radians(double degrees) { return degrees * kDegree; }
double degrees(double radians) { return radians / kDegree; }

// The square of the first `steps` bits of each coordinate.
struct Hash {
  uint64_t bits = 0;
  unsigned steps = 0;

  bool operator==(const Hash&) const = default;
};

struct Area {
  double west, east, south, north;
};

uint64_t spread(uint64_t value) {
  value &= 0xffffffff;
  value = (value | value << 16) & 0x0000ffff0000ffff;
  value = (value | value << 8) & 0x00ff00ff00ff00ff;
  value = (value | value << 4) & 0x0f0f0f0f0f0f0f0f;
  value = (value | value << 2) & 0x3333333333333333;
  return (value | value << 1) & kEvenBits;
}

uint32_t gather(uint64_t value) {
  value &= kEvenBits;
  value = (value | value >> 1) & 0x3333333333333333;
  value = (value | value >> 2) & 0x0f0f0f0f0f0f0f0f;
  value = (value | value >> 4) & 0x00ff00ff00ff00ff;
  value = (value | value >> 8) & 0x0000ffff0000ffff;
  return static_cast<uint32_t>(value | value >> 16);
}

// A coordinate in [-limit, limit] as a number of `steps` bits; the largest itself has one more.
uint64_t coordinate_bits(double value, double limit, unsigned steps) {
  const double offset = (value + limit) / (2 * limit) * static_cast<double>(uint64_t{1} << steps);
  return static_cast<uint64_t>(std::clamp(offset, 0.0, 4294967295.0));
}

Hash encode(Point point, double latitude_max, unsigned steps) {
  return {spread(coordinate_bits(point.latitude, latitude_max, steps)) |
              spread(coordinate_bits(point.longitude, kLongitudeMax, steps)) << 1,
          steps};
}

Area area_of(Hash hash) {
  const auto cells = static_cast<double>(uint64_t{1} << hash.steps);
  auto edge = [cells](double number, double limit) { return -limit + number / cells * (2 * limit); };
  const double x = gather(hash.bits >> 1);
  const double y = gather(hash.bits);
  return {edge(x, kLongitudeMax), edge(x + 1, kLongitudeMax), edge(y, kLatitudeMax),
          edge(y + 1, kLatitudeMax)};
}

// One square on in a direction; the other coordinate's bits are filled so that the carry passes over them.
uint64_t moved(uint64_t bits, uint64_t mask, uint64_t gaps, int by) {
  if (by > 0) return (bits + gaps + 1) & mask;
  return ((bits | gaps) - (gaps + 1)) & mask;
}

Hash neighbour(Hash hash, int east, int north) {
  const unsigned unused = 64 - 2 * hash.steps;
  const uint64_t x_mask = kOddBits >> unused;
  const uint64_t y_mask = kEvenBits >> unused;
  uint64_t x = hash.bits & kOddBits;
  uint64_t y = hash.bits & kEvenBits;
  if (east != 0) x = moved(x, x_mask, y_mask, east);
  if (north != 0) y = moved(y, y_mask, x_mask, north);
  return {x | y, hash.steps};
}

// How fine the squares may be so that nine of them cover the radius. Near the poles they are narrower.
unsigned steps_for(double radius_m, double latitude) {
  if (radius_m == 0) return kSteps;
  int steps = 1;
  for (; radius_m < kMercatorMax_m; radius_m *= 2) ++steps;
  steps -= 2;
  if (latitude > 66 || latitude < -66) --steps;
  if (latitude > 80 || latitude < -80) --steps;
  return static_cast<unsigned>(std::clamp(steps, 1, static_cast<int>(kSteps)));
}

// The box of degrees around a shape.
Area bounds_of(const Shape& shape) {
  if (shape.kind == Shape::Kind::kPolygon) {
    Area bounds = {kLongitudeMax, -kLongitudeMax, kLatitudeMax, -kLatitudeMax};
    for (Point point : shape.vertices) {
      bounds.west = std::min(bounds.west, point.longitude);
      bounds.east = std::max(bounds.east, point.longitude);
      bounds.south = std::min(bounds.south, point.latitude);
      bounds.north = std::max(bounds.north, point.latitude);
    }
    return bounds;
  }
  const bool is_circle = shape.kind == Shape::Kind::kCircle;
  const double height = is_circle ? shape.radius_m : shape.height_m / 2;
  const double width = is_circle ? shape.radius_m : shape.width_m / 2;
  const double latitude = shape.center.latitude;
  const double north = degrees(height / kEarthRadius_m);
  // The parallel nearer to the pole is the shorter one, so the same width is more degrees there.
  const double widest = latitude < 0 ? latitude - north : latitude + north;
  const double east = degrees(width / kEarthRadius_m / std::cos(radians(widest)));
  return {shape.center.longitude - east, shape.center.longitude + east, latitude - north, latitude + north};
}

double radius_around(const Shape& shape, const Area& bounds) {
  switch (shape.kind) {
    case Shape::Kind::kCircle:
      return shape.radius_m;
    case Shape::Kind::kBox:
      return std::sqrt(shape.width_m / 2 * (shape.width_m / 2) + shape.height_m / 2 * (shape.height_m / 2));
    case Shape::Kind::kPolygon:
      break;
  }
  double radius = 0;
  for (double longitude : {bounds.west, bounds.east}) {
    for (double latitude : {bounds.south, bounds.north})
      radius = std::max(radius, distance_m(shape.center, {longitude, latitude}));
  }
  return radius;
}

bool reaches_beyond(Hash hash, const Area& bounds) {
  return area_of(neighbour(hash, 0, 1)).north < bounds.north ||
         area_of(neighbour(hash, 0, -1)).south > bounds.south ||
         area_of(neighbour(hash, 1, 0)).east < bounds.east ||
         area_of(neighbour(hash, -1, 0)).west > bounds.west;
}

double latitude_distance_m(double a, double b) { return kEarthRadius_m * std::fabs(radians(b) - radians(a)); }

// Even-odd rule: a ray to the east crosses the outline an odd number of times.
bool is_inside(std::span<const Point> vertices, Point point) {
  bool inside = false;
  for (size_t i = 0, j = vertices.size() - 1; i < vertices.size(); j = i++) {
    const Point& a = vertices[i];
    const Point& b = vertices[j];
    if ((a.latitude > point.latitude) == (b.latitude > point.latitude)) continue;
    const double crossing =
        (b.longitude - a.longitude) * (point.latitude - a.latitude) / (b.latitude - a.latitude) + a.longitude;
    if (point.longitude < crossing) inside = !inside;
  }
  return inside;
}

// A score as 64 bits, also one that is no place: as the processor converts it for Redis.
uint64_t bits_of(double score) {
  constexpr double kTwo63 = 9223372036854775808.0;
  if (score >= 0 && score < 2 * kTwo63) return static_cast<uint64_t>(score);
  if (score < 0 && score >= -kTwo63) return static_cast<uint64_t>(static_cast<int64_t>(score));
  return score < 0 ? uint64_t{1} << 63 : 0;
}

}  // namespace

double score_of(Point point) { return static_cast<double>(encode(point, kLatitudeMax, kSteps).bits); }

Point point_of(double score) {
  const Area area = area_of({bits_of(score), kSteps});
  return {std::clamp((area.west + area.east) / 2, -kLongitudeMax, kLongitudeMax),
          std::clamp((area.south + area.north) / 2, -kLatitudeMax, kLatitudeMax)};
}

std::array<char, kHashLetters> hash_of(Point point) {
  constexpr char kAlphabet[] = "0123456789bcdefghjkmnpqrstuvwxyz";
  const uint64_t bits = encode(point, 90, kSteps).bits;
  std::array<char, kHashLetters> letters;
  for (size_t i = 0; i < kHashLetters; ++i) {
    // Ten letters have 50 of the 52 bits; the last one has nothing to say.
    letters[i] = i + 1 == kHashLetters ? '0' : kAlphabet[bits >> (52 - 5 * (i + 1)) & 31];
  }
  return letters;
}

double distance_m(Point a, Point b) {
  const double v = std::sin((radians(b.longitude) - radians(a.longitude)) / 2);
  if (v == 0) return latitude_distance_m(a.latitude, b.latitude);
  const double a_latitude = radians(a.latitude);
  const double b_latitude = radians(b.latitude);
  const double u = std::sin((b_latitude - a_latitude) / 2);
  return 2 * kEarthRadius_m *
         std::asin(std::sqrt(u * u + std::cos(a_latitude) * std::cos(b_latitude) * v * v));
}

Point center_of(std::span<const Point> vertices) {
  Point sum{};
  for (Point point : vertices) sum = {sum.longitude + point.longitude, sum.latitude + point.latitude};
  const auto count = static_cast<double>(vertices.size());
  return {sum.longitude / count, sum.latitude / count};
}

bool holds(const Shape& shape, Point point, double& distance) {
  switch (shape.kind) {
    case Shape::Kind::kCircle:
      distance = distance_m(shape.center, point);
      return distance <= shape.radius_m;
    case Shape::Kind::kBox:
      if (latitude_distance_m(point.latitude, shape.center.latitude) > shape.height_m / 2) return false;
      if (distance_m(point, {shape.center.longitude, point.latitude}) > shape.width_m / 2) return false;
      break;
    case Shape::Kind::kPolygon:
      if (!is_inside(shape.vertices, point)) return false;
      break;
  }
  distance = distance_m(shape.center, point);
  return true;
}

Squares cover(const Shape& shape) {
  const Area bounds = bounds_of(shape);
  unsigned steps = steps_for(radius_around(shape, bounds), shape.center.latitude);
  Hash middle = encode(shape.center, kLatitudeMax, steps);
  if (steps > 1 && reaches_beyond(middle, bounds)) middle = encode(shape.center, kLatitudeMax, --steps);
  const Area area = area_of(middle);
  // A neighbour is left out when the middle square reaches beyond the bounds on that side.
  const bool may_skip = steps >= 2;
  const bool no_south = may_skip && area.south < bounds.south;
  const bool no_north = may_skip && area.north > bounds.north;
  const bool no_west = may_skip && area.west < bounds.west;
  const bool no_east = may_skip && area.east > bounds.east;
  constexpr struct {
    int east, north;
  } kOrder[] = {{0, 0}, {0, 1}, {0, -1}, {1, 0}, {-1, 0}, {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};
  Squares cover;
  Hash last;
  for (auto [east, north] : kOrder) {
    if ((east > 0 && no_east) || (east < 0 && no_west) || (north > 0 && no_north) || (north < 0 && no_south))
      continue;
    const Hash hash = neighbour(middle, east, north);
    // With squares as large as the earth neighbours are the same one.
    if (hash == last) continue;
    last = hash;
    const unsigned unused = 52 - 2 * steps;
    cover.squares[cover.count++] = {static_cast<double>(hash.bits << unused),
                                    static_cast<double>((hash.bits + 1) << unused)};
  }
  return cover;
}

}  // namespace strata::geo
