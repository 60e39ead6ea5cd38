// PEFT's folders: against adapters that were made and computed without Palinode
// (tests/golden/make_peft.py), and round trips.
#include "rbl/peft.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "nn/model_file.h"
#include "rbl/peft_config.h"
#include "tensor/file.h"
#include "tests/rbl/trained.h"
#include "tests/support/golden.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

using zoo::Zoo;

const std::string kRoot = golden::path("peft/");

struct Base {
  Ledger ledger;
  nn::LoadedModel model;
  explicit Base(const std::string& name)
      : model(nn::load_model(ledger, kRoot + name + ".safetensors")) {
    ledger.freeze(*model.store);
  }
};

struct Golden {
  std::string adapter, base, names, kind;
  double rank;
};
const std::vector<Golden> kGolden = {
    {"own_rslora", "gpt", "own", "lora", 2},       {"gpt2_lora", "gpt", "gpt2", "lora", 4},
    {"gpt2_dora", "gpt", "gpt2", "dora", 2},       {"llama_lora", "llama", "llama", "lora", 8},
    {"llama_rslora", "llama", "llama", "lora", 9}, {"llama_dora", "llama", "llama", "dora", 2}};

TEST(Peft, ComputesWhatTheFormulasOfThePapersGive) {
  const SafetensorsFile expected = golden::read("peft/expected.safetensors");
  for (const Golden& each : kGolden) {
    Base base(each.base);
    const nn::Network& identity = *base.model.network;
    const Tensor& tokens = expected.at("tokens");
    const Tensor plain = nn::evaluate(identity, tokens);
    golden::expect_near(plain, expected.at(each.base), 1e-12, each.base);
    const LoadedBehavior loaded =
        load_peft(base.ledger, identity, kRoot + each.adapter, "phi", peft_names(each.names));
    EXPECT_EQ(loaded.unit->kind(), each.kind);
    EXPECT_EQ(loaded.unit->config().settings.at("rank"), each.rank) << each.adapter;
    const Tensor got = nn::evaluate(attach(identity, loaded.unit), tokens);
    golden::expect_near(got, expected.at(each.adapter), 1e-12, each.adapter);
    EXPECT_FALSE(same_bits(got, plain));
    EXPECT_TRUE(same_bits(nn::evaluate(identity, tokens), plain));
  }
}

// PEFT's own values come out again as they went in.
TEST(Peft, WritesBackTheBitsItRead) {
  const TemporaryFolder folder("peft_back");
  Base base("gpt");
  const LoadedBehavior loaded =
      load_peft(base.ledger, *base.model.network, kRoot + "own_rslora", "phi");
  save_peft(folder.path(), *loaded.unit, loaded.record);
  const SafetensorsFile theirs = read_safetensors(kRoot + "own_rslora/adapter_model.safetensors");
  const SafetensorsFile ours = read_safetensors(folder / "adapter_model.safetensors");
  ASSERT_EQ(ours.tensors.size(), theirs.tensors.size());
  for (const Named& each : theirs.tensors) {
    EXPECT_TRUE(same_bits(each.value, ours.at(each.name))) << each.name;
  }
  const auto json = [](const std::string& path) {
    return nlohmann::json::parse(read_file(path, 100000));
  };
  const nlohmann::json before = json(kRoot + "own_rslora/adapter_config.json");
  const nlohmann::json after = json(folder / "adapter_config.json");
  for (const char* field : {"r", "lora_alpha", "use_rslora", "use_dora", "peft_type", "bias",
                            "base_model_name_or_path", "lora_dropout", "task_type", "revision"}) {
    EXPECT_EQ(after.at(field), before.at(field)) << field;
  }
}

TEST(Peft, GivesBackTrainedUnitsToTheBit) {
  const TemporaryFolder folder("peft_trip");
  for (const std::string model : {"mlp", "cnn", "gpt", "gpt_tied", "llama"}) {
    for (const Dtype dtype : {Dtype::kF32, Dtype::kF64}) {
      for (const double stabilized : {0.0, 1.0}) {
        Zoo identity(model, 1, dtype);
        BehaviorConfig config = unusual("lora");
        config.settings["rank_stabilized"] = stabilized;
        const BehaviorPointer unit = trained(identity.ledger, *identity.model, config);
        save_peft(folder.path(), *unit, record_of(*identity.model));
        const LoadedBehavior loaded = load_peft(identity.ledger, *identity.model, folder.path());
        EXPECT_EQ(loaded.unit->key(), unit->key());
        EXPECT_TRUE(same_bits(outputs(identity, loaded.unit), outputs(identity, unit)));
      }
    }
  }
}

// The difference d may change in its last bits, what is computed with it does not.
TEST(Peft, GivesBackTheFunctionOfADora) {
  const TemporaryFolder folder("peft_dora");
  for (const std::string model : {"mlp", "cnn", "gpt", "llama"}) {
    for (const Dtype dtype : {Dtype::kF32, Dtype::kF64}) {
      Zoo identity(model, 1, dtype);
      const BehaviorPointer unit = trained(identity.ledger, *identity.model, unusual("dora"));
      save_peft(folder.path(), *unit, record_of(*identity.model));
      const LoadedBehavior loaded = load_peft(identity.ledger, *identity.model, folder.path());
      EXPECT_EQ(loaded.record.notes.at("peft.magnitude_error"), "0");
      EXPECT_TRUE(same_bits(outputs(identity, loaded.unit), outputs(identity, unit)));
    }
  }
}

TEST(Peft, SaysHowFarAMagnitudeIsOffThatNoDifferenceGives) {
  const TemporaryFolder folder("peft_off");
  Zoo identity("mlp");
  const BehaviorPointer unit = trained(identity.ledger, *identity.model, unusual("dora"));
  save_peft(folder.path(), *unit, record_of(*identity.model));
  SafetensorsFile content = read_safetensors(folder / "adapter_model.safetensors");
  for (Named& each : content.tensors) {
    if (!each.name.ends_with("magnitude_vector")) continue;
    each.value = Tensor::full<float>(each.value.shape(), 1e-6F / 3);
  }
  write_safetensors(folder / "adapter_model.safetensors", content);
  const double error = read_peft(folder.path(), *identity.model).magnitude_error;
  EXPECT_GT(error, 0);
  EXPECT_LT(error, 2e-7);
}

TEST(Peft, WidensSixteenBitsAndSaysSo) {
  const TemporaryFolder folder("peft_half");
  Zoo identity("mlp");
  const BehaviorPointer unit = trained(identity.ledger, *identity.model, unusual("lora"));
  save_peft(folder.path(), *unit, record_of(*identity.model));
  SafetensorsFile content = read_safetensors(folder / "adapter_model.safetensors");
  for (Named& each : content.tensors) each.value = each.value.to(Dtype::kBf16);
  write_safetensors(folder / "adapter_model.safetensors", content);
  const PeftAdapter adapter = read_peft(folder.path(), *identity.model);
  EXPECT_EQ(adapter.notes.at("peft.dtype"), "bf16");
  const Tensor& narrow = content.at("base_model.model.layer.0.lora_A.weight");
  EXPECT_TRUE(
      same_bits(adapter.values.at("layer.0.lora_A"), narrow.to(Dtype::kF32).transpose().compact()));
}

TEST(Peft, RefusesAnotherIdentityThanTheOneItWasWrittenFor) {
  const TemporaryFolder folder("peft_other");
  Zoo first("mlp", 1), second("mlp", 2);
  save_peft(folder.path(), *trained(first.ledger, *first.model, unusual("lora")),
            record_of(*first.model));
  EXPECT_THROW(load_peft(second.ledger, *second.model, folder.path()), FormatError);
  const LoadedBehavior forced = load_peft(second.ledger, *second.model, folder.path(), "phi",
                                          PeftNames::kOwn, OtherIdentity::kForce);
  EXPECT_TRUE(forced.forced);
  EXPECT_EQ(forced.record.forced_onto, hex(fingerprint(*second.theta)));
}

TEST(Peft, ExportsNoOtherKind) {
  Zoo identity("mlp");
  const BehaviorPointer unit = trained(identity.ledger, *identity.model, unusual("bias"));
  EXPECT_MESSAGE(save_peft("/nowhere", *unit, record_of(*identity.model)), NameError,
                 "PEFT: a bias has no form there that this writes; lora and dora do");
}

// -------------------------------------------------------------------------------------------------

TEST(PeftConfig, RefusesByNameWhatItCannotRepresent) {
  const auto refused = [](const char* fields, const std::string& why) {
    const std::string json = std::string(R"({"peft_type":"LORA","r":2)") + fields + "}";
    EXPECT_MESSAGE(parse_peft_config(json, "file"), FormatError, "file: " + why);
  };
  refused(R"(,"bias":"lora_only")",
          "bias = \"lora_only\" is not supported: it puts new biases in place of the base model's; "
          "a behavior of kind bias holds differences");
  refused(R"(,"modules_to_save":["lm_head"])",
          "modules_to_save = [\"lm_head\"] is not supported: it puts whole modules in place of the "
          "base model's");
  for (const char* init : {"pissa", "pissa_niter_4", "olora", "corda", "loftq", "lora_ga"}) {
    refused((std::string(R"(,"init_lora_weights":")") + init + "\"").c_str(),
            std::string("init_lora_weights = \"") + init +
                "\" is not supported: such a start rewrites the base model's weights, and the "
                "adapter is good for those only; convert it to plain LoRA");
  }
  refused(R"(,"layer_replication":[[0,4]])", "\"layer_replication\" = [[0,4]] is not supported");
  refused(R"(,"trainable_token_indices":[1])",
          "\"trainable_token_indices\" = [1] is not supported");
  refused(R"(,"lora_bias":true)", "\"lora_bias\" = true is not supported");
  refused(R"(,"use_qalora":true)", "\"use_qalora\" = true is not supported");
  refused(R"(,"something_new":3)", "\"something_new\" = 3 is not supported");
  refused(R"(,"r":4)", "\"r\" is there twice");
  refused(R"(,"lora_alpha":-1)", "lora_alpha: expected a number from 0 to 1e9, got -1");
  refused(R"(,"rank_pattern":{".*q_proj":4})",
          "rank_pattern: \".*q_proj\" is an expression; only names are supported");
  EXPECT_MESSAGE(parse_peft_config(R"({"peft_type":"IA3"})", "file"), FormatError,
                 "file: peft_type: expected \"LORA\", got \"IA3\"");
  EXPECT_MESSAGE(parse_peft_config("[1]", "file"), FormatError, "file: not a JSON object");
}

TEST(PeftConfig, TakesPatternsAndLayersAsPeftDoes) {
  const PeftConfig config = parse_peft_config(
      R"({"peft_type":"LORA","r":8,"lora_alpha":16,"target_modules":["q_proj","v_proj"],
          "exclude_modules":["layers.2.self_attn.q_proj"],"layers_to_transform":[1,2],
          "rank_pattern":{"v_proj":4,"^model.layers.1.self_attn.v_proj":2}})",
      "file");
  EXPECT_EQ(config.rank_of("model.layers.1.self_attn.v_proj"), 4U);  // the first that fits
  EXPECT_EQ(config.rank_of("model.layers.1.self_attn.my_v_proj"), 8U);
  EXPECT_TRUE(config.adapts("model.layers.1.self_attn.q_proj"));
  EXPECT_FALSE(config.adapts("model.layers.0.self_attn.q_proj"));
  EXPECT_FALSE(config.adapts("model.layers.2.self_attn.q_proj"));
  EXPECT_TRUE(config.adapts("model.layers.2.self_attn.v_proj"));
  EXPECT_FALSE(config.adapts("model.layers.1.self_attn.o_proj"));
}

struct Folder {
  TemporaryFolder folder{"peft_bad"};
  Zoo identity{"mlp"};
  SafetensorsFile content;
  nlohmann::json config;

  Folder() {
    save_peft(folder.path(), *trained(identity.ledger, *identity.model, unusual("lora")),
              record_of(*identity.model));
    content = read_safetensors(folder / "adapter_model.safetensors");
    config = nlohmann::json::parse(read_file(folder / "adapter_config.json", 100000));
  }
  void expect_refused(const std::string& why) {
    write_safetensors(folder / "adapter_model.safetensors", content);
    write_file_atomically(folder / "adapter_config.json", config.dump());
    EXPECT_MESSAGE(read_peft(folder.path(), *identity.model), FormatError,
                   "PEFT: " + (folder / "adapter_model.safetensors") + ": " + why);
  }
};

TEST(Peft, RefusesATensorThatIsMissingExtraOrOfAnotherShape) {
  {
    Folder bad;
    bad.content.tensors.erase(bad.content.tensors.begin());
    bad.expect_refused("no tensor base_model.model.layer.0.lora_A.weight");
  }
  {
    Folder bad;
    bad.config["r"] = 4;
    bad.expect_refused("base_model.model.layer.0.lora_A.weight is f32 [3, 5], expected f32 [4, 5]");
  }
  {
    Folder bad;
    bad.config["target_modules"] = {"layer.1"};
    bad.expect_refused(
        "\"base_model.model.layer.0.lora_A.weight\": no module that its config names");
  }
  for (const auto& [name, why] : std::vector<std::pair<std::string, std::string>>{
           {"base_model.model.layer.0.base_layer.bias", "a bias"},
           {"base_model.model.layer.0.modules_to_save.weight", "a whole module"},
           {"base_model.model.token.lora_embedding_A", "adapts an embedding"},
           {"base_model.model.layer.7.lora_A.weight", "the identity has no such module"},
           {"lora", "the identity has no such module"},
           {"weight", "the identity has no such module"},
           {"..", "the identity has no such module"},
           {"base_model.model.lora_A.weight.lora_A.weight", "the identity has no such module"}}) {
    Folder bad;
    bad.content.tensors.push_back({name, Tensor::full<float>({2}, 1)});
    std::string quoted = "\"";
    quoted += name + "\": " + why;
    bad.expect_refused(quoted);
  }
}

}  // namespace
}  // namespace palinode::rbl
