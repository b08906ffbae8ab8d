#include "server/client_list.h"

#include <fmt/format.h>

#include "server/connection.h"
#include "server/server.h"
#include "server/worker.h"

namespace strata {
namespace {

std::string flag_letters(const Session& session) {
  std::string letters;
  if (session.has(Session::kInTransaction)) letters += 'x';
  if (session.has(Session::kBlocked)) letters += 'b';
  if (session.has(Session::kCloseAfterReply)) letters += 'c';
  if (session.has(Session::kUnixSocket)) letters += 'U';
  if (session.has(Session::kNoEvict)) letters += 'e';
  if (session.has(Session::kNoTouch)) letters += 'T';
  return letters.empty() ? "N" : letters;
}

std::string last_command(const Session& session) {
  uint32_t index = session.last_command.load(std::memory_order_relaxed);
  return index == UINT32_MAX ? "NULL" : session.server->registry().at(index).full_name;
}

}  // namespace

// Replies wait in buffers of no fixed size: omem and tot-mem say how much, rbs and rbp (a fixed buffer) are
// 0.
std::string describe_client(const Session& session, int64_t now_ms, const std::string& running) {
  uint64_t input = session.input_bytes.load(std::memory_order_relaxed);
  uint64_t output = session.output_bytes.load(std::memory_order_relaxed);
  int64_t queued = session.queued_commands.load(std::memory_order_relaxed);
  if (!session.has(Session::kInTransaction)) queued = -1;
  return fmt::format(
      "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub=0 psub=0 ssub=0 multi={} "
      "watch={} qbuf={} "
      "qbuf-free=0 argv-mem=0 multi-mem={} rbs=0 rbp=0 obl={} oll=0 omem={} tot-mem={} events={} cmd={} "
      "user=default "
      "redir=-1 resp={} lib-name={} lib-ver={}",
      session.id, session.peer_address, session.local_address, session.descriptor, session.name,
      (now_ms - session.connected_at_ms) / 1000,
      std::max<int64_t>(0, now_ms - session.active_at_ms.load(std::memory_order_relaxed)) / 1000,
      flag_letters(session), session.db.load(std::memory_order_relaxed), queued,
      session.watched_keys.load(std::memory_order_relaxed), input,
      running.empty() ? 0 : session.transaction.memory_bytes, output, output,
      session.memory_bytes.load(std::memory_order_relaxed), output > 0 ? "rw" : "r",
      running.empty() ? last_command(session) : running, session.resp.load(std::memory_order_relaxed),
      session.library_name, session.library_version);
}

bool is_local(const Session& session) {
  return session.has(Session::kUnixSocket) || session.peer_address.starts_with("127.") ||
         session.peer_address.starts_with("[::1]:");
}

}  // namespace strata
