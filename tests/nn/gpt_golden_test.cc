// A GPT and a CNN against PyTorch's golden values: first logits, every gradient, ten losses.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "nn/cnn.h"
#include "nn/gpt.h"
#include "optim/adam.h"
#include "tests/support/golden.h"

namespace palinode::nn {
namespace {

constexpr double kTolerance = 1e-9;

// The file's first weights under the model's names.
struct Golden {
  explicit Golden(const char* name) : file(golden::read(name)) {}

  Proposal weights(const Network& model) const {
    Proposal proposal{.proposer = "golden"};
    for (const Parameter& each : model.parameters()) {
      const Tensor& value = file.at("weight/" + their_name(each.name));
      proposal.writes.push_back({each.store, each.name, value, true});
    }
    return proposal;
  }

  // block.0.attn.norm.weight is their block.0.norm1.gamma.
  std::string their_name(std::string name) const {
    for (const auto& [ours, theirs] : renamed) {
      const std::size_t at = name.find(ours);
      if (at != std::string::npos) name.replace(at, ours.size(), theirs);
    }
    return name;
  }

  std::vector<std::pair<std::string, std::string>> renamed;
  SafetensorsFile file;
};

void expect_golden_training(const Golden& golden, const Network& model, Ledger& ledger,
                            const Tensor& x) {
  const Store& theta = model.store();
  ledger.commit(golden.weights(model));
  const optim::Adam adam(ledger.open("adam", Role::kOptimizer), theta, {.lr = 0.01});
  const Tensor& losses = golden.file.at("losses");
  for (std::size_t step = 0; step < losses.elements(); ++step) {
    Tape tape;
    nn::Run run(tape, {.mode = Mode::kTrain});
    const Var logits = model.forward(run, tape.constant(x));
    const Var loss = cross_entropy(logits, golden.file.at("labels"));
    EXPECT_NEAR(loss.value().item(), losses.values<double>()[step], kTolerance) << step;
    const Gradients gradients = backward(loss);
    if (step == 0) {
      golden::expect_near(logits.value(), golden.file.at("logits"), kTolerance, "logits");
      for (const Parameter& each : model.parameters()) {
        golden::expect_near(gradients.at(theta, each.name),
                            golden.file.at("gradient/" + golden.their_name(each.name)), kTolerance,
                            each.name);
      }
    }
    ledger.commit(adam.propose(gradients));
  }
}

TEST(GptGolden, LogitsGradientsAndLossesAreThoseOfPyTorch) {
  Golden golden("gpt.safetensors");
  golden.renamed = {{"token.weight", "token_embedding"},
                    {"position.weight", "position_embedding"},
                    {"attn.norm.weight", "norm1.gamma"},
                    {"attn.norm.bias", "norm1.beta"},
                    {"mlp.norm.weight", "norm2.gamma"},
                    {"mlp.norm.bias", "norm2.beta"},
                    {"attn.", "attention."}};
  const auto config = golden.file.at("config").values<std::int32_t>();
  const auto size = [&](std::size_t i) { return static_cast<std::size_t>(config[i]); };
  for (const bool checkpointing : {false, true}) {
    Ledger ledger;
    const Gpt model(ledger.open("theta", Role::kIdentity), {.vocab = size(0),
                                                            .context = size(1),
                                                            .layers = size(2),
                                                            .heads = size(3),
                                                            .width = size(4),
                                                            .checkpointing = checkpointing,
                                                            .precision = Precision::kRounded});
    golden.renamed.push_back({"norm.weight", "norm.gamma"});
    golden.renamed.push_back({"norm.bias", "norm.beta"});
    expect_golden_training(golden, model, ledger, golden.file.at("tokens"));
  }
}

TEST(CnnGolden, LogitsGradientsAndLossesAreThoseOfPyTorch) {
  Golden golden("cnn.safetensors");
  golden.renamed = {{"block.0.conv", "conv.0"}, {"block.1.conv", "conv.1"}, {"layer.0", "head"}};
  Ledger ledger;
  const Cnn model(ledger.open("theta", Role::kIdentity), {.height = 8,
                                                          .width = 8,
                                                          .channels = 2,
                                                          .blocks = {{4, 3, 2}, {6, 3, 2}},
                                                          .hidden = {},
                                                          .classes = 5});
  expect_golden_training(golden, model, ledger, golden.file.at("x"));
}

}  // namespace
}  // namespace palinode::nn
