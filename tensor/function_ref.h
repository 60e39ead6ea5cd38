// FunctionRef: a call to somebody else's function object, without owning or copying it.
//
// For parameters only: it is good as long as the object it was made from, which for a lambda
// written in the call is until the call returns. Making one never allocates.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace palinode {

template <class Signature>
class FunctionRef;

template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>)
      // Implicit, so that a lambda can be written where the parameter stands.
      FunctionRef(const F& function)  // NOLINT(google-explicit-constructor)
      : object_(std::addressof(function)), call_([](const void* object, Args... args) -> R {
          return (*static_cast<const F*>(object))(std::forward<Args>(args)...);
        }) {}

  R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  const void* object_;
  R (*call_)(const void*, Args...);
};

}  // namespace palinode
