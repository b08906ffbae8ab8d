// What strata-check found, for people and for programs.

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace strata {

// Exit codes; documented in --help and docs/strata-check.md.
enum class CheckExit : int { kFine = 0, kDamaged = 1, kCannotRead = 2, kFixed = 3 };

struct Finding {
  std::string file;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  std::string what;         // what is wrong
  std::string consequence;  // what a server does with it
};

struct CheckReport {
  std::string path;
  std::string verdict;  // what Strata does at a start
  std::vector<Finding> findings;
  nlohmann::json facts = nlohmann::json::object();  // counts by name
  std::vector<std::string> fixed;                   // what --fix did
  bool cannot_read = false;

  CheckExit exit_code() const;
  std::string text() const;
  nlohmann::json json() const;
};

}  // namespace strata
