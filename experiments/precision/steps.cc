#include <cmath>
#include <functional>

#include "experiments/precision/errors.h"
#include "experiments/precision/rows.h"
#include "experiments/precision/sums.h"
#include "experiments/precision/timing.h"
#include "tensor/digest.h"
#include "tensor/error.h"
#include "tensor/kernels/update.h"
#include "tensor/parallel.h"
#include "tensor/rng.h"
#include "tensor/simd.h"

namespace palinode::experiments::precision {
namespace {

using Json = nlohmann::ordered_json;
using In = std::span<const float>;
using Out = std::span<float>;

constexpr std::size_t kCount = 65536;
constexpr double kLr = 1e-3, kMomentum = 0.9, kDecay = 0.01, kBeta1 = 0.9, kBeta2 = 0.999;
constexpr double kEps = 1e-8, kAlpha = 0.99;
constexpr int kStep = 10;

// What a step reads and writes: gradient, weight, first and second moment.
template <class T>
struct State {
  std::vector<T> g, w, m, v;
};

// What the exact results are sums of, in absolute values.
struct StepTruth {
  State<double> exact, scale;
};

struct Contestant {
  std::string name;
  bool ours = false;
  std::function<void(const State<float>&, State<float>&)> run;
};

// T is double for the truth and float for what a textbook would write.
template <class T>
void plain_sgd(const State<T>& in, State<T>& out) {
  for (std::size_t i = 0; i < in.g.size(); ++i) {
    const T g = in.g[i] + T(kDecay) * in.w[i];
    out.m[i] = T(kMomentum) * in.m[i] + g;
    out.w[i] = in.w[i] - T(kLr) * out.m[i];
  }
}

template <class T>
void plain_adam(const State<T>& in, State<T>& out) {
  const T first = 1 - std::pow(T(kBeta1), T(kStep)), second = 1 - std::pow(T(kBeta2), T(kStep));
  for (std::size_t i = 0; i < in.g.size(); ++i) {
    out.m[i] = T(kBeta1) * in.m[i] + (1 - T(kBeta1)) * in.g[i];
    out.v[i] = T(kBeta2) * in.v[i] + (1 - T(kBeta2)) * in.g[i] * in.g[i];
    const T step = (out.m[i] / first) / (std::sqrt(out.v[i] / second) + T(kEps));
    out.w[i] = (in.w[i] - T(kLr) * T(kDecay) * in.w[i]) - T(kLr) * step;
  }
}

template <class T>
void plain_rmsprop(const State<T>& in, State<T>& out) {
  for (std::size_t i = 0; i < in.g.size(); ++i) {
    out.v[i] = T(kAlpha) * in.v[i] + (1 - T(kAlpha)) * in.g[i] * in.g[i];
    out.w[i] = in.w[i] - T(kLr) * in.g[i] / (std::sqrt(out.v[i]) + T(kEps));
    out.m[i] = in.m[i];
  }
}

void our_sgd(const State<float>& in, State<float>& out) {
  kernels::SgdStep<float> step;
  step.lr = static_cast<float>(kLr);
  step.momentum = static_cast<float>(kMomentum);
  step.weight_decay = static_cast<float>(kDecay);
  kernels::sgd_momentum<float>(step, in.g, in.w, in.m, out.w, out.m);
}

void our_adam(const State<float>& in, State<float>& out) {
  const double first = 1 - kernels::power(kBeta1, kStep),
               second = 1 - kernels::power(kBeta2, kStep);
  const kernels::AdamStep<float> step{.beta1 = static_cast<float>(kBeta1),
                                      .one_minus_beta1 = static_cast<float>(1 - kBeta1),
                                      .beta2 = static_cast<float>(kBeta2),
                                      .one_minus_beta2 = static_cast<float>(1 - kBeta2),
                                      .a = static_cast<float>(kLr / first),
                                      .r = static_cast<float>(1 / std::sqrt(second)),
                                      .eps = static_cast<float>(kEps),
                                      .decay = static_cast<float>(kLr * kDecay)};
  kernels::adam<float>(step, in.g, in.w, in.m, in.v, out.w, out.m, out.v);
}

void our_rmsprop(const State<float>& in, State<float>& out) {
  kernels::RmsPropStep<float> step;
  step.lr = static_cast<float>(kLr);
  step.alpha = static_cast<float>(kAlpha);
  step.one_minus_alpha = static_cast<float>(1 - kAlpha);
  step.eps = static_cast<float>(kEps);
  kernels::rmsprop<float>(step, in.g, in.w, {.s = in.v, .m = {}, .v = {}}, out.w,
                          {.s = out.v, .m = {}, .v = {}});
  out.m = in.m;
}

struct Subject {
  std::string kernel;
  void (*truth)(const State<double>&, State<double>&);
  std::vector<Contestant> contestants;
  bool first_moment, second_moment;
};

Subject subject_named(std::string_view kernel) {
  if (kernel == "sgd") {
    return {"sgd",
            plain_sgd<double>,
            {{"Palinode", true, our_sgd}, {"textbook", false, plain_sgd<float>}},
            true,
            false};
  }
  if (kernel == "adam") {
    return {"adam",
            plain_adam<double>,
            {{"Palinode", true, our_adam}, {"textbook", false, plain_adam<float>}},
            true,
            true};
  }
  PALINODE_ASSERT(kernel == "rmsprop");
  return {"rmsprop",
          plain_rmsprop<double>,
          {{"Palinode", true, our_rmsprop}, {"textbook", false, plain_rmsprop<float>}},
          false,
          true};
}

// Gradients in three ranges of sizes; moments as large as they make them.
struct Draw {
  const char* name;
  int exponents;  // sizes from 2^-exponents to 2^exponents; 0: normal
  double scale;
};
constexpr Draw kDraws[] = {{"normal", 0, 1}, {"small", 0, 1e-6}, {"2^-30 to 2^30", 30, 1}};

State<float> drawn(const Subject& subject, const Draw& draw) {
  const Rng rng = Rng(1).stream("precision").stream(subject.kernel).stream(draw.name);
  const Rng g = rng.stream("g"), w = rng.stream("w"), m = rng.stream("m"), v = rng.stream("v");
  const Rng exponents = rng.stream("exponents");
  State<float> state;
  for (std::size_t i = 0; i < kCount; ++i) {
    const double size = draw.scale * std::exp2(draw.exponents * (2 * exponents.uniform(i) - 1));
    state.g.push_back(static_cast<float>(size * g.normal(i)));
    state.w.push_back(static_cast<float>(w.normal(i)));
    state.m.push_back(static_cast<float>(size * m.normal(i)));
    state.v.push_back(static_cast<float>(size * size * v.uniform(i)));
  }
  return state;
}

template <class To, class From>
State<To> converted(const State<From>& from) {
  const auto copy = [](const std::vector<From>& x) { return std::vector<To>(x.begin(), x.end()); };
  return {copy(from.g), copy(from.w), copy(from.m), copy(from.v)};
}

Errors relative(const std::vector<float>& y, const std::vector<double>& exact,
                const std::vector<double>& scale) {
  Errors errors;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double size = std::max(std::abs(scale[i]), 0x1p-126);
    errors.add(std::abs(static_cast<double>(y[i]) - exact[i]) / (size * kUnit));
  }
  return errors;
}

Json measure_draw(const Subject& subject, const Draw& draw, std::vector<Xxh3>& digests) {
  const State<float> in = drawn(subject, draw);
  const State<double> wide = converted<double>(in);
  State<double> exact = wide, scale = wide;
  subject.truth(wide, exact);
  for (std::size_t i = 0; i < kCount; ++i) {
    // The sizes of what is added up: gradient and decay, moment, weight and update.
    const bool adam = subject.kernel == "adam", sgd = subject.kernel == "sgd";
    const double g = adam ? (1 - kBeta1) * std::abs(wide.g[i])
                          : std::abs(wide.g[i]) + (sgd ? kDecay * std::abs(wide.w[i]) : 0);
    scale.m[i] = (adam ? kBeta1 : kMomentum) * std::abs(wide.m[i]) + g;
    const double cancelled =
        exact.m[i] == 0 || subject.kernel == "rmsprop" ? 1 : scale.m[i] / std::abs(exact.m[i]);
    scale.w[i] = std::abs(wide.w[i]) + std::abs(exact.w[i] - wide.w[i]) * cancelled;
  }
  Json json = {{"name", draw.name}};
  for (std::size_t c = 0; c < digests.size(); ++c) {
    State<float> out = in;
    subject.contestants[c].run(in, out);
    std::vector<double> step(kCount);
    std::vector<float> taken(kCount);
    for (std::size_t i = 0; i < kCount; ++i) {
      step[i] = exact.w[i] - wide.w[i];
      taken[i] = out.w[i] - in.w[i];
    }
    Json row = {{"name", subject.contestants[c].name},
                {"weight", relative(out.w, exact.w, scale.w).json()},
                {"update", relative(taken, step, step).json()}};
    digests[c].add(In(out.w));
    if (subject.first_moment) {
      digests[c].add(In(out.m));
      row["first_moment"] = relative(out.m, exact.m, scale.m).json();
    }
    if (subject.second_moment) {
      digests[c].add(In(out.v));
      row["second_moment"] = relative(out.v, exact.v, exact.v).json();
    }
    json["contenders"].push_back(std::move(row));
  }
  return json;
}

Json identities(const Subject& subject, const std::string& first) {
  const Simd before = active_simd();
  Json rows = Json::array();
  for (const Simd simd : available_simd()) {
    if (simd == before) continue;
    use_simd(simd);
    std::vector<Xxh3> digests(subject.contestants.size());
    for (const Draw& draw : kDraws) measure_draw(subject, draw, digests);
    const std::string digest = hex(digests[0].finish());
    rows.push_back({{"name", subject.contestants[0].name},
                    {"simd", simd_name(simd)},
                    {"inputs", kCount * std::size(kDraws)},
                    {"digest", digest},
                    {"same_bits", digest == first}});
  }
  use_simd(before);
  return rows;
}

}  // namespace

Json measure_step(std::string_view kernel) {
  const Subject subject = subject_named(kernel);
  const std::size_t before = threads();
  set_threads(1);
  Json json = {
      {"kernel", subject.kernel}, {"shape", "65536 weights"}, {"simd", simd_name(active_simd())}};
  std::vector<Xxh3> digests(subject.contestants.size());
  for (const Draw& draw : kDraws) {
    json["families"].push_back(measure_draw(subject, draw, digests));
  }
  const State<float> in = drawn(subject, kDraws[0]);
  State<float> out = in;
  std::vector<std::function<void()>> runs;
  for (const Contestant& each : subject.contestants) runs.emplace_back([&] { each.run(in, out); });
  const std::vector<Speed> times = time_interleaved(runs);
  for (std::size_t c = 0; c < digests.size(); ++c) {
    json["contenders"].push_back({{"name", subject.contestants[c].name},
                                  {"ours", subject.contestants[c].ours},
                                  {"ns", times[c].median * 1e9 / double(kCount)},
                                  {"ns_best", times[c].best * 1e9 / double(kCount)},
                                  {"digest", hex(digests[c].finish())}});
  }
  const auto first = json["contenders"][0]["digest"].get<std::string>();
  json["identity"] = identities(subject, first);
  set_threads(before);
  return json;
}

}  // namespace palinode::experiments::precision
