// The feed-forward parts of transformers: two layers with GELU between them, and SwiGLU.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "nn/activation.h"
#include "nn/linear.h"

namespace palinode::nn {

struct FeedForwardConfig {
  std::size_t width = 0;
  std::size_t hidden = 0;
  Init init = gpt2();       // of what reads the residual stream,
  Init init_down = gpt2();  // of what adds to it
  Precision precision = Precision::kFast;
};

// down(gelu_tanh(up(x))), with biases; sites `name.up` and `name.down`.
class FeedForward {
 public:
  FeedForward(const Store& store, const std::string& name, const FeedForwardConfig& config);

  Var operator()(Run& run, Var x) const;  // [rows, width] -> [rows, width]
  void declare(Parameters& parameters) const;
  void name_sites(std::vector<std::string>& sites) const;

 private:
  Linear up_, down_;
  Precision precision_;
};

// down(silu(gate(x)) * up(x)), without biases (Shazeer, arXiv:2002.05202, equation 6); sites
// `name.gate`, `name.up` and `name.down`.
class SwiGlu {
 public:
  SwiGlu(const Store& store, const std::string& name, const FeedForwardConfig& config);

  Var operator()(Run& run, Var x) const;  // [rows, width] -> [rows, width]
  void declare(Parameters& parameters) const;
  void name_sites(std::vector<std::string>& sites) const;

 private:
  Linear gate_, up_, down_;
  Precision precision_;
};

}  // namespace palinode::nn
