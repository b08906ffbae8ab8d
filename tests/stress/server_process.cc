#include "server_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "client.h"

namespace stress {
namespace {

constexpr int kStartAttempts = 3;
constexpr int kAnswerAttempts = 6000;  // of 10 ms: replaying a log under a sanitizer takes its time
constexpr int kEndAttempts = 6000;
constexpr size_t kComplaintBytes = 6000;

uint16_t free_port() {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool is_bound = ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                        ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(fd);
  return is_bound ? ntohs(address.sin_port) : 0;
}

void pause_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

}  // namespace

ServerProcess::~ServerProcess() {
  if (pid_ > 0) {
    signal(SIGKILL);
    wait();
  }
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

void ServerProcess::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

bool ServerProcess::launch(const std::string& program, const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {program,  "--port",   std::to_string(port_), "--dir", directory_,
                                  "--bind", "127.0.0.1"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& argument : all) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::string log = log_path();
  pid_ = ::fork();
  if (pid_ != 0) return pid_ > 0;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  int fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::dup2(fd, 1);
  ::dup2(fd, 2);
  ::execv(program.c_str(), argv.data());
  ::_exit(127);
}

bool ServerProcess::start(const std::string& program, const std::vector<std::string>& arguments) {
  if (directory_.empty()) {
    std::string name = (std::filesystem::temp_directory_path() / "strata-stress-XXXXXX").string();
    if (!::mkdtemp(name.data())) return false;
    directory_ = name;
  }
  // Another process may take the port between our look and the server's bind.
  for (int attempt = 0; attempt < kStartAttempts; ++attempt) {
    port_ = free_port();
    if (!launch(program, arguments)) return false;
    for (int i = 0; i < kAnswerAttempts; ++i) {
      if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
        pid_ = 0;
        break;
      }
      Client client(port_);
      if (client.is_connected() && client.send(encode({"PING"}))) {
        Reply reply = client.try_read(1000);
        if (!reply.is_lost() && !reply.text.starts_with("LOADING")) return true;  // also NOAUTH
      }
      pause_ms(10);
    }
    if (pid_ > 0) return false;
  }
  return false;
}

int ServerProcess::wait() {
  for (int i = 0; i < kEndAttempts; ++i) {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = 0;
      return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    pause_ms(10);
  }
  return kHangs;
}

int64_t ServerProcess::resident_kib() const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::strtoll(line.c_str() + 6, nullptr, 10);
  }
  return 0;
}

std::string ServerProcess::complaints() const {
  std::ifstream file(log_path());
  std::stringstream all;
  all << file.rdbuf();
  std::string log = all.str();
  for (const char* word : {"Sanitizer", "runtime error", "ssertion", "crashed", "signal:"}) {
    size_t at = log.find(word);
    if (at != std::string::npos) return log.substr(at > 100 ? at - 100 : 0, kComplaintBytes);
  }
  return {};
}

}  // namespace stress
