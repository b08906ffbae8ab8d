#include "platform/sim_file_image.h"

#include <algorithm>

#include "platform/sim_file_system.h"

namespace strata {

SimSurvival::SimSurvival(SimRandom& random, size_t change_count)
    : mode_(static_cast<Mode>(random.below(4))), prefix_(random.below(change_count + 1)) {}

bool SimSurvival::keeps(size_t index, SimRandom& random) const {
  switch (mode_) {
    case Mode::kNone:
      return false;
    case Mode::kAll:
      return true;
    case Mode::kPrefix:
      return index < prefix_;
    case Mode::kSubset:
      return random.one_in(2);
  }
  return false;
}

// The end of a prefix is where a disk lost its power; in a subset anything goes.
bool SimSurvival::may_tear(size_t index) const {
  return mode_ == Mode::kSubset || (mode_ == Mode::kPrefix && index + 1 == prefix_);
}

const char* SimSurvival::name() const {
  constexpr const char* kNames[] = {"none", "all", "prefix", "subset"};
  return kNames[static_cast<size_t>(mode_)];
}

void SimFileImage::apply(std::string& image, const Change& change) {
  if (!change.is_write) {
    image.resize(change.offset, '\0');
    return;
  }
  if (change.bytes.empty()) return;
  uint64_t end = change.offset + change.bytes.size();
  if (image.size() < end) image.resize(end, '\0');
  change.bytes.copy(image.data() + change.offset, change.bytes.size());
}

// A disk writes whole sectors, so a write can only tear where a sector of the file begins.
void SimFileImage::apply_torn(std::string& image, const Change& change, SimRandom& random) {
  uint64_t begin = change.offset;
  uint64_t end = begin + change.bytes.size();
  uint64_t first = (begin + kSimSectorBytes - 1) / kSimSectorBytes;
  uint64_t last = (end - 1) / kSimSectorBytes;
  if (change.bytes.empty() || first > last) return apply(image, change);

  enum class Tail : uint8_t { kLost, kZeros, kGarbage, kScattered };
  Tail tail = static_cast<Tail>(random.below(4));
  uint64_t tear = (first + random.below(last - first + 1)) * kSimSectorBytes;
  Change kept = change;
  kept.bytes.resize(tear - begin);
  apply(image, kept);
  if (tail == Tail::kLost) return;

  for (uint64_t at = tear; at < end; at += kSimSectorBytes) {
    Change sector;
    sector.offset = at;
    sector.bytes = change.bytes.substr(at - begin, std::min(kSimSectorBytes, end - at));
    if (tail == Tail::kScattered && random.one_in(2)) continue;
    if (tail == Tail::kZeros) sector.bytes.assign(sector.bytes.size(), '\0');
    if (tail == Tail::kGarbage) {
      for (char& byte : sector.bytes) byte = static_cast<char>(random.next());
    }
    apply(image, sector);
  }
}

void SimFileImage::write(uint64_t sequence, uint64_t offset, Bytes bytes) {
  changes_.push_back({.sequence = sequence, .offset = offset, .bytes = std::string(bytes)});
  apply(cached_, changes_.back());
}

void SimFileImage::truncate(uint64_t sequence, uint64_t size) {
  changes_.push_back({.sequence = sequence, .is_write = false, .offset = size, .bytes = {}});
  apply(cached_, changes_.back());
}

void SimFileImage::fold() {
  auto pending = std::ranges::find_if(changes_, [](const Change& change) { return !change.durable; });
  for (auto change = changes_.begin(); change != pending; ++change) apply(synced_, *change);
  changes_.erase(changes_.begin(), pending);
}

void SimFileImage::sync(uint64_t through) {
  for (Change& change : changes_) {
    if (change.sequence <= through && !change.in_doubt) change.durable = true;
  }
  fold();
}

void SimFileImage::sync_failed(uint64_t through) {
  for (Change& change : changes_) {
    if (change.sequence <= through && !change.durable) change.in_doubt = true;
  }
}

std::string SimFileImage::crash(SimRandom& random) {
  size_t at_stake = unsynced_changes();
  SimSurvival survival(random, at_stake);
  size_t index = 0;
  size_t kept = 0;
  size_t torn = 0;
  for (const Change& change : changes_) {
    if (change.durable) {
      apply(synced_, change);
      continue;
    }
    bool keep = survival.keeps(index, random);
    bool tear = keep && change.is_write && survival.may_tear(index) && random.one_in(2);
    if (tear) {
      apply_torn(synced_, change, random);
    } else if (keep) {
      apply(synced_, change);
    }
    kept += keep;
    torn += tear;
    ++index;
  }
  changes_.clear();
  cached_ = synced_;
  if (at_stake == 0) return {};
  return std::string("keeps ") + survival.name() + ": " + std::to_string(kept) + " of " +
         std::to_string(at_stake) + " changes, " + std::to_string(torn) + " torn, size " +
         std::to_string(synced_.size());
}

std::string SimFileImage::synced() const {
  std::string image = synced_;
  for (const Change& change : changes_) {
    if (change.durable) apply(image, change);
  }
  return image;
}

size_t SimFileImage::unsynced_changes() const {
  return static_cast<size_t>(
      std::ranges::count_if(changes_, [](const Change& change) { return !change.durable; }));
}

}  // namespace strata
