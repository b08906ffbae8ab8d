// GEOSEARCH and its relatives: parse what is searched, walk the squares that cover it, sort, and reply or
// store.
//
// With many members it is done in slices (sliced.h): the walk, then the replies. Sorting needs no slice of
// its own, because it sorts pieces as the walk collects them, and merges them as they are replied.

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "commands/algebra.h"
#include "commands/collections.h"
#include "commands/geo.h"
#include "text/numbers.h"

namespace strata {
namespace {

enum class Center : uint8_t { kNone, kMember, kPoint };
enum class Order : uint8_t { kNone, kAscending, kDescending };

// How a command is called; the rest is in Request.
struct Form {
  enum class Kind : uint8_t { kRadius, kRadiusByMember, kSearch };
  Kind kind;
  bool may_store = false;  // GEORADIUS: STORE and STOREDIST
  bool is_store = false;   // GEOSEARCHSTORE
  size_t options_begin = 0;
  size_t source() const { return is_store ? 2 : 1; }
};

struct Request {
  geo::Shape shape;
  std::vector<geo::Point> vertices;
  Center center = Center::kNone;
  bool has_circle = false, has_box = false, has_polygon = false;
  double unit_m = 1;
  bool with_distance = false, with_hash = false, with_point = false;
  int64_t count = 0;  // 0: all
  bool is_any = false;
  Order order = Order::kNone;
  std::optional<size_t> target;
  bool stores_distance = false;

  size_t properties() const { return size_t{with_distance} + size_t{with_hash} + size_t{with_point}; }
};

// ---- Arguments -------------------------------------------------------------------------------------

bool parse_number(Context& context, size_t i, double& value, Bytes error) {
  return context.parse_double_arg(i, value, error);
}

// radius unit
bool parse_circle(Context& context, size_t i, Request& request) {
  geo::Shape& shape = request.shape;
  if (!parse_number(context, i, shape.radius_m, "ERR need numeric radius")) return false;
  if (shape.radius_m < 0) return context.reply().error("ERR radius cannot be negative"), false;
  if (!parse_unit(context, i + 1, request.unit_m)) return false;
  shape.kind = geo::Shape::Kind::kCircle;
  shape.radius_m *= request.unit_m;
  return request.has_circle = true;
}

// width height unit
bool parse_box(Context& context, size_t i, Request& request) {
  geo::Shape& shape = request.shape;
  if (!parse_number(context, i, shape.width_m, "ERR need numeric width")) return false;
  if (!parse_number(context, i + 1, shape.height_m, "ERR need numeric height")) return false;
  if (shape.width_m < 0 || shape.height_m < 0)
    return context.reply().error("ERR height or width cannot be negative"), false;
  if (!parse_unit(context, i + 2, request.unit_m)) return false;
  shape.kind = geo::Shape::Kind::kBox;
  shape.width_m *= request.unit_m;
  shape.height_m *= request.unit_m;
  return request.has_box = true;
}

// vertices longitude latitude …; moves `i` to the last of them.
bool parse_polygon(Context& context, size_t& i, Request& request) {
  int64_t count;
  if (!context.parse_integer(i, count)) return false;
  if (count < 3) {
    context.reply().error("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices");
    return false;
  }
  if (static_cast<uint64_t>(count) > (context.argc() - i - 1) / 2) return context.syntax_error(), false;
  request.vertices.resize(static_cast<size_t>(count));
  for (geo::Point& vertex : request.vertices) {
    if (!parse_point(context, i + 1, vertex)) return false;
    i += 2;
  }
  request.shape.kind = geo::Shape::Kind::kPolygon;
  request.shape.center = geo::center_of(request.vertices);
  return request.has_polygon = true;
}

// False: an error was replied. Without a key there is no member, and the empty answer comes later.
bool find_member(Context& context, const Entry* entry, size_t i, Request& request) {
  request.center = Center::kMember;
  if (!entry) return true;
  std::optional<double> score = zset_score(entry->value(), context.arg(i));
  if (!score) return context.reply().error("ERR could not decode requested zset member"), false;
  request.shape.center = geo::point_of(*score);
  return true;
}

// What every form has. Nothing: not one of these.
std::optional<bool> parse_common(Context& context, size_t& i, Request& request) {
  if (context.is_word(i, "WITHDIST")) return request.with_distance = true;
  if (context.is_word(i, "WITHHASH")) return request.with_hash = true;
  if (context.is_word(i, "WITHCOORD")) return request.with_point = true;
  if (context.is_word(i, "ANY")) return request.is_any = true;
  if (context.is_word(i, "ASC")) return request.order = Order::kAscending, true;
  if (context.is_word(i, "DESC")) return request.order = Order::kDescending, true;
  if (context.is_word(i, "COUNT") && i + 1 < context.argc()) {
    if (!context.parse_integer(++i, request.count)) return false;
    if (request.count > 0) return true;
    context.reply().error("ERR COUNT must be > 0");
    return false;
  }
  return std::nullopt;
}

std::optional<bool> parse_store(const Context& context, const Form& form, size_t& i, Request& request) {
  if (form.is_store && context.is_word(i, "STOREDIST")) return request.stores_distance = true;
  if (!form.may_store || i + 1 >= context.argc()) return std::nullopt;
  const bool stores_distance = context.is_word(i, "STOREDIST");
  if (!stores_distance && !context.is_word(i, "STORE")) return std::nullopt;
  // The last one counts. What is behind any of the words is held (find_radius_targets).
  request.stores_distance = stores_distance;
  request.target = ++i;
  return true;
}

// Center and shape, each given once.
std::optional<bool> parse_area(Context& context, const Entry* entry, size_t& i, Request& request) {
  const size_t left = context.argc() - i - 1;
  if (context.is_word(i, "FROMMEMBER") && left >= 1 && request.center != Center::kPoint &&
      !request.has_polygon) {
    return find_member(context, entry, ++i, request);
  }
  if (context.is_word(i, "FROMLONLAT") && left >= 2 && request.center != Center::kMember &&
      !request.has_polygon) {
    request.center = Center::kPoint;
    i += 2;
    return parse_point(context, i - 1, request.shape.center);
  }
  if (context.is_word(i, "BYRADIUS") && left >= 2 && !request.has_box && !request.has_polygon) {
    i += 2;
    return parse_circle(context, i - 1, request);
  }
  if (context.is_word(i, "BYBOX") && left >= 3 && !request.has_circle && !request.has_polygon) {
    i += 3;
    return parse_box(context, i - 2, request);
  }
  const bool is_first = !request.has_circle && !request.has_box && !request.has_polygon;
  if (context.is_word(i, "BYPOLYGON") && left >= 1 && is_first && request.center == Center::kNone)
    return parse_polygon(context, ++i, request);
  return std::nullopt;
}

bool parse_options(Context& context, const Form& form, const Entry* entry, Request& request) {
  for (size_t i = form.options_begin; i < context.argc(); ++i) {
    std::optional<bool> parsed = parse_common(context, i, request);
    if (!parsed) parsed = parse_store(context, form, i, request);
    if (!parsed && form.kind == Form::Kind::kSearch) parsed = parse_area(context, entry, i, request);
    if (!parsed) context.syntax_error();
    if (!parsed.value_or(false)) return false;
  }
  return true;
}

bool check_together(Context& context, const Form& form, const Request& request) {
  Reply& reply = context.reply();
  const bool is_search = form.kind == Form::Kind::kSearch;
  if (request.target && request.properties() > 0) {
    reply.error("ERR ", form.is_store ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS",
                " is not compatible with WITHDIST, WITHHASH and WITHCOORD options");
  } else if (is_search && request.center == Center::kNone && !request.has_polygon) {
    reply.error("ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ", context.arg(0));
  } else if (is_search && !request.has_circle && !request.has_box && !request.has_polygon) {
    reply.error("ERR exactly one of BYRADIUS and BYBOX can be specified for ", context.arg(0));
  } else if (request.is_any && request.count == 0) {
    reply.error("ERR the ANY argument requires COUNT argument");
  } else {
    return true;
  }
  return false;
}

bool parse(Context& context, const Form& form, const Entry* entry, Request& request) {
  if (form.is_store) request.target = 1;
  if (form.kind == Form::Kind::kRadius) {
    request.center = Center::kPoint;
    if (!parse_point(context, 2, request.shape.center) || !parse_circle(context, 4, request)) return false;
  } else if (form.kind == Form::Kind::kRadiusByMember && entry) {
    if (!find_member(context, entry, 2, request) || !parse_circle(context, 3, request)) return false;
  }
  if (!parse_options(context, form, entry, request) || !check_together(context, form, request)) return false;
  if (request.count > 0 && !request.is_any && request.order == Order::kNone) {
    request.order = Order::kAscending;
  }
  return true;
}

// ---- Searching -------------------------------------------------------------------------------------

struct Found {
  Element member;  // lives as long as the key is latched
  double score;
  double distance;
  uint64_t number;  // in the order of the search
};

// The places of a shape in a sorted set that does not change meanwhile.
class Search {
 public:
  Search(const Value& zset, const Request& request) : zset_(zset), request_(request) {
    request_.shape.vertices = request_.vertices;
    squares_ = geo::cover(request_.shape);
  }
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  const Request& request() const { return request_; }
  // Members that the walk will meet.
  uint64_t work() const {
    uint64_t members = 0;
    for (size_t i = 0; i < squares_.count; ++i) {
      members += zset_count_below_score(zset_, squares_.squares[i].max, false) -
                 zset_count_below_score(zset_, squares_.squares[i].min, false);
    }
    return members;
  }

  // Walks over about `budget` members; true at the end.
  bool walk(uint64_t budget) {
    const size_t collected = found_.size();
    while (budget > 0 && square_ < squares_.count && !is_enough()) {
      const geo::Square square = squares_.squares[square_];
      const uint64_t last = zset_count_below_score(zset_, square.max, false);
      if (rank_ == kAtBegin) rank_ = zset_count_below_score(zset_, square.min, false);
      for (ZsetCursor cursor = zset_at(zset_, rank_); budget > 0 && rank_ < last && !is_enough(); ++rank_) {
        look_at(cursor);
        cursor.next();
        --budget;
      }
      if (rank_ < last) break;
      ++square_;
      rank_ = kAtBegin;
    }
    sort_piece(collected);
    return square_ == squares_.count || is_enough();
  }

  uint64_t result_count() const {
    const uint64_t limit = request_.count > 0 ? static_cast<uint64_t>(request_.count) : UINT64_MAX;
    return std::min<uint64_t>(found_.size(), limit);
  }
  // The next of result_count() places, in order.
  const Found& next() {
    auto is_after = [this](const Piece& a, const Piece& b) {
      return comes_before(found_[b.at], found_[a.at]);
    };
    if (!is_merging_) std::make_heap(pieces_.begin(), pieces_.end(), is_after);
    is_merging_ = true;
    std::pop_heap(pieces_.begin(), pieces_.end(), is_after);
    const Found& found = found_[pieces_.back().at];
    if (++pieces_.back().at == pieces_.back().end) {
      pieces_.pop_back();
    } else {
      std::push_heap(pieces_.begin(), pieces_.end(), is_after);
    }
    return found;
  }

 private:
  static constexpr uint64_t kAtBegin = UINT64_MAX;

  // Places of found_ that are in order.
  struct Piece {
    size_t at;
    size_t end;
  };

  // ANY stops as soon as there are enough.
  bool is_enough() const { return request_.is_any && found_.size() >= static_cast<uint64_t>(request_.count); }
  void look_at(const ZsetCursor& cursor) {
    const double score = cursor.score();
    double distance;
    if (geo::holds(request_.shape, geo::point_of(score), distance))
      found_.push_back({cursor.member(), score, distance, found_.size()});
  }
  bool comes_before(const Found& a, const Found& b) const {
    if (request_.order == Order::kAscending && a.distance != b.distance) return a.distance < b.distance;
    if (request_.order == Order::kDescending && a.distance != b.distance) return a.distance > b.distance;
    return a.number < b.number;
  }
  void sort_piece(size_t first) {
    if (first == found_.size()) return;
    if (request_.order != Order::kNone) {
      std::sort(found_.begin() + static_cast<std::ptrdiff_t>(first), found_.end(),
                [this](const Found& a, const Found& b) { return comes_before(a, b); });
    }
    pieces_.push_back({first, found_.size()});
  }

  const Value zset_;
  Request request_;
  geo::Squares squares_;
  size_t square_ = 0;
  uint64_t rank_ = kAtBegin;
  std::vector<Found> found_;
  std::vector<Piece> pieces_;  // a heap once merging has begun
  bool is_merging_ = false;
};

void reply_place(Context& context, const Request& request, const Found& found) {
  Reply& reply = context.reply();
  if (request.properties() > 0) reply.array(1 + request.properties());
  reply_many(context, reply, found.member);
  if (request.with_distance) reply_distance(context, found.distance / request.unit_m);
  if (request.with_hash) reply.integer(static_cast<int64_t>(found.score));
  if (request.with_point) reply_point(context, geo::point_of(found.score));
}

class SearchWork final : public SlicedWork {
 public:
  SearchWork(const Value& zset, const Request& request) : search_(zset, request) {}

  uint64_t work() const { return search_.work(); }
  bool step(Context& context) override { return run(context, kSliceElements); }

  bool run(Context& context, uint64_t budget) {
    if (!is_walked_) {
      is_walked_ = search_.walk(budget);
      if (!is_walked_) return false;
      left_ = search_.result_count();
      if (!search_.request().target) context.reply().array(left_);
      if (left_ > budget) return false;
    }
    return search_.request().target ? store_some(context, budget) : reply_some(context, budget);
  }

 private:
  bool reply_some(Context& context, uint64_t budget) {
    for (; left_ > 0 && budget > 0; --left_, --budget)
      reply_place(context, search_.request(), search_.next());
    return left_ == 0;
  }

  bool store_some(Context& context, uint64_t budget) {
    const Request& request = search_.request();
    const Key target = context.key(*request.target);
    for (; left_ > 0 && budget > 0; --left_, --budget) {
      const Found& found = search_.next();
      const double score = request.stores_distance ? found.distance / request.unit_m : found.score;
      Status added =
          add_new_member(context.data(target), context.options().zset, result_, found.member, score);
      if (added) continue;
      if (result_) context.database(target).discard(*result_);
      return context.check(added), true;
    }
    if (left_ > 0) return false;
    store_result(context, target, result_, search_.result_count());
    return true;
  }

  Search search_;
  bool is_walked_ = false;
  uint64_t left_ = 0;
  std::optional<Value> result_;
};

void run(Context& context, const Form& form) {
  Entry* entry;
  if (!context.find(context.key(form.source()), Type::kZset, entry)) return;
  Request request;
  if (!parse(context, form, entry, request)) return;
  if (!entry) {
    if (request.target) return store_result(context, context.key(*request.target), std::nullopt, 0);
    return context.reply().empty_array();
  }
  auto work = std::make_unique<SearchWork>(entry->value(), request);
  if (wants_slices(context, work->work())) {
    const AlgebraKeys keys = {form.source(), form.source() + 1, request.target};
    return context.slice(std::move(work), algebra_latches(context, keys));
  }
  while (!work->run(context, UINT64_MAX)) {
  }
}

}  // namespace

void georadius(Context& context) {
  run(context, {.kind = Form::Kind::kRadius, .may_store = true, .options_begin = 6});
}
void georadius_ro(Context& context) { run(context, {.kind = Form::Kind::kRadius, .options_begin = 6}); }
void georadiusbymember(Context& context) {
  run(context, {.kind = Form::Kind::kRadiusByMember, .may_store = true, .options_begin = 5});
}
void georadiusbymember_ro(Context& context) {
  run(context, {.kind = Form::Kind::kRadiusByMember, .options_begin = 5});
}
void geosearch(Context& context) { run(context, {.kind = Form::Kind::kSearch, .options_begin = 2}); }
void geosearchstore(Context& context) {
  run(context, {.kind = Form::Kind::kSearch, .is_store = true, .options_begin = 3});
}

}  // namespace strata
