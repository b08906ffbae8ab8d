#include "persistence/oplog_rewrite.h"

#include "text/numbers.h"

namespace strata {

Result<Manifest> replace_base(FileSystem& fs, const AofLocation& location, const Manifest& old,
                              std::string_view temporary, uint64_t seq, uint64_t first_increment) {
  Manifest fresh;
  fresh.base = {rdb_base_name(location, seq), seq};
  if (old.has_base()) fresh.history.push_back(old.base);
  for (const ManifestFile& file : old.increments) {
    (file.seq < first_increment ? fresh.history : fresh.increments).push_back(file);
  }
  const std::string path = location.path_of(fresh.base.name);
  TRY(fs.rename(temporary, path));
  const Status named = fs.sync_directory(location.log_directory());
  if (!named) {
    static_cast<void>(fs.remove(path));  // no manifest names it
    return std::unexpected(named.error());
  }
  TRY(store_manifest(fs, location, fresh));
  for (const ManifestFile& file : fresh.history) {
    static_cast<void>(fs.remove(location.path_of(file.name)));  // the next start tries again
  }
  Manifest without_history = fresh;
  without_history.history.clear();
  static_cast<void>(store_manifest(fs, location, without_history));  // both are true
  return without_history;
}

Status remove_orphan_bases(FileSystem& fs, const AofLocation& location, const Manifest& manifest) {
  const Result<std::vector<std::string>> names = fs.list(location.log_directory());
  if (!names) return {};
  const std::string head = location.append_filename + ".";
  constexpr std::string_view kTail = ".base.rdb";
  for (const std::string& name : *names) {
    if (!name.starts_with(head) || !name.ends_with(kTail) || name.size() <= head.size() + kTail.size())
      continue;
    const auto seq = parse_i64(Bytes(name).substr(head.size(), name.size() - head.size() - kTail.size()));
    if (!seq || *seq <= 0 || static_cast<uint64_t>(*seq) < manifest.next_base_seq()) continue;
    TRY(fs.remove(location.path_of(name)));
  }
  return {};
}

}  // namespace strata
