#include "data/geo.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/random.h"
#include "data/value_test_tools.h"

namespace strata {
namespace {

using geo::Point;
using geo::Shape;
using testing_tools::test_seed;

constexpr Point kPalermo = {13.361389, 38.115556};
constexpr Point kCatania = {15.087269, 37.502669};

// The examples of Redis's documentation.
TEST(GeoTest, ScoresDistancesAndHashesAreThoseOfRedis) {
  EXPECT_EQ(geo::score_of(kPalermo), 3479099956230698);
  EXPECT_EQ(geo::score_of(kCatania), 3479447370796909);
  const Point palermo = geo::point_of(3479099956230698);
  const Point catania = geo::point_of(3479447370796909);
  EXPECT_DOUBLE_EQ(palermo.longitude, 13.36138933897018433);
  EXPECT_DOUBLE_EQ(palermo.latitude, 38.11555639549629859);
  EXPECT_NEAR(geo::distance_m(palermo, catania), 166274.1516, 0.0001);
  const auto hash = geo::hash_of(palermo);
  EXPECT_EQ(std::string(hash.begin(), hash.end()), "sqc8b49rny0");
}

Point random_point(Random& random) {
  return {random.unit() * 360 - 180, (random.unit() * 2 - 1) * geo::kLatitudeMax};
}

TEST(GeoTest, PointsComeBackFromTheirScores) {
  Random random(test_seed(20241201));
  for (int i = 0; i < 10'000; ++i) {
    const Point point = random_point(random);
    const Point back = geo::point_of(geo::score_of(point));
    ASSERT_NEAR(back.longitude, point.longitude, 360.0 / (1 << 26));
    ASSERT_NEAR(back.latitude, point.latitude, 180.0 / (1 << 26));
  }
}

TEST(GeoTest, AnyScoreIsSafe) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (double score :
       {-1.0, -0.5, 1e300, -1e300, infinity, -infinity, 9.3e18, -9.3e18, 1.9e19, 4503599627370496.0}) {
    const Point point = geo::point_of(score);
    EXPECT_TRUE(geo::is_valid(point)) << score;
    EXPECT_EQ(geo::hash_of(point).size(), geo::kHashLetters);
  }
}

bool is_covered(const geo::Squares& squares, double score) {
  for (size_t i = 0; i < squares.count; ++i) {
    if (score >= squares.squares[i].min && score < squares.squares[i].max) return true;
  }
  return false;
}

TEST(GeoTest, SmallCirclesAndPolygonsLieWithinTheirSquares) {
  Random random(test_seed(20241202));
  for (int round = 0; round < 2000; ++round) {
    // Away from the poles and the date line, where Redis has its own mind.
    const Point center = {random.unit() * 300 - 150, random.unit() * 120 - 60};
    const double radius_m = std::pow(10, random.unit() * 6);
    const Shape circle{.kind = Shape::Kind::kCircle, .center = center, .radius_m = radius_m};
    const geo::Squares squares = geo::cover(circle);
    ASSERT_GE(squares.count, 1u);
    const double spread = radius_m / 100'000;
    const std::vector<Point> vertices = {{center.longitude - spread / 2, center.latitude - spread / 3},
                                         {center.longitude + spread / 2, center.latitude - spread / 3},
                                         {center.longitude, center.latitude + spread / 2}};
    const Shape polygon{
        .kind = Shape::Kind::kPolygon, .center = geo::center_of(vertices), .vertices = vertices};
    const geo::Squares polygon_squares = geo::cover(polygon);
    for (int i = 0; i < 50; ++i) {
      const Point point = {center.longitude + (random.unit() - 0.5) * 2 * spread,
                           center.latitude + (random.unit() - 0.5) * 2 * spread};
      double distance;
      if (!geo::is_valid(point)) continue;
      if (geo::holds(circle, point, distance)) {
        ASSERT_TRUE(is_covered(squares, geo::score_of(point)));
        ASSERT_LE(distance, radius_m);
      }
      if (geo::holds(polygon, point, distance)) {
        ASSERT_TRUE(is_covered(polygon_squares, geo::score_of(point)));
      }
    }
  }
}

TEST(GeoTest, PolygonsHoldWhatIsInside) {
  // A hollow: the letter U.
  const std::vector<Point> vertices = {{0, 0}, {3, 0}, {3, 3}, {2, 3}, {2, 1}, {1, 1}, {1, 3}, {0, 3}};
  const Shape shape{.kind = Shape::Kind::kPolygon, .center = geo::center_of(vertices), .vertices = vertices};
  double distance;
  EXPECT_TRUE(geo::holds(shape, {0.5, 2}, distance));
  EXPECT_TRUE(geo::holds(shape, {2.5, 2}, distance));
  EXPECT_TRUE(geo::holds(shape, {1.5, 0.5}, distance));
  EXPECT_FALSE(geo::holds(shape, {1.5, 2}, distance));
  EXPECT_FALSE(geo::holds(shape, {4, 1}, distance));
  EXPECT_FALSE(geo::holds(shape, {-1, 1}, distance));
}

}  // namespace
}  // namespace strata
