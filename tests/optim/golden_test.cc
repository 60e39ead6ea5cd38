// Optimizers, clipping and schedules against PyTorch: tests/golden/optim.safetensors.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "autograd/ops.h"
#include "optim/adam.h"
#include "optim/clip.h"
#include "optim/rmsprop.h"
#include "optim/schedule.h"
#include "optim/sgd.h"
#include "tests/support/golden.h"

namespace palinode::optim {
namespace {

using golden::Case;

const SafetensorsFile& file() {
  static const SafetensorsFile kFile = golden::read("optim.safetensors");
  return kFile;
}

// Gradients that are what they are told to be: those of the sum of g * w.
Gradients gradients_of(const Store& theta, const std::vector<Tensor>& gradients) {
  Tape tape;
  std::vector<Var> sums;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const Var product = mul(tape.parameter(theta, i), tape.constant(gradients[i]));
    sums.push_back(sum(product));
  }
  for (std::size_t i = 1; i < sums.size(); ++i) sums[0] = add(sums[0], sums[i]);
  return backward(sums[0]);
}

struct Stores {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& state = ledger.open("state", Role::kOptimizer);

  void create(const std::string& name, const Tensor& value) {
    ledger.commit({.proposer = "test", .writes = {{&theta, name, value, true}}});
  }
};

Tensor row(const Tensor& matrix, std::size_t i) {
  return matrix.rows(i, i + 1).reshape({matrix.shape().last()});
}

AdamWConfig adam_config(const Case& c) {
  AdamWConfig config;
  config.lr = c.number("lr");
  config.beta1 = c.number("betas1", 0.9);
  config.beta2 = c.number("betas2", 0.999);
  config.eps = c.number("eps", 1e-8);
  config.weight_decay = c.number("weight_decay", 1e-2);
  return config;
}

using Make = std::function<std::unique_ptr<Optimizer>(const Stores&, const Case&)>;

const std::map<std::string, Make>& makes() {
  static const std::map<std::string, Make> kAll = {
      {"sgd",
       [](const Stores& s, const Case& c) {
         return std::make_unique<Sgd>(s.state, s.theta,
                                      SgdConfig{.lr = c.number("lr"),
                                                .momentum = c.number("momentum", 0),
                                                .weight_decay = c.number("weight_decay", 0),
                                                .nesterov = c.number("nesterov", 0) != 0});
       }},
      {"adam",
       [](const Stores& s, const Case& c) {
         return std::make_unique<Adam>(s.state, s.theta, adam_config(c));
       }},
      {"adamw",
       [](const Stores& s, const Case& c) {
         return std::make_unique<AdamW>(s.state, s.theta, adam_config(c));
       }},
      {"rmsprop",
       [](const Stores& s, const Case& c) {
         return std::make_unique<RmsProp>(s.state, s.theta,
                                          RmsPropConfig{.lr = c.number("lr"),
                                                        .alpha = c.number("alpha", 0.99),
                                                        .eps = c.number("eps", 1e-8),
                                                        .momentum = c.number("momentum", 0),
                                                        .weight_decay = c.number("weight_decay", 0),
                                                        .centered = c.number("centered", 0) != 0});
       }},
  };
  return kAll;
}

TEST(GoldenOptimizers, TakeThePathsOfPyTorch) {
  std::size_t paths = 0;
  for (const std::string& name : golden::prefixes(file(), 2)) {
    const auto make = makes().find(name.substr(0, name.find('/')));
    if (make == makes().end()) continue;
    const Case c(file(), name);
    const Tensor &gradients = c.tensor("gradients"), &weights = c.tensor("weights");
    Stores stores;
    stores.create("w", row(weights, 0));
    const std::unique_ptr<Optimizer> optimizer = make->second(stores, c);
    for (std::size_t step = 0; step < gradients.shape()[0]; ++step) {
      stores.ledger.commit(optimizer->propose(gradients_of(stores.theta, {row(gradients, step)})));
      golden::expect_near(stores.theta.at("w"), row(weights, step + 1), 1e-13,
                          name + ", step " + std::to_string(step));
    }
    ++paths;
  }
  EXPECT_EQ(paths, 14U);
}

// One step of plain descent with rate 1 from 0 leaves the negative of what the gradient has become.
TEST(GoldenOptimizers, ClipAsPyTorchDoes) {
  for (const std::string name : {"clip_norm/over", "clip_norm/under", "clip_value/some"}) {
    const Case c(file(), name);
    const std::vector<Tensor> before = {c.tensor("before0"), c.tensor("before1")};
    Stores stores;
    for (const char* w : {"0", "1"}) {
      stores.create(w, Tensor::zeros(c.tensor(std::string("before") + w).shape(), Dtype::kF64));
    }
    const Gradients gradients = gradients_of(stores.theta, before);
    StepOptions options;
    if (c.has("norm")) {
      const double norm = global_norm(gradients, stores.theta);
      EXPECT_NEAR(norm, c.number("norm"), 1e-13 * norm) << name;
      options.scale = clip_factor(norm, c.number("limit"));
    } else {
      options.clip_value = c.number("limit");
    }
    const Sgd descent(stores.state, stores.theta, {.lr = 1.0});
    stores.ledger.commit(descent.propose(gradients, options));
    for (const char* w : {"0", "1"}) {
      Tape tape;
      const Var after = scale(tape.constant(stores.theta.at(w)), -1);
      golden::expect_near(after.value(), c.tensor(std::string("after") + w), 1e-13, name);
    }
  }
}

TEST(GoldenOptimizers, HaveTheRatesOfPyTorchsSchedules) {
  std::size_t schedules = 0;
  for (const std::string& name : golden::prefixes(file(), 2)) {
    if (!name.starts_with("schedule/")) continue;
    const Case c(file(), name);
    const auto steps = [&](const char* key) {
      return static_cast<std::uint64_t>(c.number(key, 0));
    };
    const Schedule schedule = ScheduleConfig{.peak = 1,
                                             .warmup = steps("warmup"),
                                             .steps = steps("total"),
                                             .floor = c.number("floor", 0)};
    const Tensor& factors = c.tensor("factors");
    for (std::size_t t = 0; t < factors.elements(); ++t) {
      EXPECT_NEAR(schedule.at(t), factors.values<double>()[t], 1e-15) << name << ", step " << t;
    }
    ++schedules;
  }
  EXPECT_EQ(schedules, 4U);
}

}  // namespace
}  // namespace palinode::optim
