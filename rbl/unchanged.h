// Measuring never changes the model: the bytes of theta are hashed before and after.
//
//   const double loss = measured("fisher", network, [&] { return mean_loss(network, data); });
#pragma once

#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

#include "nn/network.h"
#include "tensor/error.h"
#include "tensor/leaves.h"

namespace palinode::rbl {

// An identity that is not, or no longer, what its fingerprint says.
class IdentityError : public Error {
 public:
  using Error::Error;
};

// The stores an identity is made of. A network is its parameters and the statistics of its
// BatchNorm layers; a store alone is a network without any.
struct Theta {
  Theta(const nn::Network& network) : parameters(&network.store()), buffers(network.buffers()) {}
  Theta(const Store& store) : parameters(&store) {}

  const Store* parameters;
  const Store* buffers = nullptr;  // none for a network without them
};

// Theta's leaves at one moment. The stores outlive it.
class Unchanged {
 public:
  explicit Unchanged(const Theta& theta);

  const Leaves& parameters() const { return leaves_.front(); }
  const Leaves* buffers() const { return leaves_.size() > 1 ? &leaves_.back() : nullptr; }
  std::optional<Sha256Digest> buffers_fingerprint() const;
  // Hashes every byte again. Throws IdentityError that names the tensors which differ and begins
  // with `who`.
  void check(std::string_view who) const;

 private:
  std::vector<Leaves> leaves_;  // of the parameters, and of the buffers if there are any
};

// f() between two hashings of theta. Throws IdentityError if f, even one that throws, has changed
// it.
template <class F>
std::invoke_result_t<F> measured(std::string_view who, const Theta& theta, F&& f) {
  const Unchanged before(theta);
  const auto run = [&] {
    try {
      return f();
    } catch (...) {
      before.check(who);
      throw;
    }
  };
  if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
    run();
    before.check(who);
  } else {
    auto result = run();
    before.check(who);
    return result;
  }
}

}  // namespace palinode::rbl
