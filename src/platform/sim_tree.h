// The names of the simulated disk: directories as they are, as they are synced, and the changes of
// names in between. Used by SimFileSystem, under its mutex.
//
// Every directory holds its entries twice: as programs see them and as they would surely be found
// after a crash. A change of names goes to the first at once and to a list; a directory sync moves
// it from the list to the second. A rename over two directories is one change: syncing either
// directory makes it durable, together with all earlier changes of both.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "platform/sim_file_image.h"

namespace strata {

struct SimNode {
  using Entries = std::map<std::string, std::shared_ptr<SimNode>, std::less<>>;

  bool is_directory = false;
  int64_t modified_us = 0;
  SimFileImage file;  // of a file
  Entries entries;    // of a directory: as seen
  Entries durable;    // of a directory: as synced
};
using SimNodePtr = std::shared_ptr<SimNode>;

// A name in a directory, whether something has it or not.
struct SimPlace {
  SimNodePtr directory;
  std::string name;

  SimNodePtr node() const;  // null if nothing has the name
};

class SimTree {
 public:
  SimTree();

  Result<SimNodePtr> find(std::string_view path) const;
  Result<SimNodePtr> find_durable(std::string_view path) const;
  // The directory must exist; the root itself is kInvalidArgument.
  Result<SimPlace> locate(std::string_view path) const;

  // Callers have checked that the change makes sense. `sequence` as in SimFileImage.
  void add(uint64_t sequence, const SimPlace& place, SimNodePtr node);
  void remove(uint64_t sequence, const SimPlace& place);
  void rename(uint64_t sequence, const SimPlace& from, const SimPlace& to);
  void sync(const SimNodePtr& directory, uint64_t through);
  void sync_failed(const SimNodePtr& directory, uint64_t through);

  // Names and files become what the disk kept. Each decision is a line given to `trace`.
  using Trace = std::function<void(const std::string&)>;
  void crash(SimRandom& random, const Trace& trace);

  // Each file that has a name, once.
  uint64_t total_bytes() const;

 private:
  enum class Kind : uint8_t { kAdd, kRemove, kRename };
  struct Change {
    uint64_t sequence = 0;
    Kind kind = Kind::kAdd;
    SimPlace place;   // of a rename: the old name
    SimPlace to;      // of a rename: the new name
    SimNodePtr node;  // what was added or renamed
    bool durable = false;
    bool in_doubt = false;

    bool touches(const SimNode* directory) const {
      return place.directory.get() == directory || to.directory.get() == directory;
    }
  };

  static void apply(const Change& change);
  std::vector<Change*> covered_by(const SimNodePtr& directory, uint64_t through);
  void fold();
  void crash_names(SimRandom& random, const Trace& trace);

  SimNodePtr root_;
  std::vector<Change> changes_;  // in order
};

}  // namespace strata
