// Small frozen identities of each architecture, with an input and labels, for tests of behaviors.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "autograd/ops.h"
#include "nn/cnn.h"
#include "nn/gpt.h"
#include "nn/llama.h"
#include "nn/mlp.h"
#include "rbl/behavior.h"
#include "tensor/ledger.h"

namespace palinode::rbl::zoo {

inline const std::vector<std::string> kModels = {"mlp", "mlp_norm", "cnn",  "cnn_norm",
                                                 "gpt", "gpt_tied", "llama"};

// A frozen identity, its parameters drawn from the seed, and a batch for it.
struct Zoo {
  Ledger ledger;
  const Store* theta;
  const Store* buffers;  // of those with BatchNorm
  std::unique_ptr<nn::Network> model;
  Tensor x, labels;

  explicit Zoo(const std::string& name, std::uint64_t seed = 1, Dtype dtype = Dtype::kF32)
      : theta(&ledger.open("theta", Role::kIdentity)),
        buffers(&ledger.open("theta.buffers", Role::kBuffer)) {
    const Precision precision = Precision::kRounded;
    const Rng rng = Rng(seed).stream(name);
    std::size_t outputs = 3;
    if (name.starts_with("mlp")) {
      const nn::MlpConfig config{.sizes = {5, 7, 3}, .batch_norm = name == "mlp_norm"};
      model.reset(new nn::Mlp(*theta, *buffers, config));
      x = rng.stream("x").normal({4, 5}, dtype);
    } else if (name.starts_with("cnn")) {
      const nn::CnnConfig config{.height = 4,
                                 .width = 4,
                                 .channels = 2,
                                 .blocks = {{3, 3, 2}},
                                 .hidden = {6},
                                 .classes = 3,
                                 .batch_norm = name == "cnn_norm"};
      model.reset(new nn::Cnn(*theta, *buffers, config));
      x = rng.stream("x").normal({4, 4, 4, 2}, dtype);
    } else if (name.starts_with("gpt")) {
      model.reset(new nn::Gpt(*theta, {.vocab = 11,
                                       .context = 8,
                                       .layers = 2,
                                       .heads = 2,
                                       .width = 8,
                                       .tied = name == "gpt_tied",
                                       .precision = precision}));
      outputs = 11;
    } else {
      model.reset(new nn::Llama(*theta, {.vocab = 11,
                                         .context = 8,
                                         .layers = 2,
                                         .heads = 2,
                                         .kv_heads = 1,
                                         .width = 8,
                                         .hidden = 12,
                                         .precision = precision}));
      outputs = 11;
    }
    std::size_t rows = 4;
    if (x.empty()) {
      x = ids({2, 5}, 11, rng.stream("tokens"));
      rows = 10;
    }
    labels = ids({rows}, outputs, rng.stream("labels"));
    ledger.commit(model->init(rng.stream("init"), dtype));
    ledger.freeze(*theta);
    ledger.freeze(*buffers);
  }

  static Tensor ids(const Shape& shape, std::size_t below, const Rng& rng) {
    TensorBuilder builder(shape, Dtype::kI32);
    const auto values = builder.values<std::int32_t>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<std::int32_t>(rng.below(i, below));
    }
    return std::move(builder).build();
  }

  Gradients gradients(const nn::Model& function) const {
    Tape tape;
    nn::Run run(tape);
    const Var y = function.forward(run, tape.constant(x));
    return backward(cross_entropy(y, labels));
  }
  double loss(const nn::Model& function) const {
    Tape tape;
    nn::Run run(tape);
    const Var y = function.forward(run, tape.constant(x));
    const Tensor value = cross_entropy(y, labels).value();
    return value.dtype() == Dtype::kF64 ? value.values<double>()[0] : value.values<float>()[0];
  }
};

}  // namespace palinode::rbl::zoo
