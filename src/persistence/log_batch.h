// The lines that Strata adds to an AOF. Redis skips them as annotations; recovery trusts nothing else.
//
//   Opening, the first line of every increment that Strata creates:
//
//     #SO:01 <position> <salt> <crc32c>\r\n                    offset  size
//         version          hexadecimal                            4      2
//         position         of the first record in this file       7     16
//         salt             random, of this file                  24     16
//         crc32c           of the text from 0 to 40              41      8
//
//   Batch header, before every batch of whole records:
//
//     #SB:<position> <bytes> <crc32c> <synced-to>\r\n           offset  size
//         position         of the batch's first byte              4     16
//         bytes            of the batch's body                   21     10
//         crc32c           see below                             32      8
//         synced-to        all below it was durable before       41     16
//                          this header was written
//     body: `bytes` bytes of whole RESP commands, MULTI … EXEC never split
//
// All numbers are lower-case hexadecimal of fixed width. A batch counts if it lies whole within its file
// and crc32c(salt text, position text, bytes text, synced-to text, body) matches. Positions count bytes
// of records (bodies of batches, and what a real Redis appended) since the log's birth.
//
// A kill ends a write between two pages (4,096 bytes) of the file, where alone the kernel looks for signals.
// So that what it leaves is a log for a real Redis too, and what that appends is one for us:
//
//   1. a batch that crosses pages, and then lies behind all filler, has one command, of which Redis cuts a
//      part off, header included; the header lies in one page with the first byte of the command;
//   2. or it is one MULTI … EXEC larger than a page: of a part of that, redis-server 7.0.15 leaves MULTI in
//      the file, and loses what it then appends;
//   3. all other batches lie within a page; where none fits, filler takes the rest of it, at least two bytes.
//
// Filler is also what a prefilled file holds until batches overwrite it. It is lines of '#' alone, their '\n'
// where a 256-byte line of the file ends, or "#\n". To Redis it is a comment, because what a batch leaves of
// its line still begins with '#': where only the '\n' would remain, that byte becomes '#' and joins the line
// to the next one.
//
// The salt enters every checksum, so a client cannot store a value that looks like a valid header of
// the file it lands in, and so make a start refuse or cut. An opening is durable before the manifest
// names its file, and everything below its position was durable before: it is a header with
// synced-to = position, and damage to it is always corruption.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace strata {

constexpr Bytes kOpeningMark = "#SO:";
constexpr Bytes kBatchMark = "#SB:";
// Redis's own; in decimal the second from which on what follows was written.
constexpr Bytes kTimeMark = "#TS:";
constexpr unsigned kLogFormatVersion = 2;
constexpr unsigned kFillerSinceVersion = 2;  // version 1 knows none and is the same otherwise
constexpr size_t kOpeningBytes = 51;
constexpr size_t kBatchHeaderBytes = 59;
constexpr size_t kFillerLineBytes = 256;  // two joined stay far below the 1,000 bytes of a line
                                          // that Redis skips
constexpr size_t kPageBytes = 4096;       // filler that was written ahead ends at a multiple of it
static_assert(kPageBytes % kFillerLineBytes == 0);
constexpr uint64_t kBatchBodyBytesMax = (uint64_t{1} << 40) - 1;  // what ten digits hold

struct LogOpening {
  unsigned version = kLogFormatVersion;
  uint64_t position = 0;
  uint64_t salt = 0;

  bool operator==(const LogOpening&) const = default;
};

struct BatchHeader {
  uint64_t position = 0;
  uint64_t bytes = 0;
  uint32_t checksum = 0;
  uint64_t synced_to = 0;

  bool operator==(const BatchHeader&) const = default;
};

void format_opening(char (&out)[kOpeningBytes], const LogOpening& opening);
// False unless `text` begins with exactly such a line and its checksum matches.
bool parse_opening(Bytes text, LogOpening& opening);

void format_batch_header(char* out, const BatchHeader& header);  // kBatchHeaderBytes
// The form only; the checksum needs the body.
bool parse_batch_header(Bytes text, BatchHeader& header);
// Over everything but the body; crc32c() continues it with the body.
uint32_t batch_checksum_seed(uint64_t salt, const BatchHeader& header);

// Text of filler for the bytes of a file from `offset` on; its first byte is '#' in any case.
void format_filler(std::span<char> out, uint64_t offset);
// Does a batch of `bytes` (header included) at `offset` lie within a page, leaving none or two bytes of it?
bool fits_in_page(uint64_t offset, uint64_t bytes);

}  // namespace strata
