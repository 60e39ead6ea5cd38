// Behavior files: what is written comes back to the bit, and anything else is refused whole.
#include "rbl/behavior_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "tensor/file.h"
#include "tests/rbl/trained.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

using zoo::Zoo;

struct Saved {
  Zoo identity{"gpt"};
  BehaviorPointer unit = trained(identity.ledger, *identity.model, unusual("lora"));
  SafetensorsFile content = behavior_content(*unit, record_of(*identity.model));

  LoadedBehavior load(const SafetensorsFile& changed, OtherIdentity other = OtherIdentity::kRefuse,
                      const std::string& name = "phi") {
    return load_behavior(identity.ledger, *identity.model, changed, "unit", name, other);
  }

  // What loading says of the content after `change`, which also brings the manifest up to date.
  void expect_refused(const std::function<void(SafetensorsFile&)>& change, const std::string& why) {
    SafetensorsFile changed = content;
    change(changed);
    changed.metadata[kManifest] = manifest_digest(changed.metadata);
    const std::size_t stores = identity.ledger.stores().size();
    const std::uint64_t records = identity.ledger.sequence();
    EXPECT_MESSAGE(load(changed), FormatError, "behavior file: unit: " + why);
    EXPECT_EQ(identity.ledger.stores().size(), stores);
    EXPECT_EQ(identity.ledger.sequence(), records);
  }
};

TEST(BehaviorFile, BringsBackEveryKindOnEveryModelToTheBit) {
  const TemporaryFolder folder("behavior_file");
  for (const std::string& model : zoo::kModels) {
    for (const Dtype dtype : {Dtype::kF32, Dtype::kF64}) {
      Zoo identity(model, 3, dtype);
      for (const BehaviorKind& kind : behavior_kinds()) {
        if (kind.sites(*identity.model).empty()) continue;
        const std::string name(kind.name);
        const BehaviorPointer unit =
            trained(identity.ledger, *identity.model, unusual(name), "first." + name);
        save_behavior(folder / "unit", *unit, record_of(*identity.model));
        const LoadedBehavior loaded =
            load_behavior(identity.ledger, *identity.model, folder / "unit", "again." + name);
        EXPECT_EQ(loaded.unit->key(), unit->key());
        EXPECT_EQ(loaded.unit->config().settings, unit->config().settings);
        EXPECT_EQ(fingerprint(loaded.unit->phi()), fingerprint(unit->phi()));
        EXPECT_TRUE(same_bits(outputs(identity, loaded.unit), outputs(identity, unit)));
      }
    }
  }
}

TEST(BehaviorFile, KeepsWhereItComesFrom) {
  Saved saved;
  BehaviorRecord record = record_of(*saved.identity.model);
  record.version = "2";
  record.parent = hex(fingerprint(saved.unit->phi()));
  record.command = "palinode adapt \"x\"\n";
  record.seed = "7";
  record.data_digest = "d";
  record.code_version = "0.1.0";
  record.notes = {{"author", "\xC3\xBC"}};
  const BehaviorRecord back = saved.load(behavior_content(*saved.unit, record)).record;
  EXPECT_EQ(back.identity, record.identity);
  EXPECT_EQ(back.version, record.version);
  EXPECT_EQ(back.parent, record.parent);
  EXPECT_EQ(back.command, record.command);
  EXPECT_EQ(back.seed, record.seed);
  EXPECT_EQ(back.data_digest, record.data_digest);
  EXPECT_EQ(back.code_version, record.code_version);
  EXPECT_EQ(back.notes, record.notes);
}

TEST(BehaviorFile, HasTheSameBytesForTheSameUnit) {
  Saved saved;
  const SafetensorsFile again = behavior_content(*saved.unit, record_of(*saved.identity.model));
  EXPECT_EQ(safetensors_bytes(saved.content, "a"), safetensors_bytes(again, "b"));
}

TEST(BehaviorFile, HoldsLowRankFactorsAsPeftDoes) {
  Saved saved;
  EXPECT_EQ(saved.content.at("block.0.attn.qkv.lora_A").shape(), Shape({3, 8}));
  EXPECT_EQ(saved.content.at("block.0.attn.qkv.lora_B").shape(), Shape({24, 3}));
}

TEST(BehaviorFile, LoadsThroughTheDoorWithItsReason) {
  Saved saved;
  const std::uint64_t before = saved.identity.ledger.sequence();
  const LoadedBehavior loaded = saved.load(saved.content);
  EXPECT_EQ(saved.identity.ledger.sequence(), before + loaded.unit->parameters().size());
  EXPECT_THROW(saved.load(saved.content), NameError);  // the store is there already
}

TEST(BehaviorFile, RefusesWhatItsMetadataDoNotSay) {
  Saved saved;
  const auto set = [](const char* key, const char* value) {
    return [=](SafetensorsFile& file) { file.metadata[key] = value; };
  };
  const auto drop = [](const char* key) {
    return [=](SafetensorsFile& file) { file.metadata.erase(key); };
  };
  saved.expect_refused(set("format", "palinode"),
                       "its metadata has no format \"palinode-behavior\"");
  saved.expect_refused(drop("kind"), "its metadata has no kind");
  saved.expect_refused(drop("settings"), "its metadata has no settings");
  saved.expect_refused(drop("digest"), "its metadata has no digest");
  saved.expect_refused(set("format_version", "2"),
                       "of version \"2\"; this program reads version 1");
  saved.expect_refused(set("kind", "lo\nra"), "unknown kind \"lo\\nra\"");
  saved.expect_refused(set("rank", "4"), "unknown metadata \"rank\"");
  saved.expect_refused(set("identity", "00"), "identity: expected 64 hex digits");
  saved.expect_refused(set("settings", R"({"alpha":0.1,"rank":3.0})"),
                       "no setting rank_stabilized");
  saved.expect_refused(set("settings", R"({"alpha":0.1,"gain":2.0})"),
                       "unknown setting \"gain\" of lora");
  saved.expect_refused(set("settings", R"({"alpha":"0.1","rank":3.0,"rank_stabilized":1.0})"),
                       "settings: alpha: expected a number");
  saved.expect_refused(set("settings", R"({"alpha":0.1,"rank":2.5,"rank_stabilized":1.0})"),
                       "lora: rank is a whole number from 1 to 65536, got 2.5");
  saved.expect_refused(
      set("settings", R"({"alpha":0.1,"alpha":9.0,"rank":3.0,"rank_stabilized":1.0})"),
      "settings: expected JSON in its shortest form, got "
      R"("{\"alpha\":0.1,\"alpha\":9.0,\"rank\":3.0,\"rank_stabilized\":1.0}")");
  saved.expect_refused(set("sites", R"(["head","head"])"), "lora: the site head is named twice");
  saved.expect_refused(set("sites", R"(["block.9.attn.qkv"])"),
                       "the identity has no site \"block.9.attn.qkv\" for lora");
  saved.expect_refused(set("sites", "[]"), "sites: expected a list of names");
  saved.expect_refused(set("dtype", "f64"), "its values are \"f64\", those of the identity f32");
}

TEST(BehaviorFile, RefusesMetadataThatWereAltered) {
  Saved saved;
  SafetensorsFile changed = saved.content;
  std::string& settings = changed.metadata["settings"];
  settings.replace(settings.find("0.1"), 3, "0.2");
  EXPECT_THROW(saved.load(changed), FormatError);
  changed.metadata[kManifest] = manifest_digest(changed.metadata);
  EXPECT_EQ(saved.load(changed).unit->config().settings.at("alpha"), 0.2);
}

TEST(BehaviorFile, CarriesASignatureOfAllThatItSays) {
  Saved saved;
  EXPECT_EQ(signer(saved.content.metadata, "unit"), std::nullopt);
  const KeyPair keys = KeyPair::from_seed({7});
  SafetensorsFile signed_file = saved.content;
  sign(signed_file.metadata, keys);
  EXPECT_EQ(manifest(signed_file.metadata), manifest(saved.content.metadata));
  EXPECT_EQ(signer(saved.load(signed_file).metadata, "unit"), keys.public_key());
}

TEST(BehaviorFile, RefusesASignatureThatIsNotOfItsContent) {
  Saved saved;
  SafetensorsFile signed_file = saved.content;
  sign(signed_file.metadata, KeyPair::from_seed({7}));
  SafetensorsFile changed = signed_file;
  changed.metadata["version"] = "9";
  changed.metadata[kManifest] = manifest_digest(changed.metadata);
  EXPECT_THROW(saved.load(changed), FormatError);
  changed = signed_file;
  changed.metadata[kPublicKey] = hex(KeyPair::from_seed({8}).public_key());
  EXPECT_THROW(saved.load(changed), FormatError);
  for (const char* key : {kSignature, kPublicKey}) {
    changed = signed_file;
    changed.metadata.erase(key);
    EXPECT_MESSAGE(signer(changed.metadata, "unit"), FormatError,
                   "unit: a signature is there with its public key, or neither");
    changed = signed_file;
    changed.metadata[key] = "aa";
    EXPECT_THROW(saved.load(changed), FormatError);
  }
}

TEST(Manifest, HasOneReadingWhateverTheValuesHold) {
  EXPECT_EQ(manifest({{"a", "1\nb 1\n2"}}), "palinode behavior manifest 1\na 7\n1\nb 1\n2\n");
  EXPECT_NE(manifest({{"a", "1\nb 1\n2"}}), manifest({{"a", "1"}, {"b", "2"}}));
}

TEST(BehaviorFile, RefusesEveryFlippedByteOrLoadsTheSameUnit) {
  Saved saved;
  const std::string bytes = safetensors_bytes(saved.content, "unit");
  const Sha256Digest key = saved.unit->key();
  std::size_t refused = 0, harmless = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 1 + i / 700) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    Ledger ledger(Ledger::Level::kOff);
    try {
      const LoadedBehavior loaded =
          load_behavior(ledger, *saved.identity.model, parse_safetensors(flipped, "unit"), "unit",
                        "phi", OtherIdentity::kRefuse);
      EXPECT_EQ(loaded.unit->key(), key) << "byte " << i;
      ++harmless;
    } catch (const FormatError&) {
      EXPECT_TRUE(ledger.stores().empty());
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000U);
  EXPECT_LT(harmless, 8U);  // spaces that pad the header
}

}  // namespace
}  // namespace palinode::rbl
