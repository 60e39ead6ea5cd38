// `palinode behavior extract`: a tuned model comes back as a LoRA, and what that loses is said.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "experiments/behavior/stack.h"
#include "nn/model_file.h"
#include "rbl/behavior_file.h"
#include "rbl/merge.h"
#include "tensor/file.h"
#include "tests/experiments/behavior/digits_model.h"

namespace palinode::experiments {
namespace {

using rbl::zoo::Zoo;

// A model on digits after 40 steps, and the same model after 20 of these: its dense tuning.
struct Tuned : DigitsModel {
  std::string base = folder / "base/model.safetensors";

  Tuned() {
    const Ended ended = run_all({"train", "digits_mlp", "--quiet", "--out", folder / "base",
                                 "--set", "train.steps=20", "--ledger", "off"});
    EXPECT_EQ(ended.code, 0) << ended.err;
  }
  Ended extract(const std::string& name, const std::vector<std::string>& more) const {
    return run_all(std::vector<std::string>{"behavior", "extract", model, "--identity", base,
                                            "--out", file(name)} +
                   more);
  }
};

// A copy of a model or behavior file with something else in it.
void change(const std::string& from, const std::string& to,
            const std::function<void(SafetensorsFile&)>& f) {
  SafetensorsFile content = read_safetensors(from);
  content.metadata.erase("fingerprint");
  f(content);
  write_safetensors(to, content);
}

// One value of a tensor, and the tensor's others as they are.
void set(SafetensorsFile& content, const std::string& name, std::size_t place, float value) {
  for (Named& each : content.tensors) {
    if (each.name != name) continue;
    const std::span<const float> from = each.value.values<float>();
    std::vector<float> values(from.begin(), from.end());
    values.at(place) = value;
    each.value = Tensor::from(std::span<const float>(values), each.value.shape());
    return;
  }
  ADD_FAILURE() << "no tensor " << name;
}

double largest_difference(const Tensor& a, const Tensor& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.elements(); ++i) {
    most = std::max(most, std::abs(double{a.values<float>()[i]} - b.values<float>()[i]));
  }
  return most;
}

// PEFT's own way back: what a merge has put into the weights is taken out as a unit.
TEST(ExtractCommand, GivesBackAMergedLoraToRounding) {
  for (const std::string kind : {"mlp", "gpt", "llama"}) {
    const rbl::TemporaryFolder folder("extract");
    Zoo identity(kind);
    nn::save_model(folder / "base", *identity.model);
    const rbl::BehaviorPointer lora =
        rbl::trained(identity.ledger, *identity.model, rbl::unusual("lora"));
    const Store& theta = identity.ledger.open("merged", Role::kIdentity);
    identity.ledger.commit(copy_of(*identity.theta, theta));
    identity.ledger.commit(
        rbl::add_low_rank(theta, rbl::low_rank_of(lora->phi(), 0.1 / std::sqrt(3.0)), {}));
    const auto tuned = nn::make_network(nn::config_of(*identity.model), theta);
    nn::save_model(folder / "tuned", *tuned);
    const Tensor wanted = nn::evaluate(*tuned, identity.x);
    const double far = largest_difference(nn::evaluate(*identity.model, identity.x), wanted);
    EXPECT_GT(far, 0.1) << kind;
    const auto off = [&](const std::string& rank) {
      const nlohmann::json found =
          json_of(run_all({"behavior", "extract", folder / "tuned", "--identity", folder / "base",
                           "--rank", rank, "--out", folder / rank, "--json"}));
      EXPECT_EQ(found["sites"].size(), identity.model->sites().size());
      EXPECT_EQ(found["left_out"]["norm"], 0);
      const rbl::LoadedBehavior loaded =
          rbl::load_behavior(identity.ledger, *identity.model, folder / rank, "rank." + rank);
      return std::pair(largest_difference(rbl::outputs(identity, loaded.unit), wanted),
                       found["relative"].get<double>());
    };
    const auto [logits, relative] = off("3");
    EXPECT_LT(logits, 2e-6 * (1 + far)) << kind;
    EXPECT_LT(relative, 1e-6) << kind;
    const auto [logits_two, relative_two] = off("2");
    EXPECT_GT(logits_two, 1e3 * logits) << kind;
    EXPECT_GT(relative_two, 0.05) << kind;
  }
}

// The norms and the residual are taken from the three files alone.
TEST(ExtractCommand, SaysWhatADenseTuningLosesToTheTailOfTheSingularValues) {
  const Tuned tuned;
  const nlohmann::json found = json_of(tuned.extract("unit", {"--rank", "3", "--json"}));
  const SafetensorsFile from = read_safetensors(tuned.base), to = read_safetensors(tuned.model);
  const SafetensorsFile unit = read_safetensors(tuned.file("unit"));
  const auto difference = [&](const std::string& name, std::size_t i) {
    return double{to.at(name).values<float>()[i] - from.at(name).values<float>()[i]};
  };
  double norm = 0, residual = 0, others = 0;
  ASSERT_EQ(found["sites"].size(), 2U);
  for (const nlohmann::json& site : found["sites"]) {
    const std::string name = site["site"];
    const Tensor &a = unit.at(name + ".lora_A"), &b = unit.at(name + ".lora_B");
    const std::size_t out = b.shape()[0], in = a.shape()[1], rank = a.shape()[0];
    ASSERT_EQ(rank, 3U);
    double all = 0, lost = 0;
    for (std::size_t i = 0; i < out * in; ++i) {
      const double d = difference(name + ".weight", i);
      double product = 0;
      for (std::size_t k = 0; k < rank; ++k) {
        product +=
            double{b.values<float>()[i / in * rank + k]} * a.values<float>()[k * in + i % in];
      }
      all += d * d;
      lost += (d - product) * (d - product);
    }
    const std::vector<double> singular = site["singular"];
    ASSERT_EQ(singular.size(), std::min(in, out));
    EXPECT_TRUE(std::ranges::is_sorted(singular, std::greater()));
    double tail = 0, squares = 0;
    for (std::size_t k = 0; k < singular.size(); ++k) {
      squares += singular[k] * singular[k];
      tail += k < rank ? 0 : singular[k] * singular[k];
    }
    const double size = std::sqrt(all);
    EXPECT_NEAR(site["norm"], size, 1e-12 * size);
    EXPECT_NEAR(std::sqrt(squares), size, 1e-12 * size);
    EXPECT_NEAR(site["residual"], std::sqrt(lost), 1e-12 * size);
    EXPECT_NEAR(std::sqrt(tail), std::sqrt(lost), 1e-6 * size);  // Eckart and Young
    EXPECT_NEAR(site["relative"], std::sqrt(lost) / size, 1e-12);
    EXPECT_GT(site["relative"], 0.1);
    norm += all;
    residual += lost;
  }
  for (const std::string name : {"layer.0.bias", "layer.1.bias"}) {
    for (std::size_t i = 0; i < to.at(name).elements(); ++i) {
      others += difference(name, i) * difference(name, i);
    }
  }
  EXPECT_EQ(found["left_out"]["parameters"].size(), 2U);
  EXPECT_EQ(found["left_out"]["parameters"][0]["parameter"], "layer.0.bias");
  EXPECT_NEAR(found["left_out"]["norm"], std::sqrt(others), 1e-12);
  EXPECT_NEAR(found["norm"], std::sqrt(norm + others), 1e-12);
  EXPECT_NEAR(found["residual"], std::sqrt(residual + others), 1e-12);
  EXPECT_EQ(found["digest"], unit.metadata.at("digest"));
}

TEST(ExtractCommand, WritesAFileThatSaysWhereItComesFromAndIsAttachedLikeAny) {
  const Tuned tuned;
  const Ended ended = tuned.extract("unit", {"--rank", "4"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  const rbl::Metadata metadata = read_safetensors(tuned.file("unit")).metadata;
  const auto fingerprint = [](const std::string& model) {
    return json_of(run_all({"inspect", model, "--json"}))["fingerprint"].get<std::string>();
  };
  EXPECT_EQ(metadata.at("identity"), fingerprint(tuned.base));
  EXPECT_EQ(metadata.at("note.extract.from"), fingerprint(tuned.model));
  EXPECT_EQ(metadata.at("version"), "1");
  EXPECT_EQ(metadata.at("command"),
            "palinode behavior extract " + tuned.model + " --identity " + tuned.base + " --rank 4");
  EXPECT_EQ(metadata.at("settings"), R"({"alpha":4.0,"rank":4.0,"rank_stabilized":0.0})");
  EXPECT_TRUE(ended.out.starts_with("extracted   lora of rank 4 with 1320 values at 2 of 2 linear"))
      << ended.out;
  EXPECT_NE(ended.out.find("left out    "), std::string::npos) << ended.out;
  EXPECT_NE(ended.out.find("2 parameters that no low-rank unit holds, most in layer.0.bias\n"),
            std::string::npos);
  EXPECT_NE(ended.out.find("digest " + metadata.at("digest") + "\n"), std::string::npos);
  EXPECT_EQ(run_all({"certify", "--identity", tuned.base, "--behavior", tuned.file("unit")}).code,
            0);
  const auto loss = [&](const std::vector<std::string>& of) {
    return json_of(run_all(
        std::vector<std::string>{"eval", "--split", "validation", "--json", "--model"} +
        of))["result"]["loss"]
        .get<double>();
  };
  const double before = loss({tuned.base}), after = loss({tuned.model});
  const double with = loss({tuned.base, "--behavior", tuned.file("unit")});
  EXPECT_LT(std::abs(with - after), 0.3 * (before - after));
}

TEST(ExtractCommand, TakesTheSmallestRankThatKeepsTheEnergyAskedFor) {
  const Tuned tuned;
  const auto kept = [&](const std::string& name, const std::vector<std::string>& how) {
    const nlohmann::json found =
        json_of(tuned.extract(name, how + std::vector<std::string>{"--json"}));
    double lost = 0, all = 0;
    for (const nlohmann::json& site : found["sites"]) {
      lost += std::pow(site["residual"].get<double>(), 2);
      all += std::pow(site["norm"].get<double>(), 2);
    }
    return std::pair(found["rank"].get<int>(), 1 - lost / all);
  };
  const auto [rank, share] = kept("unit", {"--energy", "0.8"});
  EXPECT_GE(share, 0.8);
  ASSERT_GT(rank, 1);
  EXPECT_LT(kept("less", {"--rank", std::to_string(rank - 1)}).second, 0.8);
  // All of it is as many as there are; pixels that are blank in every image have no difference.
  const nlohmann::json all = json_of(tuned.extract("all", {"--energy", "1", "--json"}));
  const std::vector<double> singular = all["sites"][0]["singular"];
  EXPECT_EQ(all["rank"], std::ranges::count_if(singular, [](double value) { return value > 0; }));
  EXPECT_GT(all["rank"], 50);
  EXPECT_TRUE(read_safetensors(tuned.file("all")).metadata.at("command").ends_with("--energy 1"));
}

TEST(ExtractCommand, TakesADenseBehaviorAsTheDifference) {
  const DigitsModel digits;
  ASSERT_EQ(digits.adapt("dense", {"--kind", "dense", "--steps", "10"}).code, 0);
  ASSERT_EQ(digits.adapt("bias", {"--kind", "bias", "--steps", "1"}).code, 0);
  const std::vector<std::string> to = {"--identity", digits.model,        "--rank", "2",
                                       "--out",      digits.file("unit"), "--json"};
  const nlohmann::json found =
      json_of(run_all(std::vector<std::string>{"behavior", "extract", digits.file("dense")} + to +
                      std::vector<std::string>{"--probes", "50"}));
  const rbl::Metadata dense = read_safetensors(digits.file("dense")).metadata;
  EXPECT_EQ(found["tuned"], dense.at("digest"));
  EXPECT_EQ(read_safetensors(digits.file("unit")).metadata.at("note.extract.from"),
            dense.at("digest"));
  EXPECT_GT(found["probes"]["kl"], 0);
  EXPECT_LT(found["probes"]["kl"], found["probes"]["kl_without"]);
  const std::vector<std::string> again = to + std::vector<std::string>{"--overwrite"};
  expect_one_line(
      run_all(std::vector<std::string>{"behavior", "extract", digits.file("bias")} + again), 2,
      "bias: expected a model or a dense behavior, got a bias");
  ASSERT_EQ(run_all({"train", "digits_mlp", "--quiet", "--out", digits.file("other"), "--set",
                     "train.steps=1", "--ledger", "off"})
                .code,
            0);
  std::vector<std::string> other = again;
  other[1] = digits.file("other/model.safetensors");
  expect_one_line(
      run_all(std::vector<std::string>{"behavior", "extract", digits.file("dense")} + other), 3,
      "was made for the identity ");
}

// KL(tuned || it), which the library gives of the files by themselves.
TEST(ExtractCommand, TellsHowFarTheOutputsAreFromTheTunedModels) {
  const Tuned tuned;
  const nlohmann::json found =
      json_of(tuned.extract("unit", {"--rank", "2", "--probes", "60", "--json"}))["probes"];
  EXPECT_EQ(found["probes"], 60);
  EXPECT_EQ(found["data"], "digits");
  EXPECT_EQ(found["same_bits_contract"], true);
  const train::TrainedModel base = train::load_trained(tuned.base);
  const train::TrainedModel to = train::load_trained(tuned.model);
  const BehaviorStack stack(base, {.files = {tuned.file("unit")}});
  const Tensor x = probes_of(base, 0, 60);
  const auto log_p = [&](const nn::Model& function) {
    return rbl::log_probabilities(nn::evaluate(function, x));
  };
  const Tensor wanted = log_p(*to.network);
  EXPECT_EQ(found["kl"], rbl::kl_divergence(wanted, log_p(stack.function())).mean);
  EXPECT_EQ(found["kl_without"], rbl::kl_divergence(wanted, log_p(*base.network)).mean);
  EXPECT_LT(found["kl"], found["kl_without"]);
  expect_one_line(tuned.extract("x", {"--rank", "2", "--probes", "9", "--data", "nothing"}), 2,
                  "nothing");
  expect_one_line(tuned.extract("x", {"--rank", "2", "--data", "digits"}), 2, "--probes");
  EXPECT_FALSE(std::filesystem::exists(tuned.file("x")));
}

TEST(ExtractCommand, GivesTheSameBytesWhateverComputesThem) {
  const Tuned tuned;
  const auto made = [&](const std::vector<std::string>& how) {
    const Ended ended =
        tuned.extract("unit", how + std::vector<std::string>{"--energy", "0.7", "--probes", "40",
                                                             "--json", "--overwrite"});
    EXPECT_EQ(ended.code, 0) << ended.err;
    return std::pair(ended.out, read(tuned.file("unit")));
  };
  const auto one = made({"--threads", "1", "--simd", "scalar"});
  EXPECT_EQ(made({"--threads", "2"}), one);
  EXPECT_EQ(made({"--threads", "3"}), one);
}

TEST(ExtractCommand, RefusesModelsThatDifferInMoreThanTheirWeights) {
  const rbl::TemporaryFolder folder("extract_refused");
  const auto saved = [&](const std::string& name, const nn::Network& network) {
    nn::save_model(folder / name, network);
    return folder / name;
  };
  const Zoo mlp("mlp", 1), wide("mlp", 2, Dtype::kF64), gpt("gpt", 1);
  const std::string base = saved("mlp", *mlp.model), text = saved("gpt", *gpt.model);
  const auto refused = [&](const std::string& tuned, const std::string& identity,
                           const std::string& why) {
    const Ended ended = run_all({"behavior", "extract", tuned, "--identity", identity, "--rank",
                                 "1", "--out", folder / "unit"});
    expect_one_line(ended, 2, why);
    EXPECT_FALSE(std::filesystem::exists(folder / "unit"));
  };
  refused(text, base, text + ": model gpt, where " + base + " has mlp\n");
  refused(saved("f64", *wide.model), base, ": values f64, where " + base + " has f32\n");
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const nn::Mlp other(theta, {.sizes = {5, 6, 3}});
  ledger.commit(other.init(Rng(1)));
  refused(saved("sizes", other), base, ": sizes [5,6,3], where " + base + " has [5,7,3]\n");
  change(text, folder / "heads", [](SafetensorsFile& file) {
    std::string& config = file.metadata.at("config");
    config.replace(config.find("\"heads\":2"), 9, "\"heads\":4");
  });
  refused(folder / "heads", text, ": heads 4, where " + text + " has 2\n");
  change(text, folder / "words", [](SafetensorsFile& file) {
    file.metadata[train::kTokenizerKey] = all_bytes_tokenizer().to_json();
  });
  refused(folder / "words", text, ": reads its text with another tokenizer than " + text + "\n");
  // What is a matter of training alone is none of it.
  change(text, folder / "dropout", [](SafetensorsFile& file) {
    std::string& config = file.metadata.at("config");
    config.replace(config.find("\"dropout\":0.0"), 13, "\"dropout\":0.5");
    set(file, "head.weight", 0, 2);
  });
  const Ended ended = run_all({"behavior", "extract", folder / "dropout", "--identity", text,
                               "--rank", "1", "--out", folder / "unit"});
  EXPECT_EQ(ended.code, 0) << ended.err;
}

TEST(ExtractCommand, RefusesWhatCannotBeMeant) {
  const Tuned tuned;
  const auto refused = [&](const std::vector<std::string>& more, int code, const std::string& why) {
    expect_one_line(tuned.extract("unit", more), code, why);
    EXPECT_FALSE(std::filesystem::exists(tuned.file("unit")));
  };
  refused({}, 2, "extract: expected --rank R or --energy SHARE");
  refused({"--rank", "0"}, 2, "--rank: Value 0 not in range");
  refused({"--rank", "65"}, 2, "--rank 65: no layer that differs has a rank above 64");
  refused({"--rank", "1", "--energy", "0.5"}, 2, "--rank excludes --energy");
  for (const std::string share : {"0", "1.01", "-1", "nan"}) {
    refused({"--energy", share}, 2, "expected a share above 0 and up to 1");
  }
  expect_one_line(run_all({"behavior", "extract", "/nowhere", "--identity", tuned.base, "--rank",
                           "1", "--out", tuned.file("unit")}),
                  3, "/nowhere");
  ASSERT_EQ(tuned.extract("unit", {"--rank", "1"}).code, 0);
  const std::string before = read(tuned.file("unit"));
  expect_one_line(tuned.extract("unit", {"--rank", "2"}), 2, "is there already; --overwrite");
  EXPECT_EQ(read(tuned.file("unit")), before);
  ASSERT_EQ(tuned.extract("unit", {"--rank", "2", "--overwrite"}).code, 0);
  EXPECT_NE(read(tuned.file("unit")), before);
  for (const std::string name : {"run/model.safetensors", "base/model.safetensors"}) {
    const std::string model = read(tuned.file(name));
    expect_one_line(tuned.extract(name, {"--rank", "1", "--overwrite"}), 2, ": is what is read");
    EXPECT_EQ(read(tuned.file(name)), model);
  }
}

TEST(ExtractCommand, EndsWithOneWhereThereIsNothingToExtractOrNothingFinite) {
  const DigitsModel digits;
  const auto of = [&](const std::function<void(SafetensorsFile&)>& f) {
    change(digits.model, digits.file("tuned"), f);
    const Ended ended = run_all({"behavior", "extract", digits.file("tuned"), "--identity",
                                 digits.model, "--rank", "1", "--out", digits.file("unit")});
    EXPECT_FALSE(std::filesystem::exists(digits.file("unit")));
    return ended;
  };
  expect_one_line(of([](SafetensorsFile&) {}), 1,
                  "extract: no weight differs, so there is nothing to extract\n");
  expect_one_line(of([](SafetensorsFile& file) { set(file, "layer.1.bias", 4, 9); }), 1,
                  "extract: no linear layer differs; layer.1.bias does, by ");
  for (const auto& [value, name] :
       {std::pair(std::numeric_limits<float>::infinity(), "inf"), {NAN, "nan"}}) {
    expect_one_line(
        of([value = value](SafetensorsFile& file) { set(file, "layer.0.weight", 3, value); }), 1,
        std::string("extract: the difference of layer.0.weight f32 [64, 128] is ") + name +
            " at element 384\n");
  }
}

// Statistics of BatchNorm belong to the identity: no behavior moves them.
TEST(ExtractCommand, SaysHowFarStatisticsAreApart) {
  const rbl::TemporaryFolder folder("extract_statistics");
  const Zoo cnn("cnn_norm");
  nn::save_model(folder / "base", *cnn.model);
  change(folder / "base", folder / "tuned", [](SafetensorsFile& file) {
    file.metadata.erase("buffers_fingerprint");
    set(file, "block.0.norm.running_mean", 1, 3);
    set(file, "block.0.conv.weight", 0, 5);
    set(file, "layer.0.weight", 0, 5);
  });
  const std::vector<std::string> extract = {"behavior",      "extract", folder / "tuned",
                                            "--rank",        "1",       "--identity",
                                            folder / "base", "--out",   folder / "unit"};
  const Ended ended = run_all(extract);
  EXPECT_NE(ended.out.find("statistics  3 apart; they stay the identity's\n"), std::string::npos)
      << ended.out << ended.err;
  const nlohmann::json found =
      json_of(run_all(extract + std::vector<std::string>{"--overwrite", "--json"}));
  EXPECT_EQ(found["statistics"], 3);
  EXPECT_EQ(found["sites"].size(), 1U);
  EXPECT_EQ(found["left_out"]["parameters"][0]["parameter"], "block.0.conv.weight");
}

TEST(ExtractCommand, HelpHasExamples) {
  const Ended ended = run({"behavior", "extract", "--help"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_NE(ended.out.find("  palinode behavior extract dense.safetensors --identity "),
            std::string::npos);
  EXPECT_NE(ended.out.find("Exit codes: 0 done, 1 nothing to extract, or a difference that is not"),
            std::string::npos);
}

}  // namespace
}  // namespace palinode::experiments
