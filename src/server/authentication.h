// Passwords of clients. Until there are access control lists, the only user is "default", with requirepass as
// password.

#pragma once

#include "base/bytes.h"

namespace strata {

class Context;
struct Session;

enum class Authentication : uint8_t { kGranted, kRefused, kNoPassword };

// Takes the configuration mutex. kNoPassword: none is set; the default user is let in whatever is said.
Authentication authenticate(Session& session, Bytes user, Bytes password);
// Lifts the limits of unauthenticated clients. On the connection's thread.
void grant(Session& session);
// Replies WRONGPASS and counts.
void reply_wrong_password(Context& context);

}  // namespace strata
