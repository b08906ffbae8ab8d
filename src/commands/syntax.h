// The notation in which redis.io writes a command's arguments, and what follows from it.
//
//   key                         one argument             <a | b>   one of several forms
//   [x]                         may be left out          x [x …]   one or more: the bracket repeats
//   NX                          upper case: a keyword    [[a] b]   brackets nest
//
// Arity is derived at compile time: the arguments outside brackets, of the shortest alternative, and whether
// any bracket makes the command open-ended. The tree for COMMAND DOCS is parsed from the same text at run
// time.

#pragma once

#include <cstddef>

namespace strata {

struct Syntax {
  const char* text;
  int required = 0;            // arguments that must be there
  bool is_open_ended = false;  // more may follow
  bool valid = true;           // brackets match

  consteval Syntax(const char* notation) : text(notation) {  // NOLINT: rows of tables write a plain literal
    const char* at = notation;
    required = sequence(at);
    if (*at) valid = false;
  }

 private:
  // Counts until the end, a closing bracket or a '|'.
  consteval int sequence(const char*& at) {
    int count = 0;
    while (*at && *at != ']' && *at != '>' && *at != '|') {
      if (*at == ' ') {
        ++at;
      } else if (*at == '[') {
        is_open_ended = true;
        skip_to(++at, ']');
      } else if (*at == '<') {
        count += shortest(++at);
      } else {
        while (*at && *at != ' ' && *at != ']' && *at != '>' && *at != '|' && *at != '[' && *at != '<') ++at;
        ++count;
      }
    }
    return count;
  }
  consteval int shortest(const char*& at) {
    int least = sequence(at);
    while (*at == '|') {
      int other = sequence(++at);
      if (other != least) is_open_ended = true;
      if (other < least) least = other;
    }
    if (*at == '>') {
      ++at;
    } else {
      valid = false;
    }
    return least;
  }
  consteval void skip_to(const char*& at, char close) {
    sequence(at);
    while (*at == '|') sequence(++at);
    if (*at == close) {
      ++at;
    } else {
      valid = false;
    }
  }
};

}  // namespace strata
