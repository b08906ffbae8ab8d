// Places on earth as scores of a sorted set: 52 bits of longitude and latitude, interleaved, so that places
// with near scores are near each other, and a square is a range of scores.
//
//   bit of the score:  51 50 49 48 …  1  0       26 bits of each, highest first
//                       x  y  x  y …  x  y       x: longitude, −180° to 180°; y: latitude, −85.05° to 85.05°
//
// The squares, the distances and the order in which squares are searched are Redis's, to the last bit:
// results come in that order. Pure arithmetic; nothing fails and nothing allocates.

#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace strata::geo {

inline constexpr double kLongitudeMax = 180;
inline constexpr double kLatitudeMax = 85.05112878;  // of the Mercator projection that is a square

struct Point {
  double longitude;
  double latitude;
};

inline bool is_valid(Point point) {
  return point.longitude >= -kLongitudeMax && point.longitude <= kLongitudeMax &&
         point.latitude >= -kLatitudeMax && point.latitude <= kLatitudeMax;
}

double score_of(Point point);
// The middle of the score's square. Scores that nobody got from score_of() give some point.
Point point_of(double score);
// The eleven letters of geohash.org. Its latitudes go to 90°.
inline constexpr size_t kHashLetters = 11;
std::array<char, kHashLetters> hash_of(Point point);

// In meters, on a sphere.
double distance_m(Point a, Point b);

// What is searched. Lengths are in meters.
struct Shape {
  enum class Kind : uint8_t { kCircle, kBox, kPolygon };
  Kind kind = Kind::kCircle;
  Point center{};
  double radius_m = 0;
  double width_m = 0;
  double height_m = 0;
  std::span<const Point> vertices{};  // of a polygon, which has at least three
};
// A polygon's center: the mean of its vertices.
Point center_of(std::span<const Point> vertices);
// Whether the shape holds the point; then also how far it is from the center.
bool holds(const Shape& shape, Point point, double& distance);

// The squares that cover a shape, as ranges of scores [min, max) in the order of the search.
struct Square {
  double min;
  double max;
};
struct Squares {
  std::array<Square, 9> squares;
  size_t count = 0;
};
Squares cover(const Shape& shape);

}  // namespace strata::geo
