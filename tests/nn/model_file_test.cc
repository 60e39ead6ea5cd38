#include "nn/model_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>

#include "tensor/error.h"
#include "tests/support/message.h"

namespace palinode::nn {
namespace {

const MlpConfig kMlp = {.sizes = {3, 4, 2}, .activation = Activation::kSilu};
const MlpConfig kNormedMlp = {.sizes = {3, 4, 2}, .batch_norm = true};
const CnnConfig kCnn = {.height = 6,
                        .width = 5,
                        .channels = 2,
                        .blocks = {{3, 3, 2}},
                        .hidden = {4},
                        .classes = 3,
                        .pooling = Pooling::kAverage,
                        .batch_norm = true,
                        .dropout = 0.1};
const GptConfig kGpt = {.vocab = 7, .context = 5, .layers = 2, .heads = 2, .width = 4};
const LlamaConfig kLlama = {.vocab = 7,
                            .context = 5,
                            .layers = 1,
                            .heads = 2,
                            .kv_heads = 1,
                            .width = 4,
                            .hidden = 6,
                            .rope_base = 123.25,
                            .tied = true};

// A model with its stores and random values in all of them.
struct Made {
  explicit Made(const ModelConfig& config, Dtype dtype = Dtype::kF32)
      : network(make_network(config, theta, needs_buffers(config) ? &buffers : nullptr)) {
    Proposal proposal{.proposer = "test"};
    for (const Parameter& each : network->parameters()) {
      const Tensor value = Rng(9).stream(each.name).uniform(each.shape, dtype, 0.1, 1);
      proposal.writes.push_back({each.store, each.name, value, true});
    }
    ledger.commit(proposal);
  }

  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& buffers = ledger.open("theta.buffers", Role::kBuffer);
  std::unique_ptr<Network> network;
};

Tensor input_of(const ModelConfig& config) {
  if (config.index() == 0) return Rng(1).normal({2, 3}, Dtype::kF32);
  if (config.index() == 1) return Rng(1).normal({2, 6, 5, 2}, Dtype::kF32);
  return Tensor::full<std::int32_t>({2, 5}, 3);
}

class ModelFile : public testing::TestWithParam<ModelConfig> {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder); }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string folder = testing::TempDir() + "palinode_model_file_" + std::to_string(getpid());
  std::string path = folder + "/model.safetensors";
};

INSTANTIATE_TEST_SUITE_P(Models, ModelFile, testing::Values(kMlp, kNormedMlp, kCnn, kGpt, kLlama));

TEST_P(ModelFile, ALoadedModelIsTheSavedOne) {
  const Made made(GetParam());
  save_model(path, *made.network, {{"note", "a test"}});
  Ledger ledger;
  const LoadedModel loaded = load_model(ledger, path);
  EXPECT_EQ(to_json(loaded.config), to_json(GetParam()));
  EXPECT_EQ(loaded.config.index(), GetParam().index());
  EXPECT_EQ(loaded.metadata.at("note"), "a test");
  EXPECT_EQ(loaded.metadata.at("fingerprint"), hex(fingerprint(made.theta)));
  EXPECT_EQ(fingerprint(*loaded.store), fingerprint(made.theta));
  ASSERT_EQ(loaded.buffers != nullptr, needs_buffers(GetParam()));
  if (loaded.buffers != nullptr) {
    EXPECT_EQ(fingerprint(*loaded.buffers), fingerprint(made.buffers));
  }
  const Tensor x = input_of(GetParam());
  EXPECT_EQ(xxh3(evaluate(*loaded.network, x)), xxh3(evaluate(*made.network, x)));
}

TEST_P(ModelFile, SavingTwiceWritesTheSameBytes) {
  const Made made(GetParam());
  const std::string once = safetensors_bytes(model_content(*made.network), "x");
  Ledger ledger;
  const LoadedModel loaded = load_model(ledger, model_content(*made.network), "x");
  EXPECT_EQ(safetensors_bytes(model_content(*loaded.network), "x"), once);
}

TEST_P(ModelFile, RefusesAFileThatLacksAnyOneTensor) {
  const Made made(GetParam());
  const SafetensorsFile whole = model_content(*made.network);
  for (std::size_t i = 0; i < whole.tensors.size(); ++i) {
    SafetensorsFile part = whole;
    part.tensors.erase(part.tensors.begin() + static_cast<std::ptrdiff_t>(i));
    Ledger ledger;
    EXPECT_MESSAGE(load_model(ledger, part, "x"), FormatError,
                   "model file: x: no tensor " + whole.tensors[i].name);
  }
}

TEST(ModelFileLayout, WeightsLieAsPyTorchHasThem) {
  const Made made(kCnn);
  const SafetensorsFile content = model_content(*made.network);
  const Tensor& linear = content.at("layer.1.weight");
  EXPECT_EQ(linear.shape(), (Shape{3, 4}));  // [out, in]
  EXPECT_EQ(linear.values<float>()[1 * 4 + 2],
            made.theta.at("layer.1.weight").values<float>()[2 * 3 + 1]);
  const Tensor& conv = content.at("block.0.conv.weight");
  EXPECT_EQ(conv.shape(), (Shape{3, 2, 3, 3}));  // [out, in, rows, columns]
  EXPECT_EQ(conv.values<float>()[((2 * 2 + 1) * 3 + 0) * 3 + 2],
            made.theta.at("block.0.conv.weight").values<float>()[((0 * 3 + 2) * 2 + 1) * 3 + 2]);
  const Made gpt(kGpt);
  EXPECT_EQ(xxh3(model_content(*gpt.network).at("token.weight")),
            xxh3(gpt.theta.at("token.weight")));
}

TEST(ModelFileLayout, AModelOfF64StaysOne) {
  const Made made(kMlp, Dtype::kF64);
  Ledger ledger;
  const LoadedModel loaded = load_model(ledger, model_content(*made.network), "x");
  EXPECT_EQ(loaded.store->at("layer.0.weight").dtype(), Dtype::kF64);
  EXPECT_EQ(fingerprint(*loaded.store), fingerprint(made.theta));
}

// What loading says of a file changed so; nothing is opened in the ledger then.
std::string verdict(const ModelConfig& config,
                    const std::function<void(SafetensorsFile&)>& change) {
  const Made made(config);
  SafetensorsFile content = model_content(*made.network);
  change(content);
  Ledger ledger;
  const std::uint64_t before = ledger.sequence();
  try {
    load_model(ledger, content, "x");
  } catch (const FormatError& error) {
    EXPECT_EQ(ledger.sequence(), before);
    ledger.open("theta", Role::kIdentity);
    return error.what();
  }
  return "accepted";
}

std::string verdict_of_config(const ModelConfig& config, const std::string& json) {
  return verdict(config, [&](SafetensorsFile& file) { file.metadata["config"] = json; });
}

TEST(ModelFileHostile, NamesWhatIsWrongWithTheTensors) {
  EXPECT_EQ(verdict(kMlp, [](SafetensorsFile&) {}), "accepted");
  EXPECT_EQ(verdict(kMlp,
                    [](SafetensorsFile& file) {
                      file.tensors.push_back({"extra", Tensor::zeros({1}, Dtype::kF32)});
                    }),
            "model file: x: its model has no tensor extra");
  EXPECT_EQ(verdict(kMlp,
                    [](SafetensorsFile& file) {
                      file.tensors[0].value = Tensor::zeros({3, 4}, Dtype::kF32);
                    }),
            "model file: x: layer.0.weight is f32 [3, 4], expected f32 [4, 3]");
  EXPECT_EQ(verdict(kMlp,
                    [](SafetensorsFile& file) {
                      file.tensors[1].value = Tensor::zeros({4}, Dtype::kF64);
                    }),
            "model file: x: layer.0.bias is f64 [4], expected f32 [4]");
  EXPECT_EQ(verdict(kMlp,
                    [](SafetensorsFile& file) {
                      for (Named& each : file.tensors) {
                        each.value = Tensor::zeros(each.value.shape(), Dtype::kI32);
                      }
                    }),
            "model file: x: layer.0.weight is i32 [4, 3], expected f32 or f64 [4, 3]");
}

TEST(ModelFileHostile, ValuesOfAnotherFingerprintAreRefused) {
  const std::string text = verdict(
      kMlp, [](SafetensorsFile& file) { file.tensors[1].value = Tensor::zeros({4}, Dtype::kF32); });
  EXPECT_TRUE(text.starts_with("model file: x: states the fingerprint ")) << text;
  const std::string buffers = verdict(kCnn, [](SafetensorsFile& file) {
    for (Named& each : file.tensors) {
      if (each.name != "block.0.norm.running_mean") continue;
      each.value = Tensor::zeros(each.value.shape(), Dtype::kF32);
    }
  });
  EXPECT_TRUE(buffers.starts_with("model file: x: states the buffers_fingerprint ")) << buffers;
}

TEST(ModelFileHostile, NamesWhatIsWrongWithTheMetadata) {
  const auto without = [](const char* key) {
    return verdict(kMlp, [key](SafetensorsFile& file) { file.metadata.erase(key); });
  };
  EXPECT_EQ(without("format"), "model file: x: its metadata has no format \"palinode\"");
  EXPECT_EQ(without("model"), "model file: x: its metadata has no model");
  EXPECT_EQ(without("config"), "model file: x: its metadata has no config");
  EXPECT_EQ(without("fingerprint"), "accepted");
  EXPECT_EQ(verdict(kMlp, [](SafetensorsFile& file) { file.metadata["model"] = "rnn"; }),
            "model file: x: config: no model is named \"rnn\"");
}

TEST(ModelFileHostile, NamesWhatIsWrongWithTheConfiguration) {
  const std::string where = "model file: x: config";
  EXPECT_EQ(verdict_of_config(kMlp, "{"), where + ": not JSON");
  EXPECT_EQ(verdict_of_config(kMlp, "[]"), where + ": expected an object, got []");
  EXPECT_EQ(verdict_of_config(kMlp, R"({"sizes":[3,4,2],"depth":1})"),
            where + ": no field named depth");
  EXPECT_EQ(verdict_of_config(kMlp, R"({"sizes":[3,-4,2]})"),
            where + ".sizes: expected a whole number up to 2^31, got -4");
  EXPECT_EQ(verdict_of_config(kMlp, R"({"sizes":[3,4294967296,2]})"),
            where + ".sizes: expected a whole number up to 2^31, got 4294967296");
  EXPECT_EQ(verdict_of_config(kMlp, R"({"sizes":[3,4,2],"activation":"relu6"})"),
            where + ".activation: expected one of tanh, relu, gelu, sigmoid, silu, got \"relu6\"");
  EXPECT_EQ(verdict_of_config(kMlp, R"({"sizes":[3]})"),
            where + ": mlp: needs at least two sizes, got 1");
  EXPECT_EQ(verdict_of_config(kGpt, R"({"layers":1000000000})"),
            where +
                ": gpt: needs vocab, context and width above 0 and 1 to 1024 layers, got 256, 64, "
                "128 and 1000000000");
  EXPECT_EQ(verdict_of_config(kGpt, R"({"tied":1})"), where + ".tied: expected a boolean, got 1");
  EXPECT_EQ(verdict_of_config(kGpt, R"({"dropout":1e999})"), where + ": not JSON");
  const std::string huge =
      verdict_of_config(kMlp, R"({"sizes":[2147483648,2147483648,2147483648,2]})");
  EXPECT_TRUE(huge.starts_with("model file: x: ")) << huge;
  const std::string rope =
      verdict_of_config(kLlama, R"({"context":2147483648,"width":2147483648})");
  EXPECT_TRUE(rope.starts_with("model file: x: ")) << rope;
}

TEST(ModelFileLayout, MetadataOfTheWriterMustNotBeTheModelsOwn) {
  const Made made(kMlp);
  EXPECT_MESSAGE(model_content(*made.network, {{"model", "mine"}}), NameError,
                 "model file: the metadata model is the model's own");
}

}  // namespace
}  // namespace palinode::nn
