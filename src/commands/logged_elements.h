// Elements for the log, in commands of some thousand each: SREM, SADD, RPUSH and the like.
//
// In pieces, because one string of millions of bytes would be copied as it grows, and cost as much again to
// be given back. The elements are copied, and logged in the order in which they came.

#pragma once

#include <deque>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "commands/context.h"

namespace strata {

class LoggedElements {
 public:
  void add(Bytes element) {
    if (pieces_.empty() || pieces_.back().ends.size() == kElementsPerCommand) pieces_.emplace_back();
    Piece& piece = pieces_.back();
    piece.elements.append(element);
    piece.ends.push_back(piece.elements.size());
  }
  void log(Context& context, Bytes command, Bytes key) const {
    std::vector<Bytes> words;
    for (const Piece& piece : pieces_) {
      words.assign({command, key});
      size_t begin = 0;
      for (size_t end : piece.ends) {
        words.push_back(Bytes(piece.elements).substr(begin, end - begin));
        begin = end;
      }
      context.effect(words);
    }
  }

 private:
  static constexpr size_t kElementsPerCommand = 1024;
  struct Piece {
    std::string elements;  // one after the other
    std::vector<size_t> ends;
  };

  std::deque<Piece> pieces_;
};

}  // namespace strata
