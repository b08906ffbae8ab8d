#include "persistence/aof_reader_run.h"

#include <algorithm>

#include "base/crc.h"
#include "persistence/rdb_log_position.h"
#include "platform/file_system.h"

namespace strata {
namespace {

constexpr Bytes kRdbMagic = "REDIS";
// Larger bodies are checksummed from the file before memory is taken for them: a hostile header may
// claim as many bytes as its file has.
constexpr uint64_t kTrustedBodyBytes = 64 << 20;
constexpr size_t kFillerLineBytesMax = 2 * kFillerLineBytes;

}  // namespace

AofReaderRun::AofReaderRun(FileSystem& fs, const AofReadOptions& options, std::vector<AofInput> inputs,
                           Applier* applier, BaseLoader& base_loader, AofReport& report)
    : fs_(fs),
      options_(options),
      inputs_(std::move(inputs)),
      applier_(applier),
      base_loader_(base_loader),
      report_(report) {
  for (const AofInput& input : inputs_) bytes_total_ += input.bytes;
}

Result<std::optional<AofReaderRun::Cut>> AofReaderRun::read_all() {
  std::optional<Cut> cut;
  for (size_t i = 0; i < inputs_.size() && !cut; ++i) {
    Current current{.input = &inputs_[i], .is_last = i + 1 == inputs_.size()};
    report_.failed_file = inputs_[i].name;
    TRY(read_file(current));
    if (current.damaged_at) {
      TRY_ASSIGN(cut, resolve_damage(i, current));
    }
    // The first increment says where positions are, or they begin with it; an opening in a later one must
    // agree. Else an increment that has become empty would be missing without a word.
    position_is_known_ |= !inputs_[i].is_base;
    bytes_before_ += inputs_[i].bytes;
    report_.filler_offset = current.is_last ? current.filler_at.value_or(0) : 0;
    report_.last_increment_is_bare = current.has_opening && !current.has_records && !inputs_[i].is_base;
  }
  report_.failed_file.clear();
  report_.end_position = position_;
  if (options_.on_progress) options_.on_progress(bytes_total_, bytes_total_);
  return cut;
}

Status AofReaderRun::read_file(Current& current) {
  const AofInput& input = *current.input;
  if (options_.on_progress) options_.on_progress(bytes_before_, bytes_total_);
  TRY_ASSIGN(File file, fs_.open(input.path, OpenMode::kRead));
  TRY_ASSIGN(const uint64_t begin, load_preamble(file, input));
  db_ = 0;
  AofWindow* window_in_use = nullptr;
  AofWindow window(file, input.bytes, begin, [this, &window_in_use]() -> Status {
    if (options_.on_progress) options_.on_progress(bytes_before_ + window_in_use->offset(), bytes_total_);
    return applier_ != nullptr ? applier_->drain() : Status{};
  });
  window_in_use = &window;
  Status read = read_rest(current, file, window);
  // After a failure too: what was queued before it refers to the window's bytes.
  Status drained = applier_ != nullptr ? applier_->drain() : Status{};
  return read ? drained : read;
}

Status AofReaderRun::read_rest(Current& current, File& file, AofWindow& window) {
  TRY(read_opening(current, window));
  while (!window.at_end() && !current.damaged_at) {
    TRY(read_next(current, file, window));
  }
  return {};
}

// The offset behind an RDB at the beginning, 0 when there is none.
Result<uint64_t> AofReaderRun::load_preamble(File& file, const AofInput& input) {
  char magic[kRdbMagic.size()];
  TRY_ASSIGN(const size_t got, file.read_at(0, magic));
  if (Bytes(magic, got) != kRdbMagic) return uint64_t{0};
  TRY_ASSIGN(const std::optional<uint64_t> position, read_log_position(file));
  if (position && input.is_base) {
    position_ = *position;
    position_is_known_ = true;
  }
  TRY_ASSIGN(const uint64_t end, base_loader_.load_rdb(file, input.path, applier_ == nullptr));
  if (end > input.bytes)
    return fail(Errc::kCorruption, "the RDB at the beginning of the log is cut short", end);
  return end;
}

Status AofReaderRun::read_opening(Current& current, AofWindow& window) {
  TRY(window.fill(kOpeningBytes));
  if (!window.rest().starts_with(kOpeningMark)) return {};
  LogOpening& opening = current.opening;
  if (!parse_opening(window.rest(), opening))
    return fail(Errc::kCorruption, "the first line of a log file is damaged", window.offset());
  if (opening.version == 0 || opening.version > kLogFormatVersion)
    return fail(Errc::kUnsupported, "the log file was written by a newer version", window.offset());
  if (position_is_known_ && opening.position != position_)
    return fail(Errc::kCorruption, "the log file does not begin where the one before it ends",
                window.offset());
  current.has_opening = true;
  position_ = opening.position;
  position_is_known_ = true;
  window.advance(kOpeningBytes);
  return {};
}

Status AofReaderRun::read_next(Current& current, File& file, AofWindow& window) {
  TRY(window.fill(kBatchHeaderBytes));
  const uint64_t offset = window.offset();
  const bool is_batch = window.rest().starts_with(kBatchMark);
  if (is_batch && (!current.has_opening || current.is_foreign))
    return fail(Errc::kCorruption, "a batch where none can be", offset);
  if (is_batch) {
    const uint64_t position_before = position_;
    TRY_ASSIGN(const bool good, read_batch(current, file, window));
    if (!good) current.damaged_at = current.filler_at.value_or(offset);
    current.filler_at.reset();
    current.has_records |= position_ != position_before;
    return {};
  }
  if (current.has_opening && !current.is_foreign) {
    TRY_ASSIGN(const bool skipped, skip_filler(current, window));
    if (skipped) return {};
    // Redis appends behind all filler. Elsewhere it is the middle of a torn batch that looks like a record.
    const bool is_right_place = !current.filler_at || offset % kPageBytes == 0;
    const bool is_right_line = window.rest().front() != '#' || window.rest().starts_with(kTimeMark);
    const bool may_be_foreign = is_right_place && is_right_line;
    TRY_ASSIGN(const bool foreign,
               may_be_foreign ? enter_foreign(current, file, window) : Result<bool>(false));
    if (!foreign) current.damaged_at = current.filler_at.value_or(offset);
    return {};
  }
  return read_foreign(current, window);
}

// Steps over whole lines of nothing but '#'; false when there are none.
Result<bool> AofReaderRun::skip_filler(Current& current, AofWindow& window) {
  const uint64_t begin = window.offset();
  while (current.opening.version >= kFillerSinceVersion) {
    TRY(window.fill(kFillerLineBytesMax));
    const size_t end = window.rest().substr(0, kFillerLineBytesMax).find_first_not_of('#');
    const bool is_filler = end != 0 && end != Bytes::npos && window.rest()[end] == '\n';
    if (!is_filler) break;
    window.advance(end + 1);
  }
  if (window.offset() == begin) return false;
  if (!current.filler_at) current.filler_at = begin;
  return true;
}

// False when it is damaged.
Result<bool> AofReaderRun::read_batch(const Current& current, File& file, AofWindow& window) {
  BatchHeader header;
  if (!parse_batch_header(window.rest(), header) || header.position != position_ ||
      header.bytes > window.remaining() - kBatchHeaderBytes)
    return false;
  const uint32_t seed = batch_checksum_seed(current.opening.salt, header);
  const uint64_t body_offset = window.offset() + kBatchHeaderBytes;
  if (header.bytes > kTrustedBodyBytes) {
    TRY_ASSIGN(const uint32_t checksum, checksum_of(file, body_offset, header.bytes, seed));
    if (checksum != header.checksum) return false;
  }
  TRY(window.fill(kBatchHeaderBytes + header.bytes));
  const Bytes body = window.rest().substr(kBatchHeaderBytes, header.bytes);
  if (crc32c(seed, body) != header.checksum && !options_.test_skip_checksum) return false;
  TRY(run_commands(body, body_offset));
  position_ += header.bytes;
  ++report_.batch_count;
  window.advance(kBatchHeaderBytes + header.bytes);
  return true;
}

// Bytes outside any batch in a file of ours: a real Redis went on here, or this is damage. Redis leaves
// whole records, and never anything of ours behind them.
Result<bool> AofReaderRun::enter_foreign(Current& current, File& file, AofWindow& window) {
  TRY_ASSIGN(const Search later,
             search_headers(file, current.input->bytes, window.offset(), current.opening.salt, true));
  if (later.found) return false;
  TRY_ASSIGN(const AofParse parsed, scan_unit(window));
  current.is_foreign = parsed == AofParse::kOk && unit_.record_bytes > 0;
  if (current.is_foreign) current.filler_at.reset();
  return current.is_foreign;
}

Status AofReaderRun::read_foreign(Current& current, AofWindow& window) {
  TRY_ASSIGN(const AofParse parsed, scan_unit(window));
  const uint64_t offset = window.offset();
  if (parsed == AofParse::kMalformed)
    return fail(Errc::kCorruption, "bad file format: neither a command nor an annotation", offset);
  if (parsed == AofParse::kIncomplete) {
    if (!current.is_last || !options_.load_truncated)
      return fail(Errc::kCorruption, "unexpected end of file within a command or MULTI", offset);
    current.damaged_at = offset;
    return {};
  }
  TRY(run_commands(window.rest().substr(0, unit_.bytes), offset));
  position_ += unit_.record_bytes;
  current.has_records |= unit_.record_bytes > 0;
  report_.foreign_record_count += unit_.record_bytes > 0;
  window.advance(unit_.bytes);
  return {};
}

// Fills unit_, reading on until the unit is whole or the file ends.
Result<AofParse> AofReaderRun::scan_unit(AofWindow& window) {
  for (;;) {
    const AofParse parsed = scan_aof_unit(window.rest(), command_, unit_);
    const size_t buffered = window.rest().size();
    if (parsed != AofParse::kIncomplete || buffered == window.remaining()) return parsed;
    // At least doubled, so that a long MULTI is not scanned over and over.
    TRY(window.fill(std::max<uint64_t>(unit_.bytes_wanted, 2 * buffered)));
  }
}

Status AofReaderRun::run_commands(Bytes bytes, uint64_t offset) {
  bool in_group = false;
  for (size_t at = 0; at < bytes.size(); at += command_.bytes) {
    if (parse_aof_command(bytes.substr(at), command_) != AofParse::kOk)
      return fail(Errc::kCorruption, "a batch with a valid checksum holds no valid commands", offset + at);
    if (command_.args.empty()) continue;
    const bool begins = is_command(command_, "MULTI", 1);
    const bool ends = is_command(command_, "EXEC", 1);
    if (begins ? in_group : ends && !in_group)
      return fail(Errc::kCorruption, "MULTI and EXEC do not match", offset + at);
    if (begins || ends) {
      in_group = begins;
      if (applier_ != nullptr) {
        TRY(begins ? applier_->begin_group() : applier_->end_group());
      }
      continue;
    }
    TRY(run_command(command_, offset + at));
  }
  if (in_group) return fail(Errc::kCorruption, "a batch ends within MULTI", offset + bytes.size());
  return {};
}

Status AofReaderRun::run_command(const AofCommand& command, uint64_t offset) {
  if (is_command(command, "SELECT", 2)) {
    if (!parse_database(command.args[1], db_))
      return fail(Errc::kCorruption, "SELECT of no database", offset);
    return {};
  }
  ++report_.command_count;
  if (applier_ == nullptr) return {};
  Status applied = applier_->apply(db_, command.args);
  if (!applied && applied.error().offset == 0) applied.error().offset = offset;
  return applied;
}

}  // namespace strata
