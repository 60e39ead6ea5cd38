// The same as step_main.cc with libtorch: palinode_torch_step mlp|gpt
#include <deque>
#include <random>
#include <string_view>

#include "bench/step.h"
#include "bench/torch_peer.h"

namespace palinode::bench {
namespace {

// Weights and data that look like the real ones.
class Values {
 public:
  void add(TorchTask& task, const std::string& name, std::vector<std::size_t> shape) {
    std::size_t count = 1;
    for (const std::size_t extent : shape) count *= extent;
    task.parameters.push_back({name, std::move(shape), normal(count)});
  }
  std::span<const float> normal(std::size_t count) {
    std::normal_distribution<float> draw(0, 0.1F);
    std::vector<float>& values = floats_.emplace_back(count);
    for (float& x : values) x = draw(bits_);
    return values;
  }
  std::span<const std::int32_t> below(int n, std::size_t count) {
    std::uniform_int_distribution<std::int32_t> draw(0, n - 1);
    std::vector<std::int32_t>& values = integers_.emplace_back(count);
    for (std::int32_t& x : values) x = draw(bits_);
    return values;
  }

 private:
  std::mt19937 bits_;
  std::deque<std::vector<float>> floats_;
  std::deque<std::vector<std::int32_t>> integers_;
};

TorchTask mlp_task(Values& values) {
  TorchTask task = {.adam = true, .rows = 32};
  values.add(task, "layer.0.weight", {64, 64});
  values.add(task, "layer.0.bias", {64});
  values.add(task, "layer.1.weight", {64, 10});
  values.add(task, "layer.1.bias", {10});
  task.x = values.normal(32 * 64);
  task.labels = values.below(10, 32);
  return task;
}

TorchTask gpt_task(Values& values) {
  TorchTask task = {.adam = true, .rows = 16};
  task.gpt = kGpt128;
  const std::size_t d = task.gpt.width, rows = task.rows * task.gpt.context;
  values.add(task, "token.weight", {task.gpt.vocab, d});
  values.add(task, "position.weight", {task.gpt.context, d});
  const auto norm = [&](const std::string& name) {
    values.add(task, name + ".weight", {d});
    values.add(task, name + ".bias", {d});
  };
  const auto linear = [&](const std::string& name, std::size_t in, std::size_t out) {
    values.add(task, name + ".weight", {in, out});
    values.add(task, name + ".bias", {out});
  };
  for (std::size_t i = 0; i < task.gpt.layers; ++i) {
    const std::string block = "block." + std::to_string(i) + ".";
    norm(block + "attn.norm");
    norm(block + "mlp.norm");
    linear(block + "attn.qkv", d, 3 * d);
    linear(block + "attn.out", d, d);
    linear(block + "mlp.up", d, 4 * d);
    linear(block + "mlp.down", 4 * d, d);
  }
  norm("norm");
  values.add(task, "head.weight", {d, task.gpt.vocab});
  task.tokens = values.below(65, rows);
  task.labels = values.below(65, rows);
  return task;
}

}  // namespace
}  // namespace palinode::bench

int main(int argc, char** argv) {
  using namespace palinode::bench;
  const std::string_view model = argc == 2 ? argv[1] : "";
  if (model != "mlp" && model != "gpt") {
    std::fprintf(stderr, "usage: palinode_torch_step mlp|gpt\n");
    return 2;
  }
  Values values;
  const TorchTask task = model == "mlp" ? mlp_task(values) : gpt_task(values);
  const TorchApi* api = palinode_torch_api();
  api->set_threads(1, 1);
  return run_steps(*api->training(task));
}
