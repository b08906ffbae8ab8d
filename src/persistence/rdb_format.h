// The numbers of Redis's dump format (RDB), as far as Strata reads and writes it. docs/formats/rdb.md draws
// it.
//
//   "REDIS" version(4 digits)  { opcode … | [expiry] [idle | freq] type key value }…  0xFF  CRC-64 (8 bytes)
//
//   length   00xxxxxx                       6 bits
//            01xxxxxx +1                    14 bits, big-endian
//            10000000 +4, 10000001 +8       32 and 64 bits, big-endian
//            110000ee                       in place of a string's length: 0, 1, 2 = an integer of 1, 2, 4
//            bytes
//                                           follows, little-endian; 3 = LZF: packed length, length, packed
//                                           bytes
//
// Reader and writer share it. Source: the public description of the format and files of redis-server.

#pragma once

#include <cstddef>
#include <cstdint>

namespace strata {

inline constexpr uint32_t kRdbVersionRead = 12;     // the newest that is read
inline constexpr uint32_t kRdbVersionWritten = 10;  // what redis-server 7.0 writes and takes
// The option rdb-version: 9 for Redis 5 to 6.2, 11 for Redis 7.2, 12 for 7.4.
inline constexpr uint32_t kRdbVersionWrittenMin = 9;
inline constexpr uint32_t kRdbVersionWithStreamCounters = 10;  // entries added, read, highest deleted ID
inline constexpr uint32_t kRdbVersionWithStreamActivity = 11;  // when a consumer last got an entry
inline constexpr uint32_t kRdbVersionWithListpack = 10;        // of hashes, sorted sets, and nodes of lists
inline constexpr uint32_t kRdbVersionWithSetListpack = 11;
inline constexpr uint32_t kRdbVersionWithFieldDeadlines = 12;
inline constexpr size_t kRdbHeaderBytes = 9;
inline constexpr size_t kRdbChecksumBytes = 8;
inline constexpr uint32_t kRdbVersionWithChecksum = 5;

enum class RdbOpcode : uint8_t {
  kSlotInfo = 0xF4,
  kFunction2 = 0xF5,
  kFunctionPreGa = 0xF6,
  kModuleAux = 0xF7,
  kIdle = 0xF8,
  kFreq = 0xF9,
  kAux = 0xFA,
  kResizeDb = 0xFB,
  kExpireMs = 0xFC,
  kExpireSeconds = 0xFD,
  kSelectDb = 0xFE,
  kEof = 0xFF,
};

enum class RdbType : uint8_t {
  kString = 0,
  kList = 1,
  kSet = 2,
  kZset = 3,
  kHash = 4,
  kZset2 = 5,  // scores as binary doubles
  kModulePreGa = 6,
  kModule2 = 7,
  kHashZipmap = 9,
  kListZiplist = 10,
  kSetIntset = 11,
  kZsetZiplist = 12,
  kHashZiplist = 13,
  kListQuicklist = 14,  // nodes are ziplists
  kStreamListpacks = 15,
  kHashListpack = 16,
  kZsetListpack = 17,
  kListQuicklist2 = 18,  // nodes are listpacks or single elements
  kStreamListpacks2 = 19,
  kSetListpack = 20,
  kStreamListpacks3 = 21,
  kHashMetadataPreGa = 22,
  kHashListpackExPreGa = 23,
  kHashMetadata = 24,
  kHashListpackEx = 25,
  kStreamListpacks4 = 26,  // Redis 8.6: with idempotent producers
  kStreamListpacks5 = 27,  // Redis 8.8: with entries that are nobody's
};

inline constexpr uint8_t kRdbEncoded = 0xC0;  // in place of a length: what follows is the string's encoding
enum class RdbStringEncoding : uint8_t { kInt8 = 0, kInt16 = 1, kInt32 = 2, kLzf = 3 };
enum class RdbContainer : uint8_t { kPlain = 1, kPacked = 2 };  // of a quicklist2's node

// Limits. Lengths in a file are believed only as far as its bytes reach.
inline constexpr size_t kRdbChunkBytes = 1 << 20;  // what is read at once, unless one record is larger
inline constexpr uint64_t kRdbRecordBytesMax = 1ull << 40;  // one key with its value
inline constexpr uint64_t kRdbStringBytesMax = 0xFFFFFF00;  // one string, decompressed
inline constexpr uint64_t kRdbLzfRatioMax = 88;             // LZF never expands more: three bytes become 264
inline constexpr size_t kRdbAuxFieldsMax = 64;              // kept of a file; further ones are skipped
inline constexpr size_t kRdbAuxBytesMax = 1024;             // of one name or value; longer ones are skipped
inline constexpr size_t kRdbDetailKeyBytesMax = 128;        // of a key in an error's text

}  // namespace strata
