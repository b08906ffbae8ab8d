#include "platform/sim_tree.h"

#include <algorithm>
#include <set>
#include <utility>

namespace strata {
namespace {

Result<std::vector<std::string_view>> split_path(std::string_view path) {
  if (path.empty()) return fail(Errc::kNotFound, "empty path");
  std::vector<std::string_view> names;
  while (!path.empty()) {
    std::string_view name = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), name.size() + 1));
    if (name == "..") return fail(Errc::kInvalidArgument, "the simulation does not resolve ..");
    if (!name.empty() && name != ".") names.push_back(name);
  }
  return names;
}

using EntriesMember = SimNode::Entries SimNode::*;

SimNodePtr walk(SimNodePtr node, const std::vector<std::string_view>& names, EntriesMember entries) {
  for (std::string_view name : names) {
    auto entry = ((*node).*entries).find(name);
    if (entry == ((*node).*entries).end()) return nullptr;
    node = entry->second;
  }
  return node;
}

}  // namespace

SimNodePtr SimPlace::node() const {
  auto entry = directory->entries.find(name);
  return entry == directory->entries.end() ? nullptr : entry->second;
}

SimTree::SimTree() : root_(std::make_shared<SimNode>()) { root_->is_directory = true; }

Result<SimNodePtr> SimTree::find(std::string_view path) const {
  TRY_ASSIGN(std::vector<std::string_view> names, split_path(path));
  SimNodePtr node = walk(root_, names, &SimNode::entries);
  if (node == nullptr) return fail(Errc::kNotFound, "find file");
  return node;
}

Result<SimNodePtr> SimTree::find_durable(std::string_view path) const {
  TRY_ASSIGN(std::vector<std::string_view> names, split_path(path));
  SimNodePtr node = walk(root_, names, &SimNode::durable);
  if (node == nullptr) return fail(Errc::kNotFound, "find synced file");
  return node;
}

Result<SimPlace> SimTree::locate(std::string_view path) const {
  TRY_ASSIGN(std::vector<std::string_view> names, split_path(path));
  if (names.empty()) return fail(Errc::kInvalidArgument, "the root directory");
  std::string name(names.back());
  names.pop_back();
  SimNodePtr directory = walk(root_, names, &SimNode::entries);
  if (directory == nullptr || !directory->is_directory) return fail(Errc::kNotFound, "find directory");
  return SimPlace{directory, std::move(name)};
}

void SimTree::add(uint64_t sequence, const SimPlace& place, SimNodePtr node) {
  place.directory->entries[place.name] = node;
  changes_.push_back(
      {.sequence = sequence, .kind = Kind::kAdd, .place = place, .to = {}, .node = std::move(node)});
}

void SimTree::remove(uint64_t sequence, const SimPlace& place) {
  place.directory->entries.erase(place.name);
  changes_.push_back(
      {.sequence = sequence, .kind = Kind::kRemove, .place = place, .to = {}, .node = nullptr});
}

void SimTree::rename(uint64_t sequence, const SimPlace& from, const SimPlace& to) {
  SimNodePtr node = from.node();
  from.directory->entries.erase(from.name);
  to.directory->entries[to.name] = node;
  changes_.push_back({.sequence = sequence, .kind = Kind::kRename, .place = from, .to = to, .node = node});
}

void SimTree::apply(const Change& change) {
  SimNode::Entries& entries = change.place.directory->durable;
  switch (change.kind) {
    case Kind::kAdd:
      entries[change.place.name] = change.node;
      break;
    case Kind::kRemove:
      entries.erase(change.place.name);
      break;
    case Kind::kRename:
      // The old name may stand for another file by now, if changes between were lost.
      if (auto old = entries.find(change.place.name); old != entries.end() && old->second == change.node) {
        entries.erase(old);
      }
      change.to.directory->durable[change.to.name] = change.node;
      break;
  }
}

// Changes that a sync of `directory` makes durable. A rename between two directories draws the
// changes of the other one in: without them its outcome could contradict theirs.
std::vector<SimTree::Change*> SimTree::covered_by(const SimNodePtr& directory, uint64_t through) {
  std::set<const SimNode*> directories{directory.get()};
  auto touched = [&](const Change& change) {
    return std::ranges::any_of(directories, [&](const SimNode* node) { return change.touches(node); });
  };
  for (bool grown = true; grown;) {
    grown = false;
    for (const Change& change : changes_) {
      if (change.kind != Kind::kRename || change.sequence > through || !touched(change)) continue;
      grown |= directories.insert(change.place.directory.get()).second;
      grown |= directories.insert(change.to.directory.get()).second;
    }
  }
  std::vector<Change*> covered;
  for (Change& change : changes_) {
    if (change.sequence <= through && touched(change)) covered.push_back(&change);
  }
  return covered;
}

void SimTree::sync(const SimNodePtr& directory, uint64_t through) {
  for (Change* change : covered_by(directory, through)) {
    if (!change->in_doubt) change->durable = true;
  }
  fold();
}

void SimTree::sync_failed(const SimNodePtr& directory, uint64_t through) {
  for (Change* change : covered_by(directory, through)) {
    if (!change->durable) change->in_doubt = true;
  }
}

// A durable change must wait for undecided ones before it in the same directory: they may still come
// true, and order counts.
void SimTree::fold() {
  std::set<const SimNode*> undecided;
  std::erase_if(changes_, [&](const Change& change) {
    bool waits = !change.durable || undecided.contains(change.place.directory.get()) ||
                 (change.to.directory != nullptr && undecided.contains(change.to.directory.get()));
    if (waits) {
      undecided.insert(change.place.directory.get());
      if (change.to.directory != nullptr) undecided.insert(change.to.directory.get());
      return false;
    }
    apply(change);
    return true;
  });
}

void SimTree::crash_names(SimRandom& random, const Trace& trace) {
  auto at_stake = std::ranges::count_if(changes_, [](const Change& change) { return !change.durable; });
  SimSurvival survival(random, static_cast<size_t>(at_stake));
  // Names that lost renames would have given. A later rename away from such a name is lost with it:
  // the file has its old name still, and must not end up with two.
  std::vector<std::pair<SimPlace, SimNodePtr>> not_arrived;
  size_t index = 0;
  size_t kept = 0;
  for (const Change& change : changes_) {
    bool keep = change.durable || survival.keeps(index, random);
    bool source_lost = std::ranges::any_of(not_arrived, [&](const auto& lost) {
      return change.kind == Kind::kRename && lost.first.directory == change.place.directory &&
             lost.first.name == change.place.name && lost.second == change.node;
    });
    if (!change.durable) {
      keep = keep && !source_lost;
      kept += keep;
      ++index;
    }
    if (keep) {
      apply(change);
    } else if (change.kind == Kind::kRename) {
      not_arrived.emplace_back(change.to, change.node);
    }
  }
  changes_.clear();
  if (at_stake > 0) {
    trace(std::string("crash names: keeps ") + survival.name() + ", " + std::to_string(kept) + " of " +
          std::to_string(at_stake));
  }
}

void SimTree::crash(SimRandom& random, const Trace& trace) {
  crash_names(random, trace);
  std::set<const SimNode*> visited;
  auto restore = [&](auto& self, SimNode& node, const std::string& path) -> void {
    if (!visited.insert(&node).second) return;  // a hard link seen already
    if (node.is_directory) {
      node.entries = node.durable;
      for (auto& [name, child] : node.entries) self(self, *child, path.empty() ? name : path + "/" + name);
      return;
    }
    std::string line = node.file.crash(random);
    if (!line.empty()) trace("crash " + path + ": " + line);
  };
  restore(restore, *root_, "");
}

uint64_t SimTree::total_bytes() const {
  std::set<const SimNode*> visited;
  uint64_t total = 0;
  auto add_up = [&](auto& self, const SimNode& node) -> void {
    if (!visited.insert(&node).second) return;
    total += node.file.cached().size();
    for (const auto& entry : node.entries) self(self, *entry.second);
  };
  add_up(add_up, *root_);
  return total;
}

}  // namespace strata
