// libtorch as a rival in training: the same models, optimizers and data, eagerly, in C++.
//
// Built only where CMake finds libtorch, as a module that is loaded at run time (libtorch()), so
// that neither its headers nor its libraries come near anything else here. No header of libtorch's
// is included by this one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace palinode::bench {

// A weight as it starts, in Palinode's layout: linear weights are [in, out].
struct TorchParameter {
  std::string name;
  std::vector<std::size_t> shape;
  std::span<const float> values;
};

struct GptSize {
  std::size_t vocab, context, layers, heads, width;
};
inline constexpr GptSize kGpt128 = {65, 64, 4, 4, 128};   // trained on batches of 16
inline constexpr GptSize kGpt256 = {65, 128, 6, 8, 256};  // of 8

// What is trained on one batch over and over.
//   an MLP with tanh: parameters weight, bias of each layer in order; x [rows, in]
//   a GPT: parameters as nn::Gpt names them (docs/models.md), untied; tokens [rows, context]
struct TorchTask {
  std::vector<TorchParameter> parameters;
  bool adam = false;  // otherwise plain SGD
  double lr = 1e-3;
  std::size_t rows = 0;
  std::span<const float> x = {};
  std::span<const std::int32_t> tokens = {};
  std::span<const std::int32_t> labels = {};  // one for each row of logits
  GptSize gpt = {};                           // no layers: an MLP
  // A policy's update goes back through the graphs of all its single forward passes, as textbooks
  // have it, in place of one more pass over all states at once.
  bool keeps_graphs = false;
};

class TorchTraining {
 public:
  virtual ~TorchTraining() = default;
  virtual double step() = 0;  // returns the loss before it
};

// An MLP with two outputs that plays CartPole.
class TorchPolicy {
 public:
  virtual ~TorchPolicy() = default;
  virtual std::array<float, 2> logits(const std::array<float, 4>& state) = 0;
  // A step along the gradient of the mean of weights * cross-entropy; returns that.
  virtual double update(std::span<const float> states, std::span<const std::int32_t> actions,
                        std::span<const float> weights) = 0;
};

struct TorchApi {
  const char* version;
  const char* blas;  // "OpenBLAS pthread", "OpenBLAS OpenMP"
  bool blas_is_openmp;
  void (*set_threads)(int openmp, int blas);
  std::unique_ptr<TorchTraining> (*training)(const TorchTask& task);
  std::unique_ptr<TorchPolicy> (*policy)(const TorchTask& task);
};

// Loads the module that lies beside this program; none if it was not built.
const TorchApi* libtorch();

}  // namespace palinode::bench

extern "C" const palinode::bench::TorchApi* palinode_torch_api();
