// A reference to something callable: two words, no allocation, no ownership. For callbacks that are
// called before the function they were passed to returns; the callable must live that long.
//
//   void for_each_key(FunctionRef<void(Bytes)> visit);

#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace strata {

template <typename Signature>
class FunctionRef;

template <typename Return, typename... Arguments>
class FunctionRef<Return(Arguments...)> {
 public:
  template <typename Callable>
    requires(!std::is_same_v<std::remove_cvref_t<Callable>, FunctionRef> &&
             !std::is_function_v<std::remove_reference_t<Callable>> &&
             std::is_invocable_r_v<Return, Callable&, Arguments...>)
  FunctionRef(Callable&& callable)  // NOLINT: implicit, so that a lambda can be passed as it stands
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
        call_([](void* object, Arguments... arguments) -> Return {
          return static_cast<Return>((*static_cast<std::remove_reference_t<Callable>*>(object))(
              std::forward<Arguments>(arguments)...));
        }) {}

  Return operator()(Arguments... arguments) const {
    return call_(object_, std::forward<Arguments>(arguments)...);
  }

 private:
  void* object_;
  Return (*call_)(void*, Arguments...);
};

}  // namespace strata
