#include "platform/posix/os_error.h"

namespace strata {

Errc errc_from_errno(int os_error) {
  switch (os_error) {
    case ENOENT:
    case ENOTDIR:
    case ENXIO:
    case EADDRNOTAVAIL:
      return Errc::kNotFound;
    case EEXIST:
    case ENOTEMPTY:
      return Errc::kExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return Errc::kPermission;
    case ENOSPC:
    case EDQUOT:
      return Errc::kNoSpace;
    case EINVAL:
    case EISDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case EXDEV:
      return Errc::kInvalidArgument;
    case ENOMEM:
    case ENOBUFS:
    case EMFILE:
    case ENFILE:
    case EMLINK:
      return Errc::kOutOfMemory;
    case EFBIG:
      return Errc::kTooLarge;
    case ENOSYS:
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
    case EPFNOSUPPORT:
    case ESOCKTNOSUPPORT:
      return Errc::kUnsupported;
    case EAGAIN:
    case EINPROGRESS:
      return Errc::kWouldBlock;
    case ECANCELED:
      return Errc::kCancelled;
    case ETIMEDOUT:
      return Errc::kTimedOut;
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED:
    case ECONNREFUSED:
    case ENOTCONN:
    case ESHUTDOWN:
      return Errc::kClosed;
    case EADDRINUSE:
      return Errc::kAddressInUse;
    default:
      return Errc::kIo;
  }
}

std::unexpected<Error> fail_errno(const char* what) {
  int os_error = errno;
  return fail_os(errc_from_errno(os_error), os_error, what);
}

}  // namespace strata
