#include "bench/torch_peer.h"

#include <torch/torch.h>

#include <map>
#include <utility>

// OpenBLAS's, which libtorch calls as its BLAS.
extern "C" {
int openblas_get_parallel();
void openblas_set_num_threads(int count);
}

namespace palinode::bench {
namespace {

using torch::Tensor;

Tensor copy_of(std::span<const float> values, std::span<const std::size_t> shape) {
  std::vector<std::int64_t> sizes(shape.begin(), shape.end());
  Tensor tensor = torch::empty(sizes);
  std::copy(values.begin(), values.end(), tensor.data_ptr<float>());
  return tensor;
}

Tensor copy_of(std::span<const std::int32_t> values) {
  Tensor tensor = torch::empty({static_cast<std::int64_t>(values.size())}, torch::kInt64);
  std::copy(values.begin(), values.end(), tensor.data_ptr<std::int64_t>());
  return tensor;
}

// Weights as libtorch wants them: those of linear layers [out, in]. An embedding is a table.
Tensor weight_of(const TorchParameter& parameter) {
  Tensor tensor = copy_of(parameter.values, parameter.shape);
  const bool table = parameter.name == "token.weight" || parameter.name == "position.weight";
  if (parameter.shape.size() == 2 && !table) tensor = tensor.t().contiguous();
  return tensor.set_requires_grad(true);
}

std::unique_ptr<torch::optim::Optimizer> optimizer_of(const TorchTask& task,
                                                      const std::vector<Tensor>& weights) {
  if (task.adam) {
    return std::make_unique<torch::optim::Adam>(weights, torch::optim::AdamOptions(task.lr));
  }
  return std::make_unique<torch::optim::SGD>(weights, torch::optim::SGDOptions(task.lr));
}

// Faster than zeroing them: backward hands over what it computed instead of adding to it.
void forget_gradients(std::vector<Tensor>& weights) {
  for (Tensor& weight : weights) weight.mutable_grad() = Tensor();
}

struct Weights {
  explicit Weights(const TorchTask& task) {
    for (const TorchParameter& parameter : task.parameters) {
      all.push_back(weight_of(parameter));
      names.emplace(parameter.name, all.back());
    }
  }
  const Tensor& at(const std::string& name) const { return names.at(name); }

  std::vector<Tensor> all;
  std::map<std::string, Tensor> names;
};

Tensor mlp(const std::vector<Tensor>& weights, Tensor x) {
  for (std::size_t i = 0; i < weights.size(); i += 2) {
    if (i > 0) x = torch::tanh(x);
    x = torch::linear(x, weights[i], weights[i + 1]);
  }
  return x;
}

// Pre-norm, learned positions, causal attention, GELU in its tanh form, a head of its own.
class Gpt {
 public:
  Gpt(const Weights& weights, const GptSize& size)
      : token_(weights.at("token.weight")),
        position_(weights.at("position.weight")),
        heads_(static_cast<std::int64_t>(size.heads)),
        width_(static_cast<std::int64_t>(size.width)),
        norm_(norm(weights, "norm")),
        head_(weights.at("head.weight")) {
    const auto context = static_cast<std::int64_t>(size.context);
    future_ = torch::ones({context, context}, torch::kBool).triu(1);
    for (std::size_t i = 0; i < size.layers; ++i) {
      const std::string name = "block." + std::to_string(i) + ".";
      blocks_.push_back({norm(weights, name + "attn.norm"), norm(weights, name + "mlp.norm"),
                         pair(weights, name + "attn.qkv"), pair(weights, name + "attn.out"),
                         pair(weights, name + "mlp.up"), pair(weights, name + "mlp.down")});
    }
  }

  Tensor logits(const Tensor& tokens) const {
    const std::int64_t t = tokens.size(1);
    Tensor x = torch::embedding(token_, tokens) + position_.narrow(0, 0, t);
    for (const Block& block : blocks_) {
      x = x + attention(block, normed(x, block.norm1));
      const Tensor hidden = torch::gelu(linear(normed(x, block.norm2), block.up), "tanh");
      x = x + linear(hidden, block.down);
    }
    return torch::linear(normed(x, norm_), head_).flatten(0, 1);
  }

 private:
  struct Pair {
    Tensor weight, bias;
  };
  struct Block {
    Pair norm1, norm2, qkv, out, up, down;
  };

  static Pair norm(const Weights& weights, const std::string& name) {
    return {weights.at(name + ".weight"), weights.at(name + ".bias")};
  }
  static Pair pair(const Weights& weights, const std::string& name) {
    return {weights.at(name + ".weight"), weights.at(name + ".bias")};
  }
  static Tensor linear(const Tensor& x, const Pair& p) {
    return torch::linear(x, p.weight, p.bias);
  }
  Tensor normed(const Tensor& x, const Pair& p) const {
    return torch::layer_norm(x, {width_}, p.weight, p.bias, 1e-5);
  }
  Tensor attention(const Block& block, const Tensor& x) const {
    const std::int64_t b = x.size(0), t = x.size(1), d = width_ / heads_;
    const std::vector<Tensor> parts = linear(x, block.qkv).split(width_, -1);
    const auto split = [&](const Tensor& part) {
      return part.view({b, t, heads_, d}).transpose(1, 2);
    };
    Tensor scores = torch::matmul(split(parts[0]), split(parts[1]).transpose(-2, -1)) *
                    (1.0 / std::sqrt(static_cast<double>(d)));
    scores = scores.masked_fill(future_.narrow(0, 0, t).narrow(1, 0, t),
                                -std::numeric_limits<float>::infinity());
    const Tensor y = torch::matmul(torch::softmax(scores, -1), split(parts[2]));
    return linear(y.transpose(1, 2).contiguous().view({b, t, width_}), block.out);
  }

  Tensor token_, position_;
  std::int64_t heads_, width_;
  Pair norm_;
  Tensor head_, future_;
  std::vector<Block> blocks_;
};

class Training : public TorchTraining {
 public:
  explicit Training(const TorchTask& task)
      : weights_(task),
        optimizer_(optimizer_of(task, weights_.all)),
        labels_(copy_of(task.labels)) {
    const auto rows = static_cast<std::int64_t>(task.rows);
    if (task.gpt.layers > 0) {
      gpt_ = std::make_unique<Gpt>(weights_, task.gpt);
      x_ = copy_of(task.tokens).view({rows, -1});
    } else {
      x_ = copy_of(task.x, std::array{task.rows, task.x.size() / task.rows});
    }
  }

  double step() override {
    forget_gradients(weights_.all);
    const Tensor logits = gpt_ ? gpt_->logits(x_) : mlp(weights_.all, x_);
    const Tensor loss = torch::cross_entropy_loss(logits, labels_);
    loss.backward();
    optimizer_->step();
    return loss.item<float>();
  }

 private:
  Weights weights_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  std::unique_ptr<Gpt> gpt_;
  Tensor x_, labels_;
};

class Policy : public TorchPolicy {
 public:
  explicit Policy(const TorchTask& task)
      : weights_(task),
        optimizer_(optimizer_of(task, weights_.all)),
        keeps_graphs_(task.keeps_graphs) {}

  std::array<float, 2> logits(const std::array<float, 4>& state) override {
    const Tensor x = copy_of(state, std::array<std::size_t, 2>{1, 4});
    Tensor y;
    if (keeps_graphs_) {
      y = kept_.emplace_back(mlp(weights_.all, x));
    } else {
      const torch::NoGradGuard no_gradients;
      y = mlp(weights_.all, x);
    }
    return {y.data_ptr<float>()[0], y.data_ptr<float>()[1]};
  }

  double update(std::span<const float> states, std::span<const std::int32_t> actions,
                std::span<const float> weights) override {
    forget_gradients(weights_.all);
    const std::array rows_columns = {actions.size(), std::size_t{4}};
    const Tensor y =
        keeps_graphs_ ? torch::cat(kept_) : mlp(weights_.all, copy_of(states, rows_columns));
    kept_.clear();
    const Tensor each = torch::cross_entropy_loss(y, copy_of(actions), {}, at::Reduction::None);
    const Tensor loss = (each * copy_of(weights, std::array{weights.size()})).mean();
    loss.backward();
    optimizer_->step();
    return loss.item<float>();
  }

 private:
  Weights weights_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  bool keeps_graphs_;
  std::vector<Tensor> kept_;
};

void set_threads(int openmp, int blas) {
  static std::pair<int, int> now{0, 0};
  if (now == std::pair{openmp, blas}) return;
  now = {openmp, blas};
  at::set_num_threads(openmp);
  openblas_set_num_threads(blas);
}

}  // namespace
}  // namespace palinode::bench

const palinode::bench::TorchApi* palinode_torch_api() {
  using namespace palinode::bench;
  static const bool openmp = openblas_get_parallel() == 2;
  static const TorchApi api = {TORCH_VERSION,
                               openmp ? "OpenBLAS OpenMP" : "OpenBLAS pthread",
                               openmp,
                               set_threads,
                               [](const TorchTask& task) -> std::unique_ptr<TorchTraining> {
                                 return std::make_unique<Training>(task);
                               },
                               [](const TorchTask& task) -> std::unique_ptr<TorchPolicy> {
                                 return std::make_unique<Policy>(task);
                               }};
  return &api;
}
