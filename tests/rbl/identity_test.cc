#include "rbl/identity.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

#include "nn/cnn.h"
#include "nn/gpt.h"
#include "tensor/error.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

const nn::CnnConfig kCnn = {.height = 4,
                            .width = 4,
                            .blocks = {{2, 3, 2}, {3, 3, 1}},
                            .hidden = {5},
                            .classes = 3,
                            .batch_norm = true};

// A convolutional identity: parameters and buffers.
struct IdentityTest : testing::Test {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& buffers = ledger.open("buffers", Role::kBuffer);
  nn::Cnn model{theta, buffers, kCnn};

  IdentityTest() { ledger.commit(model.init(Rng(1))); }
};

// Opens the pages a tensor lies in, which works only where they are not sealed, and changes a bit.
void tamper(const Tensor& tensor) {
  const auto place = reinterpret_cast<std::uintptr_t>(tensor.values<float>().data());
  const auto size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  void* const page = reinterpret_cast<void*>(place / size * size);
  ASSERT_EQ(::mprotect(page, size, PROT_READ | PROT_WRITE), 0);
  auto* const byte = reinterpret_cast<volatile std::uint8_t*>(place);
  *byte = static_cast<std::uint8_t>(*byte ^ 1U);
  ASSERT_EQ(::mprotect(page, size, PROT_READ), 0);
}

// A network that is nothing but its stores and ties.
class Bare : public nn::Network {
 public:
  Bare(const Store& store, const Store* buffers, nn::Ties ties)
      : store_(&store), buffers_(buffers), ties_(std::move(ties)) {}
  Var forward(nn::Run&, Var x) const override { return x; }
  std::string_view kind() const override { return "bare"; }
  nn::Parameters parameters() const override { return {}; }
  std::vector<std::string> sites() const override { return {}; }
  const Store& store() const override { return *store_; }
  const Store* buffers() const override { return buffers_; }
  nn::Ties ties() const override { return ties_; }

 private:
  const Store* store_;
  const Store* buffers_;
  nn::Ties ties_;
};

// The root of an identity of one parameter, perhaps a buffer, and ties.
Sha256Digest root_of(const char* name, const Tensor& value, const Tensor* buffer = nullptr,
                     const nn::Ties& ties = {}) {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& buffers = ledger.open("buffers", Role::kBuffer);
  ledger.commit({.proposer = "test", .writes = {{&theta, name, value, true}}});
  if (buffer != nullptr) {
    ledger.commit({.proposer = "test", .writes = {{&buffers, "b", *buffer, true}}});
  }
  return Identity::freeze(ledger, Bare(theta, buffer == nullptr ? nullptr : &buffers, ties)).root();
}

TEST_F(IdentityTest, FreezesParametersAndBuffersTogether) {
  const Identity identity = Identity::freeze(ledger, model);
  EXPECT_TRUE(theta.frozen());
  EXPECT_TRUE(buffers.frozen());
  EXPECT_EQ(identity.guard(), Guard::kSealed);
  EXPECT_EQ(Identity::freeze(ledger, model).root(), identity.root());
  EXPECT_EQ(Identity(model).root(), identity.root());
  identity.check();
}

TEST_F(IdentityTest, TellsWhichGuardHolds) {
  ledger.freeze(theta);
  EXPECT_EQ(Identity::freeze(ledger, model, Guard::kProtected).guard(), Guard::kProtected);
  EXPECT_EQ(theta.guard(), Guard::kSealed);
  EXPECT_EQ(buffers.guard(), Guard::kProtected);
}

TEST_F(IdentityTest, IsOfFrozenStoresOnly) {
  ledger.freeze(theta);
  EXPECT_MESSAGE(Identity(model), IdentityError, "identity: store buffers is not frozen");
}

TEST_F(IdentityTest, ItsCheckReadsTheBytesAndNamesTheTensorThatDiffers) {
  const Identity identity = Identity::freeze(ledger, model, Guard::kProtected);
  tamper(theta.at("layer.0.weight"));
  try {
    identity.check();
    ADD_FAILURE() << "not seen";
  } catch (const IdentityError& error) {
    const std::string text = error.what();
    EXPECT_TRUE(
        text.starts_with("identity: the bytes of theta have changed: "
                         "theta/layer.0.weight f32 [12, 5] (leaf "))
        << text;
    EXPECT_EQ(text.find("layer.1"), std::string::npos);
  }
  tamper(theta.at("layer.0.weight"));
  identity.check();
  tamper(buffers.at("block.1.norm.running_var"));
  EXPECT_THROW(identity.check(), IdentityError);
}

TEST(IdentityRoot, DependsOnEveryBitOfParametersAndBuffersOnNamesTypesShapesAndTies) {
  const Tensor one = Tensor::full<float>({4}, 1.0F), two = Tensor::full<float>({4}, 2.0F);
  const Sha256Digest plain = root_of("w", one);
  EXPECT_EQ(root_of("w", one), plain);
  const std::vector<Sha256Digest> others = {
      root_of("w", two),
      root_of("v", one),
      root_of("w", one.reshape({2, 2})),
      root_of("w", Tensor::full<std::int32_t>({4}, 0x3f800000)),  // the same bytes
      root_of("w", one, &one),
      root_of("w", one, &two),
      root_of("w", one, nullptr, {{"head", "w"}}),
      root_of("w", one, nullptr, {{"tail", "w"}}),
  };
  for (std::size_t i = 0; i < others.size(); ++i) {
    EXPECT_NE(others[i], plain) << i;
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(others[i], others[j]) << i << ' ' << j;
  }
}

// docs/arithmetic.md, section 9, byte by byte.
TEST(IdentityRoot, IsMadeOfTheBytesTheSpecificationSays) {
  const auto raw = [](const Sha256Digest& d) { return std::string(d.begin(), d.end()); };
  const auto zero = std::string(1, '\0');
  const Tensor w = Tensor::full<float>({2}, 1.0F), b = Tensor::full<float>({1}, 2.0F);
  const std::string one_f32("\0\0\x80\x3f", 4), two_f32("\0\0\0\x40", 4),
      rank("\1\0\0\0\0\0\0\0", 8);
  const auto leaf = [&](const char* name, char extent, const std::string& bytes) {
    return sha256(name + zero + "f32" + zero + rank + extent + std::string(7, '\0') + bytes);
  };
  const Sha256Digest leaf_w = leaf("w", 2, one_f32 + one_f32), leaf_b = leaf("b", 1, two_f32);
  const auto hashed = [&](const std::string& data) {
    return raw(sha256(zero + raw(sha256(data))));
  };
  const std::string p = hashed("parameter" + zero + raw(leaf_w));
  const std::string q = hashed("buffer" + zero + raw(leaf_b));
  const std::string t = hashed("tie" + zero + "head" + zero + "w");
  const Sha256Digest tree = sha256("\1" + raw(sha256("\1" + p + q)) + t);
  const std::string count("\3\0\0\0\0\0\0\0", 8);
  const Sha256Digest root = sha256("palinode identity 1" + zero + raw(sha256(raw(leaf_w))) +
                                   raw(sha256(raw(leaf_b))) + count + raw(tree));
  EXPECT_EQ(root_of("w", w, &b, {{"head", "w"}}), root);
}

TEST_F(IdentityTest, EveryTensorIsProvedByItsBytesAndTheRootAlone) {
  const Identity identity = Identity::freeze(ledger, model);
  for (const auto& [part, store] :
       {std::pair(Part::kParameter, &theta), std::pair(Part::kBuffer, &buffers)}) {
    for (const Entry& entry : store->entries()) {
      const InclusionProof proof = identity.prove(part, entry.name);
      EXPECT_TRUE(verify(proof, entry.value, identity.root())) << entry.name;
      EXPECT_LE(proof.path.size(), 4U);  // of 16 leaves
    }
  }
}

TEST_F(IdentityTest, NoOtherTensorAndNoAlteredProofPasses) {
  const Identity identity = Identity::freeze(ledger, model);
  const Tensor value = theta.at("layer.0.weight");
  const InclusionProof good = identity.prove(Part::kParameter, "layer.0.weight");
  const auto passes = [&](const auto& alter) {
    InclusionProof proof = good;
    alter(proof);
    return verify(proof, value, identity.root());
  };
  EXPECT_TRUE(passes([](InclusionProof&) {}));
  EXPECT_FALSE(passes([](InclusionProof& p) { p.part = Part::kBuffer; }));
  EXPECT_FALSE(passes([](InclusionProof& p) { p.name = "layer.1.weight"; }));
  EXPECT_FALSE(passes([](InclusionProof& p) { ++p.place; }));
  EXPECT_FALSE(passes([](InclusionProof& p) { ++p.leaves; }));
  EXPECT_FALSE(passes([](InclusionProof& p) { p.path.front()[0] ^= 1U; }));
  EXPECT_FALSE(passes([](InclusionProof& p) { p.path.pop_back(); }));
  EXPECT_FALSE(passes([](InclusionProof& p) { p.parameters[31] ^= 1U; }));
  EXPECT_FALSE(passes([](InclusionProof& p) { p.buffers[31] ^= 1U; }));
  EXPECT_FALSE(verify(good, value.transpose(), identity.root()));
  EXPECT_FALSE(verify(good, value, sha256("another root")));
}

TEST_F(IdentityTest, ProvesNothingItDoesNotHave) {
  const Identity identity = Identity::freeze(ledger, model);
  EXPECT_MESSAGE(identity.prove(Part::kBuffer, "layer.0.weight"), NameError,
                 "identity: no buffer named layer.0.weight");
}

TEST(IdentityTies, AreThoseOfTheNetwork) {
  Ledger ledger;
  const Store& tied = ledger.open("tied", Role::kIdentity);
  const Store& untied = ledger.open("untied", Role::kIdentity);
  nn::GptConfig config{.vocab = 7, .context = 4, .layers = 1, .heads = 1, .width = 4};
  const nn::Gpt separate(untied, config);
  config.tied = true;
  const nn::Gpt model(tied, config);
  ledger.commit(model.init(Rng(1)));
  ledger.commit(separate.init(Rng(1)));
  EXPECT_TRUE(Identity::freeze(ledger, separate).ties().empty());
  const nn::Ties ties = Identity::freeze(ledger, model).ties();
  ASSERT_EQ(ties.size(), 1U);
  EXPECT_EQ(ties[0].reader, "head.weight");
  EXPECT_EQ(ties[0].name, "token.weight");
}

TEST_F(IdentityTest, RefusesATieToNothingAndOneOfAParameter) {
  EXPECT_MESSAGE(Identity::freeze(ledger, Bare(theta, nullptr, {{"head", "none"}})), NameError,
                 "identity: head cannot be tied to none: store theta lacks the latter");
  EXPECT_MESSAGE(Identity::freeze(ledger, Bare(theta, nullptr, {{"layer.0.bias", "layer.1.bias"}})),
                 NameError,
                 "identity: layer.0.bias cannot be tied to layer.1.bias: store theta has both");
  EXPECT_FALSE(theta.frozen());
}

}  // namespace
}  // namespace palinode::rbl
