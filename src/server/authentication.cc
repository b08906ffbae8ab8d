#include "server/authentication.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <mutex>

#include "commands/context.h"
#include "server/connection.h"
#include "server/server.h"
#include "server/worker.h"

namespace strata {
namespace {

// Digests have one length and say nothing about how much of a guess was right.
bool same_secret(Bytes a, Bytes b) {
  unsigned char digest_a[SHA256_DIGEST_LENGTH], digest_b[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(a.data()), a.size(), digest_a);
  SHA256(reinterpret_cast<const unsigned char*>(b.data()), b.size(), digest_b);
  return CRYPTO_memcmp(digest_a, digest_b, sizeof digest_a) == 0;
}

}  // namespace

Authentication authenticate(Session& session, Bytes user, Bytes password) {
  if (user != "default") return Authentication::kRefused;
  std::lock_guard lock(session.server->configuration_mutex());
  const std::string& required = session.server->options().require_password;
  if (required.empty()) return Authentication::kNoPassword;
  return same_secret(required, password) ? Authentication::kGranted : Authentication::kRefused;
}

void grant(Session& session) {
  session.set(Session::kNeedsAuth, false);
  session.connection->parser().limits().authenticated = true;
}

void reply_wrong_password(Context& context) {
  context.session()->worker->metrics().authentication_failures.add();
  context.reply().error("WRONGPASS invalid username-password pair or user is disabled.");
}

}  // namespace strata
