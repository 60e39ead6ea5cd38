// Whole models against PyTorch: the first step's logits, loss and every gradient, then ten losses
// of Adam: tests/golden/gpt.safetensors and cnn.safetensors.
#include <set>
#include <string>

#include "autograd/ops.h"
#include "nn/cnn.h"
#include "nn/gpt.h"
#include "optim/adam.h"
#include "tests/support/golden.h"

namespace palinode::nn {
namespace {

// A model's store with the golden file's first weights, which have the names of the model's own.
struct Golden {
  SafetensorsFile file;
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& state = ledger.open("adam.theta", Role::kOptimizer);

  explicit Golden(const std::string& name) : file(golden::read(name)) {}

  void load(const Network& model) {
    Proposal proposal{.reason = Reason::kLoad, .proposer = "test"};
    std::set<std::string> names;
    for (const Parameter& p : model.parameters()) {
      proposal.writes.push_back({&theta, p.name, file.at("weight/" + p.name), true});
      names.insert("weight/" + p.name);
    }
    for (const Named& each : file.tensors) {
      EXPECT_TRUE(!each.name.starts_with("weight/") || names.contains(each.name)) << each.name;
    }
    ledger.commit(proposal);
  }

  void expect_training(const Network& model, const std::string& input) {
    load(model);
    const optim::Adam adam(state, theta, {.lr = 0.01});
    const std::span<const double> losses = file.at("losses").values<double>();
    for (std::size_t step = 0; step < losses.size(); ++step) {
      Tape tape;
      Run run(tape, {.mode = Mode::kTrain});
      const Var logits = model.forward(run, tape.constant(file.at(input)));
      const Var loss = cross_entropy(logits, file.at("labels"));
      const Gradients gradients = backward(loss);
      EXPECT_NEAR(loss.value().item(), losses[step], 1e-11) << "step " << step;
      if (step == 0) {
        golden::expect_near(logits.value(), file.at("logits"), 1e-12, "logits");
        for (const Entry& entry : theta.entries()) {
          golden::expect_near(gradients.at(theta, entry.name), file.at("gradient/" + entry.name),
                              1e-12, "gradient of " + entry.name);
        }
      }
      ledger.commit(adam.propose(gradients));
    }
  }
};

TEST(GoldenModels, AGptTrainsAsInPyTorch) {
  Golden golden("gpt.safetensors");
  const std::vector<std::size_t> c = golden::Case(golden.file, "config").sizes("gpt");
  const Gpt model(golden.theta, {.vocab = c[0],
                                 .context = c[1],
                                 .layers = c[2],
                                 .heads = c[3],
                                 .width = c[4],
                                 .precision = Precision::kRounded});
  golden.expect_training(model, "tokens");
}

TEST(GoldenModels, ACnnTrainsAsInPyTorch) {
  Golden golden("cnn.safetensors");
  const Cnn model(golden.theta, {.height = 8,
                                 .width = 8,
                                 .channels = 2,
                                 .blocks = {{4, 3, 2}, {6, 3, 2}},
                                 .hidden = {8},
                                 .classes = 5});
  golden.expect_training(model, "x");
}

}  // namespace
}  // namespace palinode::nn
