#include "tools/new_directory.h"

#include <algorithm>

namespace strata {
namespace {

constexpr uint64_t kCopyBytes = 1 << 20;  // at once

}  // namespace

NewDirectory::~NewDirectory() {
  if (is_finished_) return;
  clear();
  for (size_t i = directories_.size(); i-- > 0;) static_cast<void>(fs_.remove_directory(directories_[i]));
}

Status NewDirectory::create() {
  for (const std::string& directory : {location_.directory, location_.log_directory()}) {
    TRY(fs_.create_directory(directory));
    directories_.push_back(directory);
  }
  return {};
}

Result<uint64_t> NewDirectory::copy(const std::string& from, const std::string& name) {
  TRY_ASSIGN(File source, fs_.open(from, OpenMode::kRead));
  TRY_ASSIGN(File target, fs_.open(location_.path_of(name), OpenMode::kCreateNew));
  files_.push_back(location_.path_of(name));
  TRY_ASSIGN(const uint64_t size, source.size());
  std::string piece(kCopyBytes, '\0');
  uint64_t at = 0;
  for (;;) {
    TRY_ASSIGN(const size_t got, source.read_at(at, piece));
    if (got == 0) break;
    TRY(target.write_at(at, Bytes(piece).substr(0, got)));
    at += got;
    show(progress_, "copying", at, std::max(at, size));
  }
  TRY(target.sync_all());
  return at;
}

Result<uint64_t> NewDirectory::link(const std::string& from, const std::string& name) {
  const std::string path = location_.path_of(name);
  TRY(fs_.link(from, path));
  files_.push_back(path);
  TRY_ASSIGN(File file, fs_.open(path, OpenMode::kReadWrite));
  TRY(file.sync_all());
  return file.size();
}

Result<NewFile> NewDirectory::create_file(const std::string& name) {
  TRY_ASSIGN(File file, fs_.open(location_.path_of(name), OpenMode::kCreateNew));
  files_.push_back(location_.path_of(name));
  return NewFile(std::move(file));
}

Status NewFile::append(Bytes bytes) {
  if (pending_.size() + bytes.size() > kCopyBytes) TRY(write_pending());
  if (bytes.size() <= kCopyBytes) {
    pending_.append(bytes);
    return {};
  }
  TRY(file_.write_at(written_, bytes));
  written_ += bytes.size();
  return {};
}

Status NewFile::write_pending() {
  TRY(file_.write_at(written_, pending_));
  written_ += pending_.size();
  pending_.clear();
  return {};
}

Status NewFile::finish() {
  TRY(write_pending());
  return file_.sync_all();
}

void NewDirectory::clear() {
  for (const std::string& file : files_) static_cast<void>(fs_.remove(file));
  files_.clear();
}

Status NewDirectory::finish(const Manifest& manifest) {
  files_.push_back(location_.manifest_path());
  TRY(store_manifest(fs_, location_, manifest));
  TRY(fs_.sync_directory(location_.log_directory()));
  TRY(fs_.sync_directory(location_.directory));
  TRY(fs_.sync_directory(parent_directory(location_.directory)));
  is_finished_ = true;
  return {};
}

}  // namespace strata
