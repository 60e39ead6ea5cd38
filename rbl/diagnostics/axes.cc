#include "rbl/diagnostics/axes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "autograd/op_spec.h"
#include "tensor/error.h"
#include "tensor/kernels/reduce.h"
#include "tensor/kernels/update.h"
#include "tensor/shaping.h"

namespace palinode::rbl {
namespace {

template <class T>
T noise_size(double sigma, std::span<const T> x) {
  const double norm = std::sqrt(kernels::sum_of_squares<T>(x));
  return static_cast<T>(sigma * (norm / std::sqrt(static_cast<double>(x.size()))));
}

// x with noise of norm sigma ||x|| in each of its rows.
Tensor noisy_rows(const Tensor& x, double sigma, const Rng& rng) {
  return with_float(x.dtype(), "noise", [&]<class T>() {
    const Tensor z = rng.normal(x.shape(), x.dtype());
    const std::size_t rows = x.shape()[0], width = x.elements() / rows;
    return filled<T>(x.shape(), [&](std::span<T> out) {
      for (std::size_t i = 0; i < rows; ++i) {
        const std::span<const T> row = x.values<T>().subspan(i * width, width);
        kernels::axpy<T>(noise_size<T>(sigma, row), z.values<T>().subspan(i * width, width), row,
                         out.subspan(i * width, width));
      }
    });
  });
}

Tensor with_tokens_replaced(const Tensor& x, double share, std::size_t vocab, const Rng& rng) {
  return filled<std::int32_t>(x.shape(), [&](std::span<std::int32_t> out) {
    std::ranges::copy(x.values<std::int32_t>(), out.begin());
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (rng.uniform(2 * i) < share) {
        out[i] = static_cast<std::int32_t>(rng.below(2 * i + 1, vocab));
      }
    }
  });
}

// A size that counts something.
std::size_t count_of(std::string_view axis, double size) {
  if (!(size >= 0 && size <= 1e6) || std::floor(size) != size) {
    throw ShapeError(fmt::format("{}: a size is a whole number up to 1e6, got {}", axis, size));
  }
  return static_cast<std::size_t>(size);
}

}  // namespace

NamedValues with_relative_noise(const NamedValues& values, double sigma, std::uint64_t draw,
                                const Rng& rng) {
  NamedValues result = values;
  for (Entry& entry : result) {
    entry.value = with_float(entry.value.dtype(), "noise", [&]<class T>() {
      const std::span<const T> w = entry.value.values<T>();
      const T size = noise_size<T>(sigma, w);
      if (w.empty() || size == 0) return entry.value;
      const Tensor z =
          rng.stream(entry.name).stream(draw).normal(entry.value.shape(), entry.value.dtype());
      return filled<T>(entry.value.shape(),
                       [&](std::span<T> out) { kernels::axpy<T>(size, z.values<T>(), w, out); });
    });
  }
  return result;
}

NamedValues masked(const NamedValues& values, double share, std::uint64_t draw, const Rng& rng) {
  NamedValues result = values;
  for (Entry& entry : result) {
    const Rng stream = rng.stream(entry.name).stream(draw);
    entry.value = with_float(entry.value.dtype(), "mask", [&]<class T>() {
      const std::span<const T> w = entry.value.values<T>();
      return filled<T>(entry.value.shape(), [&](std::span<T> out) {
        for (std::size_t i = 0; i < out.size(); ++i) {
          out[i] = stream.uniform(i) < share ? T{0} : w[i];
        }
      });
    });
  }
  return result;
}

ParameterAxis::ParameterAxis(Family family, const Store& store, ValueChange change, Tensor probes,
                             Rng rng)
    : family_(std::move(family)),
      role_(store.role()),
      values_(named_values(store)),
      change_(std::move(change)),
      probes_(std::move(probes)),
      rng_(std::move(rng)) {}

Tensor ParameterAxis::operator()(double size, std::uint64_t draw) const {
  return evaluate_at(family_, role_, change_(values_, size, draw, rng_), Reason::kNoise, probes_);
}

std::vector<std::size_t> perturbed_order(std::size_t units, std::size_t swaps, std::uint64_t draw,
                                         const Rng& rng) {
  if (units < 2) {
    throw ShapeError(fmt::format("topology: an order is of at least two units, got {}", units));
  }
  std::vector<std::size_t> order(units);
  for (std::size_t i = 0; i < units; ++i) order[i] = i;
  const Rng stream = rng.stream(draw);
  for (std::size_t i = 0; i < swaps; ++i) {
    const std::size_t place = stream.below(i, units - 1);
    std::swap(order[place], order[place + 1]);
  }
  return order;
}

TopologyAxis::TopologyAxis(Compose compose, std::size_t units, Tensor probes, Rng rng)
    : compose_(std::move(compose)),
      units_(units),
      probes_(std::move(probes)),
      rng_(std::move(rng)) {}

Tensor TopologyAxis::operator()(double size, std::uint64_t draw) const {
  const std::size_t swaps = count_of("topology", size);
  const std::vector<std::size_t> order = perturbed_order(units_, swaps, draw, rng_);
  return nn::evaluate(*compose_(order), probes_).compact();
}

RuntimeAxis::RuntimeAxis(Lifecycle lifecycle, Tensor probes, Rng rng)
    : lifecycle_(std::move(lifecycle)), probes_(std::move(probes)), rng_(std::move(rng)) {}

Tensor RuntimeAxis::operator()(double size, std::uint64_t draw) const {
  const std::size_t count = probes_.shape()[0];
  const Rng stream = rng_.stream(draw);
  const std::size_t cycles = count_of("runtime", size);
  std::vector<std::size_t> cuts;
  for (std::size_t i = 0; i < cycles; ++i) {
    cuts.push_back(stream.below(i, count));
  }
  cuts.push_back(count);
  std::ranges::sort(cuts);
  std::vector<Tensor> parts;
  std::size_t begin = 0;
  for (const std::size_t end : cuts) {
    if (end > begin) {
      parts.push_back(nn::evaluate(lifecycle_.load(), probes_.rows(begin, end).compact()));
    }
    if (end < count) lifecycle_.unload();
    begin = end;
  }
  return concat(parts, 0);
}

EnvironmentAxis::EnvironmentAxis(const nn::Model& function, Tensor probes, Rng rng,
                                 std::size_t vocab)
    : function_(&function), probes_(probes.compact()), rng_(std::move(rng)), vocab_(vocab) {
  if ((probes_.dtype() == Dtype::kI32) != (vocab > 0)) {
    throw DtypeError(fmt::format("environment: probes {} and a vocabulary of {}; tokens have one",
                                 probes_.describe(), vocab));
  }
}

Tensor EnvironmentAxis::operator()(double size, std::uint64_t draw) const {
  if (size == 0) return nn::evaluate(*function_, probes_).compact();
  const Rng stream = rng_.stream(draw);
  const Tensor x = vocab_ > 0 ? with_tokens_replaced(probes_, size, vocab_, stream)
                              : noisy_rows(probes_, size, stream);
  return nn::evaluate(*function_, x).compact();
}

ResetAxis::ResetAxis(Lifecycle lifecycle, Tensor probes)
    : lifecycle_(std::move(lifecycle)), probes_(std::move(probes)) {}

Tensor ResetAxis::operator()(double size, std::uint64_t) const {
  const std::size_t resets = count_of("reset", size);
  lifecycle_.load();
  for (std::size_t i = 0; i < resets; ++i) {
    nn::evaluate(lifecycle_.unload(), probes_);
    lifecycle_.load();
  }
  return nn::evaluate(lifecycle_.load(), probes_).compact();
}

}  // namespace palinode::rbl
