// A few training steps in a process of its own: palinode_step mlp|gpt
#include <string_view>

#include "bench/step.h"
#include "bench/training.h"
#include "nn/mlp.h"
#include "tensor/parallel.h"

namespace palinode::bench {
namespace {

int run(std::string_view model) {
  set_threads(1);
  if (model == "mlp") {
    const nn::MlpConfig config = {.sizes = {64, 64, 10}};
    const Tensor x = Rng(1).stream("x").normal({32, 64}, Dtype::kF32);
    return run_steps(Training<nn::Mlp>(config, Descent::kAdam, x, random_labels(32, 10)));
  }
  if (model == "gpt") {
    return run_steps(Training<nn::Gpt>(gpt_config(kGpt128), Descent::kAdam,
                                       random_tokens(kGpt128, 16), next_tokens(kGpt128, 16)));
  }
  std::fprintf(stderr, "usage: palinode_step mlp|gpt\n");
  return 2;
}

}  // namespace
}  // namespace palinode::bench

int main(int argc, char** argv) { return palinode::bench::run(argc == 2 ? argv[1] : ""); }
