#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "autograd/losses.h"
#include "rbl/diagnostics/worst_case.h"
#include "rbl/metrics.h"
#include "tensor/error.h"
#include "tensor/kernels/reduce.h"
#include "tensor/shaping.h"

namespace palinode::rbl {
namespace {

std::vector<double> divergences(const nn::Model& f0, const nn::Model& f1, const Tensor& x) {
  const Tensor log_p = log_probabilities(nn::evaluate(f0, x));
  const Tensor log_q = log_probabilities(nn::evaluate(f1, x));
  return kl_divergence(log_p, log_q).per_input;
}

// d (mean over rows of KL) / d x. Rows do not meet in either function, so each row's part is that
// of its own KL, up to a factor.
Tensor gradient(const nn::Model& f0, const nn::Model& f1, const Tensor& x) {
  Tape tape;
  const Var input = tape.variable(x);
  nn::Run first(tape);
  const Var y0 = f0.forward(first, input);
  nn::Run second(tape);
  const Var y1 = f1.forward(second, input);
  const Var log_p = log_softmax(y0);
  const Var log_q = log_softmax(y1);
  const Gradients gradients = backward(kl_div(log_p, log_q));
  const Tensor* found = gradients.find(input);
  return found != nullptr ? found->compact() : Tensor::zeros(x.shape(), x.dtype());
}

template <class T>
void check_inside(const Tensor& starts, T low, T high) {
  const std::size_t width = starts.elements() / std::max<std::size_t>(starts.shape()[0], 1);
  const std::span<const T> values = starts.values<T>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= low && values[i] <= high) continue;
    throw Error(fmt::format("worst_input: start {} holds {}, outside of the box [{}, {}]",
                            i / width, values[i], low, high));
  }
}

// Start points, one row each, and how far the next step of each goes.
template <class T>
class Ascent {
 public:
  Ascent(const nn::Model& f0, const nn::Model& f1, const AscentConfig& config, Tensor starts)
      : f0_(&f0),
        f1_(&f1),
        low_(static_cast<T>(config.low)),
        high_(static_cast<T>(config.high)),
        x_(std::move(starts)),
        kl_(divergences(f0, f1, x_)),
        width_(x_.elements() / x_.shape()[0]) {
    const double diagonal = (config.high - config.low) * std::sqrt(static_cast<double>(width_));
    steps_.assign(kl_.size(), config.first_step * diagonal);
  }

  void step(const Rng& kicks) {
    const Tensor g = gradient(*f0_, *f1_, x_);
    const Tensor random = kicks.normal(x_.shape(), x_.dtype());
    const Tensor tried = filled_rows([&](std::size_t row, std::span<T> out) {
      const double norm = length(row_of(g, row));
      const bool usable = norm > 0 && std::isfinite(norm);
      const std::span<const T> direction = row_of(usable ? g : random, row);
      const double scale = steps_[row] / (usable ? norm : length(direction));
      const std::span<const T> from = row_of(x_, row);
      for (std::size_t i = 0; i < width_; ++i) {
        const double to = static_cast<double>(from[i]) + scale * static_cast<double>(direction[i]);
        out[i] = std::clamp(static_cast<T>(to), low_, high_);
      }
    });
    const std::vector<double> kl = divergences(*f0_, *f1_, tried);
    x_ = filled_rows([&](std::size_t row, std::span<T> out) {
      std::ranges::copy(row_of(kl[row] > kl_[row] ? tried : x_, row), out.begin());
    });
    for (std::size_t row = 0; row < kl.size(); ++row) {
      const bool better = kl[row] > kl_[row];
      steps_[row] *= better ? 1.5 : 0.5;
      if (better) kl_[row] = kl[row];
    }
  }

  const Tensor& x() const { return x_; }
  const std::vector<double>& kl() const { return kl_; }

 private:
  std::span<const T> row_of(const Tensor& x, std::size_t row) const {
    return x.values<T>().subspan(row * width_, width_);
  }
  static double length(std::span<const T> x) { return std::sqrt(kernels::sum_of_squares<T>(x)); }

  template <class Fill>
  Tensor filled_rows(const Fill& fill) const {
    TensorBuilder builder(x_.shape(), x_.dtype());
    const std::span<T> out = builder.values<T>();
    for (std::size_t row = 0; row < kl_.size(); ++row) {
      fill(row, out.subspan(row * width_, width_));
    }
    return std::move(builder).build();
  }

  const nn::Model* f0_;
  const nn::Model* f1_;
  T low_, high_;
  Tensor x_;
  std::vector<double> kl_;
  std::size_t width_;
  std::vector<double> steps_;
};

}  // namespace

WorstInput worst_input(const nn::Model& f0, const nn::Model& f1, const Tensor& starts,
                       const AscentConfig& config, const Rng& rng) {
  const Shape& shape = starts.shape();
  const auto box = {config.low, config.high};
  const bool bounded = std::ranges::all_of(box, [](double end) { return std::isfinite(end); });
  const bool values = shape.rank() >= 2 && std::ranges::count(shape.extents().subspan(1), 0U) == 0;
  if (!bounded || !(config.low < config.high) || !values || shape[0] + config.random_starts == 0) {
    throw ShapeError(fmt::format(
        "worst_input: starts {} and {} random ones in the box [{}, {}]; needs at least one, of at "
        "least one value",
        starts.describe(), config.random_starts, config.low, config.high));
  }
  return with_float(starts.dtype(), "worst_input", [&]<class T>() {
    const Tensor given = starts.compact();
    check_inside<T>(given, static_cast<T>(config.low), static_cast<T>(config.high));
    std::vector<std::size_t> extents(shape.extents().begin(), shape.extents().end());
    extents[0] = config.random_starts;
    const Tensor random = rng.stream("start").uniform(Shape(std::span<const std::size_t>(extents)),
                                                      starts.dtype(), config.low, config.high);
    Ascent<T> ascent(f0, f1, config, concat({given, random}, 0));
    const std::size_t count = ascent.kl().size();
    const double best_start = *std::ranges::max_element(ascent.kl());
    const Rng kicks = rng.stream("kick");
    for (std::size_t i = 0; i < config.steps; ++i) ascent.step(kicks.stream(i));
    const auto best =
        static_cast<std::size_t>(std::ranges::max_element(ascent.kl()) - ascent.kl().begin());
    return WorstInput{.input = ascent.x().rows(best, best + 1).compact(),
                      .kl = ascent.kl()[best],
                      .best_start = best_start,
                      .start = best,
                      .evaluations = count * (config.steps + 1)};
  });
}

}  // namespace palinode::rbl
