// One pass of recovery over the files of a log: what AofReader does inside load() and verify().
//
// A run reads files in order and knows, between them, the position and the highest synced-to so far. It
// changes nothing on disk: it says where the log has to be cut, and AofReader cuts.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "persistence/aof_reader.h"
#include "persistence/aof_reader_resp.h"
#include "persistence/aof_reader_window.h"
#include "persistence/log_batch.h"

namespace strata {

// A search for headers behind damage gives up, and the log is refused, when candidates have made it
// checksum this many times the bytes searched (or kAofSearchBytesMin): only a hostile file does.
constexpr uint64_t kAofSearchFactorMax = 64;
constexpr uint64_t kAofSearchBytesMin = 64 << 20;

struct AofInput {
  std::string name;  // in the manifest
  std::string path;
  uint64_t bytes = 0;
  bool is_base = false;
};

class AofReaderRun {
 public:
  // `applier` is null for verify().
  AofReaderRun(FileSystem& fs, const AofReadOptions& options, std::vector<AofInput> inputs, Applier* applier,
               BaseLoader& base_loader, AofReport& report);

  struct Cut {
    size_t input;
    uint64_t offset;
  };
  // Reads everything; a cut where the log has to end. Sets report.failed_file on error.
  Result<std::optional<Cut>> read_all();
  const std::vector<AofInput>& inputs() const { return inputs_; }

 private:
  // What is known of the file being read.
  struct Current {
    const AofInput* input;
    bool is_last = false;
    bool has_opening = false;
    bool is_foreign = false;  // from here on a real Redis wrote
    bool has_records = false;
    std::optional<uint64_t> filler_at;  // directly before what comes next
    LogOpening opening;
    std::optional<uint64_t> damaged_at;
  };
  struct Search {
    bool found = false;
    uint64_t highest_synced = 0;
  };

  Result<uint64_t> load_preamble(File& file, const AofInput& input);
  Status read_file(Current& current);
  Status read_rest(Current& current, File& file, AofWindow& window);
  Status read_opening(Current& current, AofWindow& window);
  Status read_next(Current& current, File& file, AofWindow& window);
  Result<bool> skip_filler(Current& current, AofWindow& window);
  Result<bool> read_batch(const Current& current, File& file, AofWindow& window);
  Result<bool> enter_foreign(Current& current, File& file, AofWindow& window);
  Status read_foreign(Current& current, AofWindow& window);
  Result<AofParse> scan_unit(AofWindow& window);
  Status run_commands(Bytes bytes, uint64_t offset);
  Status run_command(const AofCommand& command, uint64_t offset);

  Result<uint32_t> checksum_of(File& file, uint64_t offset, uint64_t bytes, uint32_t seed);
  Result<Search> search_headers(File& file, uint64_t file_bytes, uint64_t from, uint64_t salt,
                                bool any_will_do);
  Result<bool> try_header(File& file, uint64_t file_bytes, uint64_t from, uint64_t at, uint64_t salt,
                          Search& search);
  Result<Cut> resolve_damage(size_t index, const Current& current);

  FileSystem& fs_;
  const AofReadOptions& options_;
  const std::vector<AofInput> inputs_;
  Applier* const applier_;
  BaseLoader& base_loader_;
  AofReport& report_;

  uint64_t position_ = 0;
  bool position_is_known_ = false;  // a base or an opening has said so, or an increment was read
  uint64_t bytes_total_ = 0;
  uint64_t bytes_before_ = 0;  // of files already read
  uint64_t search_budget_ = 0;
  uint16_t db_ = 0;
  AofCommand command_;
  AofUnit unit_;
};

}  // namespace strata
