#include "text/ascii.h"

namespace strata {

std::string to_lower(Bytes text) {
  std::string result(text);
  for (char& c : result) c = ascii_lower(c);
  return result;
}

std::string to_upper(Bytes text) {
  std::string result(text);
  for (char& c : result) c = ascii_upper(c);
  return result;
}

}  // namespace strata
