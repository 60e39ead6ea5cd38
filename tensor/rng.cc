#include "tensor/rng.h"

#include <charconv>
#include <cmath>
#include <numeric>
#include <utility>

#include "tensor/digest.h"
#include "tensor/error.h"
#include "tensor/kernels/math.h"

namespace palinode {
namespace {

constexpr std::uint32_t low_word(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
constexpr std::uint32_t high_word(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }

double to_uniform(std::uint32_t word) { return (static_cast<double>(word) + 0.5) * 0x1p-32; }

// Fills z with normal values; u holds the uniforms of the same indices, an even number of them.
void box_muller(std::span<const double> u, std::span<double> z) {
  const std::size_t pairs = u.size() / 2;
  PoolVector<double> radius(pairs), angle(pairs), sine(pairs), cosine(pairs);
  for (std::size_t q = 0; q < pairs; ++q) {
    radius[q] = u[2 * q];
    angle[q] = u[2 * q + 1];
  }
  kernels::log(std::span<const double>(radius), std::span<double>(radius));
  kernels::sin_cos_turns(angle, sine, cosine);
  for (std::size_t q = 0; q < pairs; ++q) {
    const double r = std::sqrt(-2.0 * radius[q]);
    z[2 * q] = r * cosine[q];
    z[2 * q + 1] = r * sine[q];
  }
}

}  // namespace

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {high_word(b) ^ counter[1] ^ key[0], low_word(b), high_word(a) ^ counter[3] ^ key[1],
               low_word(a)};
    key[0] += 0x9E3779B9;  // the Weyl sequence of the golden ratio
    key[1] += 0xBB67AE85;  // and of sqrt(3) - 1
  }
  return counter;
}

Rng::Rng(std::uint64_t seed, PoolString name) : seed_(seed), name_(std::move(name)), stream_(0) {
  thread_local Sha256 sha256;  // making one reaches the heap
  const Sha256Digest digest = sha256.add(std::string_view(name_)).finish();
  for (std::size_t i = 8; i-- > 0;) stream_ = stream_ << 8 | digest[i];
}

Rng Rng::stream(std::string_view name) const {
  PoolString whole(name_);
  if (!whole.empty()) whole.push_back('/');
  whole.append(name);
  return {seed_, std::move(whole)};
}

Rng Rng::stream(std::uint64_t number) const {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  return stream(std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
}

std::array<std::uint32_t, 4> Rng::block(std::uint64_t index) const {
  return philox({low_word(index), high_word(index), low_word(stream_), high_word(stream_)},
                {low_word(seed_), high_word(seed_)});
}

std::uint32_t Rng::word(std::uint64_t index) const { return block(index / 4)[index % 4]; }

double Rng::uniform(std::uint64_t index) const { return to_uniform(word(index)); }

double Rng::normal(std::uint64_t index) const {
  const std::uint64_t first = index & ~std::uint64_t{1};
  const std::array<double, 2> u{uniform(first), uniform(first + 1)};
  std::array<double, 2> z{};
  box_muller(u, z);
  return z[index & 1];
}

std::uint64_t Rng::below(std::uint64_t index, std::uint64_t n) const {
  PALINODE_ASSERT(n > 0 && n <= std::uint64_t{1} << 32);
  return word(index) * n >> 32;
}

std::vector<std::uint32_t> Rng::permutation(std::size_t n) const {
  std::vector<std::uint32_t> order(n);
  permutation(order);
  return order;
}

void Rng::permutation(std::span<std::uint32_t> order) const {
  const std::size_t n = order.size();
  std::iota(order.begin(), order.end(), 0U);
  for (std::size_t j = n; j-- > 1;) std::swap(order[j], order[below(n - 1 - j, j + 1)]);
}

Tensor Rng::uniform(const Shape& shape, Dtype dtype, double low, double high) const {
  TensorBuilder builder(shape, Dtype::kF64);
  const std::span<double> values = builder.values<double>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = low + uniform(static_cast<std::uint64_t>(i)) * (high - low);
  }
  return std::move(builder).build().to(dtype);
}

Tensor Rng::normal(const Shape& shape, Dtype dtype) const {
  const std::size_t padded = shape.elements() + shape.elements() % 2;
  PoolVector<double> u(padded), z(padded);
  for (std::size_t i = 0; i < padded; ++i) u[i] = uniform(static_cast<std::uint64_t>(i));
  box_muller(u, z);
  return Tensor::from(std::span<const double>(z.data(), shape.elements()), shape).to(dtype);
}

}  // namespace palinode
