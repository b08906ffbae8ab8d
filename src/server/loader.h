// Brings the data back at start: the log with its base, or a dump file; then opens the log for new writes.
//
// Runs on a thread of its own while the loops answer -LOADING. Nobody else is inside the shards meanwhile.
// Nothing expires while loading.

#pragma once

#include <string>

#include "base/result.h"
#include "persistence/aof_reader.h"

namespace strata {

class Server;

class Loader {
 public:
  explicit Loader(Server& server) : server_(server) {}
  // For strata-server --check: loads, changes no file and opens no log.
  void set_read_only() { read_only_ = true; }
  Status run();
  // The error of run(), with the file it is about.
  std::string explain(const Error& error) const;

 private:
  Status load_dump(const std::string& path);
  Status load_log();

  Server& server_;
  bool read_only_ = false;
  std::string failed_file_;
  std::string detail_;
};

}  // namespace strata
