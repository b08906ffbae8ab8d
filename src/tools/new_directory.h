// A data directory with a log in it that is being made: complete and durable after finish(), or gone again.
//
// What restore and backup write into. A directory that was there before is never touched. After a failure the
// destructor removes what was made; what cannot be removed has no manifest, and no server takes it for a log.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "persistence/manifest.h"
#include "platform/file_system.h"
#include "tools/progress.h"

namespace strata {

// A file that grows by pieces. Durable after finish().
class NewFile {
 public:
  explicit NewFile(File file) : file_(std::move(file)) {}
  Status append(Bytes bytes);
  uint64_t bytes() const { return written_ + pending_.size(); }
  Status finish();

 private:
  Status write_pending();

  File file_;
  std::string pending_;
  uint64_t written_ = 0;
};

class NewDirectory {
 public:
  NewDirectory(FileSystem& fs, const std::string& directory, const std::string& append_filename,
               const ShowProgress& progress)
      : fs_(fs), location_{directory, "appendonlydir", append_filename}, progress_(progress) {}
  ~NewDirectory();
  NewDirectory(const NewDirectory&) = delete;
  NewDirectory& operator=(const NewDirectory&) = delete;

  Status create();  // kExists when it is there
  // Each makes the file `name` of the log. The first two return the bytes of what is durable by then.
  Result<uint64_t> copy(const std::string& from, const std::string& name);
  Result<uint64_t> link(const std::string& from, const std::string& name);
  Result<NewFile> create_file(const std::string& name);
  // Removes the files made so far.
  void clear();
  Status finish(const Manifest& manifest);

 private:
  FileSystem& fs_;
  const AofLocation location_;
  const ShowProgress& progress_;
  std::vector<std::string> directories_;  // made, outermost first
  std::vector<std::string> files_;
  bool is_finished_ = false;
};

}  // namespace strata
