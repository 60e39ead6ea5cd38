#include "experiments/precision/training.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "experiments/digits.h"
#include "nn/mlp.h"
#include "rbl/metrics.h"
#include "rbl/mutate.h"
#include "tensor/error.h"
#include "tensor/gemm.h"
#include "tensor/kernels/reduce.h"
#include "tensor/ledger.h"

namespace palinode::experiments::precision {
namespace {

constexpr std::size_t kBatch = 32;

struct Arithmetic {
  std::string_view name;
  Dtype dtype = Dtype::kF32;
  Precision precision = Precision::kRounded;
  rbl::Storage storage = rbl::Storage::kFull;
  bool compensated = false, openblas = false;
};

constexpr std::array kArithmetics = {Arithmetic{.name = "canonical"},
                                     Arithmetic{.name = "fast", .precision = Precision::kFast},
                                     Arithmetic{.name = "kahan", .compensated = true},
                                     Arithmetic{.name = "f64", .dtype = Dtype::kF64},
                                     Arithmetic{.name = "bf16", .storage = rbl::Storage::kBf16},
                                     Arithmetic{.name = "f16", .storage = rbl::Storage::kF16},
                                     Arithmetic{.name = "openblas", .openblas = true}};

// While it lives, products are OpenBLAS's.
class Blas {
 public:
  explicit Blas(bool wanted) {
    if (wanted) use_gemm(Gemm::kOpenblas);
  }
  ~Blas() { use_gemm(before_); }
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;

 private:
  Gemm before_ = active_gemm();
};

bool has_openblas() {
  try {
    const Blas blas(true);
    return true;
  } catch (const EnvironmentError&) {
    return false;
  }
}

std::vector<double> as_f64(const Tensor& tensor) {
  const Tensor wide = tensor.to(Dtype::kF64).compact();
  return {wide.values<double>().begin(), wide.values<double>().end()};
}

// w - lr g, with what the rounding of the step before lost added first (Kahan 1965): the update u =
// -lr g - c, the weight w' = w + u, the loss c = (w' - w) - u.
Tensor compensated_step(const Tensor& weight, const Tensor& gradient, double lr, Tensor& lost) {
  const std::span<const float> w = weight.values<float>(), g = gradient.values<float>();
  const std::span<const float> c = lost.values<float>();
  const auto rate = static_cast<float>(lr);
  TensorBuilder next(weight.shape(), Dtype::kF32), left(weight.shape(), Dtype::kF32);
  for (std::size_t i = 0; i < w.size(); ++i) {
    const float step = -rate * g[i];
    const float update = step - c[i];
    const float moved = w[i] + update;
    next.values<float>()[i] = moved;
    left.values<float>()[i] = (moved - w[i]) - update;
  }
  lost = std::move(left).build();
  return std::move(next).build();
}

// One training in one arithmetic, whose state can be looked at between steps.
class Course {
 public:
  Course(const Arithmetic& arithmetic, const Digits& digits, const Rng& rng, double lr)
      : arithmetic_(&arithmetic),
        digits_(&digits),
        lr_(lr),
        batches_(digits.train, rng.stream("identity"), kBatch),
        theta_(&ledger_.open("theta", Role::kIdentity)),
        model_(*theta_, {.sizes = {64, 64, 10}, .precision = arithmetic.precision}) {
    // The first weights are drawn in f32 for all, so that they are the same numbers.
    Proposal first = model_.init(rng.stream("init"));
    for (auto& write : first.writes) write.value = write.value.to(arithmetic.dtype);
    ledger_.commit(first);
    for (const Entry& entry : theta_->entries())
      lost_.push_back(Tensor::zeros(entry.value.shape(), Dtype::kF32));
  }

  void step(std::uint64_t t) {
    const Blas blas(arithmetic_->openblas);
    const Labelled batch = batches_.at(t);
    Tape tape;
    nn::Run run(tape);
    const Var x = tape.constant(batch.x.to(arithmetic_->dtype));
    const Gradients gradients = backward(cross_entropy(model_.forward(run, x), batch.y));
    Proposal proposal{.reason = Reason::kSgd, .proposer = "rounding"};
    for (std::size_t i = 0; i < theta_->entries().size(); ++i) {
      const Entry& entry = theta_->entries()[i];
      proposal.writes.push_back(
          {theta_, entry.name, next(entry.value, gradients.at(*theta_, entry.name), i)});
    }
    ledger_.commit(proposal);
  }

  Tensor logits(const Tensor& inputs) const {
    const Blas blas(arithmetic_->openblas);
    return nn::evaluate(model_, inputs.to(arithmetic_->dtype)).compact();
  }
  std::vector<double> weights() const {
    std::vector<double> all;
    for (const Entry& entry : theta_->entries()) {
      const std::vector<double> part = as_f64(entry.value);
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }
  const Digits& digits() const { return *digits_; }

 private:
  Tensor next(const Tensor& weight, const Tensor& gradient, std::size_t entry) {
    if (arithmetic_->compensated) return compensated_step(weight, gradient, lr_, lost_[entry]);
    const std::vector<double> w = as_f64(weight), g = as_f64(gradient);
    TensorBuilder moved(weight.shape(), arithmetic_->dtype);
    if (arithmetic_->dtype == Dtype::kF64) {
      for (std::size_t i = 0; i < w.size(); ++i) moved.values<double>()[i] = w[i] - lr_ * g[i];
      return std::move(moved).build();
    }
    const auto rate = static_cast<float>(lr_);
    for (std::size_t i = 0; i < w.size(); ++i) {
      const float step = rate * static_cast<float>(g[i]);
      moved.values<float>()[i] = static_cast<float>(w[i]) - step;
    }
    return rbl::stored(std::move(moved).build(), arithmetic_->storage);
  }

  const Arithmetic* arithmetic_;
  const Digits* digits_;
  double lr_;
  Ledger ledger_{Ledger::Level::kOff};
  Batches batches_;
  const Store* theta_;
  nn::Mlp model_;
  std::vector<Tensor> lost_;
};

double norm_of_difference(std::span<const double> a, std::span<const double> b) {
  std::vector<double> squares(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) squares[i] = (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(kernels::sum<double>(squares));
}

double mean_loss(const Tensor& log_p, const Tensor& labels) {
  const std::span<const std::int32_t> y = labels.values<std::int32_t>();
  const std::size_t classes = log_p.shape().last();
  std::vector<double> terms(y.size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    terms[i] = -log_p.values<double>()[i * classes + static_cast<std::size_t>(y[i])];
  }
  return kernels::sum<double>(terms) / static_cast<double>(y.size());
}

// What the canonical run was at a step, for the others to be compared with.
struct Reference {
  std::vector<double> weights;
  Tensor log_p;  // on the probes
};

RoundingPoint compare(const Course& course, const Reference& reference, const Reference& start) {
  const Digits& digits = course.digits();
  RoundingPoint point;
  const Tensor logits = course.logits(digits.held_out.x);
  point.loss = mean_loss(rbl::log_probabilities(logits), digits.held_out.y);
  point.score = rbl::accuracy(logits, digits.held_out.y);
  const std::vector<double> weights = course.weights();
  std::size_t changed = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    changed += static_cast<float>(weights[i]) != static_cast<float>(reference.weights[i]) ? 1 : 0;
  }
  point.words_changed = static_cast<double>(changed) / static_cast<double>(weights.size());
  point.distance = norm_of_difference(weights, reference.weights) /
                   norm_of_difference(reference.weights, start.weights);
  const Tensor log_p = rbl::log_probabilities(course.logits(digits.probes));
  point.kl = rbl::kl_divergence(reference.log_p, log_p).mean;
  point.recoverability =
      rbl::recoverability(rbl::kl_divergence(reference.log_p, start.log_p).mean, point.kl).value;
  return point;
}

std::vector<RoundingPoint> run_seed(const RoundingConfig& config, const Digits& digits,
                                    std::uint64_t seed) {
  std::vector<RoundingPoint> points;
  std::map<std::uint64_t, Reference> references;
  Reference start;
  const bool blas = has_openblas();
  for (const Arithmetic& arithmetic : kArithmetics) {
    if (arithmetic.openblas && !blas) continue;
    Course course(arithmetic, digits, Rng(seed), config.lr);
    const auto look = [&course, &digits] {
      return Reference{course.weights(), rbl::log_probabilities(course.logits(digits.probes))};
    };
    const bool first = arithmetic.name == kArithmetics[0].name;
    if (first) start = look();
    std::uint64_t t = 0;
    for (const std::uint64_t until : config.steps) {
      for (; t < until; ++t) course.step(t);
      if (first) references[until] = look();
      RoundingPoint point = compare(course, references.at(until), start);
      point.arithmetic = arithmetic.name;
      point.seed = seed;
      point.step = until;
      points.push_back(std::move(point));
    }
  }
  return points;
}

}  // namespace

std::vector<std::string_view> rounding_arithmetics() {
  std::vector<std::string_view> names;
  const bool blas = has_openblas();
  for (const Arithmetic& arithmetic : kArithmetics) {
    if (!arithmetic.openblas || blas) names.push_back(arithmetic.name);
  }
  return names;
}

// One after the other: which product is in use is the whole program's.
std::vector<RoundingPoint> measure_rounding(const RoundingConfig& config) {
  const Digits digits = make_tasks(embedded_digits());
  std::vector<RoundingPoint> points;
  for (std::uint64_t seed = 1; seed <= config.seeds; ++seed) {
    const std::vector<RoundingPoint> more = run_seed(config, digits, seed);
    points.insert(points.end(), more.begin(), more.end());
  }
  return points;
}

nlohmann::ordered_json rounding_json(const RoundingConfig& config,
                                     const std::vector<RoundingPoint>& points) {
  using nlohmann::ordered_json;
  ordered_json json;
  json["model"] = "mlp-64-64-10 on digits, SGD";
  json["lr"] = config.lr;
  json["steps"] = config.steps;
  json["seeds"] = config.seeds;
  json["points"] = ordered_json::array();
  for (const RoundingPoint& p : points) {
    json["points"].push_back({{"arithmetic", p.arithmetic},
                              {"seed", p.seed},
                              {"step", p.step},
                              {"loss", p.loss},
                              {"score", p.score},
                              {"words_changed", p.words_changed},
                              {"distance", p.distance},
                              {"kl", p.kl},
                              {"recoverability", p.recoverability}});
  }
  json["limits"] = ordered_json::array();
  for (const std::string_view arithmetic : rounding_arithmetics()) {
    ordered_json limit{{"arithmetic", arithmetic}};
    for (const double level : {0.999999, 0.999, 0.9}) {
      const std::string key = fmt::format("{:g}", level);
      limit[key] = nullptr;
      for (const std::uint64_t step : config.steps) {
        double sum = 0, count = 0;
        for (const RoundingPoint& p : points) {
          if (p.arithmetic != arithmetic || p.step != step) continue;
          sum = sum + p.recoverability;
          count = count + 1;
        }
        if (count == 0 || sum / count >= level) continue;
        limit[key] = step;
        break;
      }
    }
    json["limits"].push_back(std::move(limit));
  }
  return json;
}

}  // namespace palinode::experiments::precision
