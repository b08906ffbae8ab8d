#include "tools/report.h"

#include <fmt/format.h>

namespace strata {

CheckExit CheckReport::exit_code() const {
  if (cannot_read) return CheckExit::kCannotRead;
  if (findings.empty()) return CheckExit::kFine;
  return fixed.empty() ? CheckExit::kDamaged : CheckExit::kFixed;
}

std::string CheckReport::text() const {
  std::string out = path + "\n";
  for (const auto& [name, value] : facts.items()) {
    std::string label = name;
    for (char& c : label) c = c == '_' ? ' ' : c;
    out += fmt::format("  {}: {}\n", label, value.is_string() ? value.get<std::string>() : value.dump());
  }
  for (const Finding& finding : findings) {
    out += fmt::format("\nDAMAGE  {} at offset {} ({} bytes)\n        {}.\n        {}.\n", finding.file,
                       finding.offset, finding.bytes, finding.what, finding.consequence);
  }
  for (const std::string& line : fixed) out += "\nFIXED   " + line + "\n";
  return out + "\n" + verdict + "\n";
}

nlohmann::json CheckReport::json() const {
  nlohmann::json out = {{"path", path}, {"verdict", verdict}, {"exit_code", static_cast<int>(exit_code())}};
  out["facts"] = facts;
  out["fixed"] = fixed;
  out["findings"] = nlohmann::json::array();
  for (const Finding& finding : findings) {
    out["findings"].push_back({{"file", finding.file},
                               {"offset", finding.offset},
                               {"bytes", finding.bytes},
                               {"what", finding.what},
                               {"consequence", finding.consequence}});
  }
  return out;
}

}  // namespace strata
