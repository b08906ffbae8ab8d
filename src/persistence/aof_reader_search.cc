// What lies behind damage: the search for valid headers that decides between cutting and refusing.

#include <algorithm>
#include <memory>
#include <new>

#include "base/crc.h"
#include "persistence/aof_reader_run.h"
#include "platform/file_system.h"

namespace strata {
namespace {

constexpr size_t kSearchChunkBytes = 1 << 20;

}  // namespace

Result<uint32_t> AofReaderRun::checksum_of(File& file, uint64_t offset, uint64_t bytes, uint32_t seed) {
  const size_t chunk_bytes = static_cast<size_t>(std::min<uint64_t>(bytes, kSearchChunkBytes));
  const std::unique_ptr<char[]> chunk(new (std::nothrow) char[chunk_bytes + 1]);
  if (chunk == nullptr) return fail(Errc::kOutOfMemory, "no memory to verify a batch of the log", offset);
  while (bytes > 0) {
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(bytes, chunk_bytes));
    TRY_ASSIGN(const size_t got, file.read_at(offset, MutableBytes(chunk.get(), wanted)));
    if (got == 0) return fail(Errc::kIo, "the file became shorter while it was read", offset);
    seed = crc32c(seed, Bytes(chunk.get(), got));
    offset += got;
    bytes -= got;
  }
  return seed;
}

// Is there a valid header at `at`? Its position lies within what the bytes since `from` can hold.
Result<bool> AofReaderRun::try_header(File& file, uint64_t file_bytes, uint64_t from, uint64_t at,
                                      uint64_t salt, Search& search) {
  char text[kBatchHeaderBytes];
  BatchHeader header;
  TRY_ASSIGN(const size_t got, file.read_at(at, text));
  if (!parse_batch_header(Bytes(text, got), header)) return false;
  if (header.position < position_ || header.position - position_ > at - from) return false;
  if (header.bytes > file_bytes - at - kBatchHeaderBytes) return false;
  if (header.bytes > search_budget_)
    return fail(Errc::kCorruption, "too many damaged batches to tell how much was synced", at);
  search_budget_ -= header.bytes;
  TRY_ASSIGN(const uint32_t checksum,
             checksum_of(file, at + kBatchHeaderBytes, header.bytes, batch_checksum_seed(salt, header)));
  if (checksum != header.checksum) return false;
  search.found = true;
  search.highest_synced = std::max(search.highest_synced, header.synced_to);
  return true;
}

// Any byte may begin a header: the damage says nothing about where the next batch is.
Result<AofReaderRun::Search> AofReaderRun::search_headers(File& file, uint64_t file_bytes, uint64_t from,
                                                          uint64_t salt, bool any_will_do) {
  search_budget_ = std::max(kAofSearchBytesMin, kAofSearchFactorMax * (file_bytes - from));
  Search search;
  AofWindow window(file, file_bytes, from, [] { return Status{}; });
  for (;;) {
    TRY(window.fill(kSearchChunkBytes));
    const size_t at = window.rest().find(kBatchMark);
    if (at == Bytes::npos) {
      const size_t kept = std::min(window.rest().size(), kBatchMark.size() - 1);
      if (window.rest().size() == window.remaining()) return search;
      window.advance(window.rest().size() - kept);
      continue;
    }
    window.advance(at);
    TRY_ASSIGN(const bool good, try_header(file, file_bytes, from, window.offset(), salt, search));
    if (good && (any_will_do || search.highest_synced > position_)) return search;
    window.advance(1);
  }
}

// Damage in input `index`, all before it good. Corruption if anything behind it says that it was synced.
Result<AofReaderRun::Cut> AofReaderRun::resolve_damage(size_t index, const Current& current) {
  const Cut cut{index, *current.damaged_at};
  uint64_t highest_synced = 0;
  for (size_t i = index; i < inputs_.size() && highest_synced <= position_; ++i) {
    TRY_ASSIGN(File file, fs_.open(inputs_[i].path, OpenMode::kRead));
    LogOpening opening = current.opening;
    uint64_t from = cut.offset;
    if (i != index) {
      char line[kOpeningBytes];
      TRY_ASSIGN(const size_t got, file.read_at(0, line));
      if (!parse_opening(Bytes(line, got), opening)) continue;
      highest_synced = std::max(highest_synced, opening.position);
      from = kOpeningBytes;
    } else if (!current.has_opening) {
      continue;
    }
    if (from >= inputs_[i].bytes) continue;
    TRY_ASSIGN(const Search search, search_headers(file, inputs_[i].bytes, from, opening.salt, false));
    highest_synced = std::max(highest_synced, search.highest_synced);
  }
  if (highest_synced > position_)
    return fail(Errc::kCorruption, "damage in a part of the log that was synced", cut.offset);
  return cut;
}

}  // namespace strata
