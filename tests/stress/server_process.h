// A strata-server of our own: in a new directory, on a free port, ended with the test whatever happens.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace stress {

class ServerProcess {
 public:
  ServerProcess() = default;
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // Starts, or starts again in the same directory, and waits until it answers. False: it did not.
  bool start(const std::string& program, const std::vector<std::string>& arguments);
  void signal(int number) const;
  // Waits for its end: the exit code, or minus the signal, or kHangs.
  static constexpr int kHangs = -1000;
  int wait();
  bool is_running() const { return pid_ > 0; }

  uint16_t port() const { return port_; }
  int64_t resident_kib() const;
  // What a sanitizer or an assertion had to say; empty when all is well.
  std::string complaints() const;

 private:
  bool launch(const std::string& program, const std::vector<std::string>& arguments);
  std::string log_path() const { return directory_ + "/server.log"; }

  pid_t pid_ = 0;
  uint16_t port_ = 0;
  std::string directory_;
};

}  // namespace stress
