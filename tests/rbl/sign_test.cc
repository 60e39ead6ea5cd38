#include "rbl/sign.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "rbl/statement.h"
#include "tensor/digest.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

// RFC 8032, section 7.1.
struct Vector {
  const char *seed, *key, *message, *signature;
};
constexpr Vector kVectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b"
     "4"
     "6bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "r",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11"
     "d"
     "8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "\xaf\x82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc"
     "6"
     "594a7c15e9716ed28dc027beceea1ec40a"},
};

TEST(Sign, GivesTheSignaturesOfRfc8032) {
  for (const Vector& vector : kVectors) {
    const KeyPair keys = KeyPair::from_seed(bytes_from_hex<32>(vector.seed, "seed"));
    EXPECT_EQ(hex(keys.public_key()), vector.key);
    EXPECT_EQ(hex(keys.sign(vector.message)), vector.signature);
    EXPECT_TRUE(verify(vector.message, bytes_from_hex<64>(vector.signature, "signature"),
                       bytes_from_hex<32>(vector.key, "key")));
  }
}

TEST(Sign, AnyFlippedBitOfMessageSignatureOrKeyIsRefused) {
  const KeyPair keys = KeyPair::generate();
  const std::string message = "values 27aa";
  const Signature signature = keys.sign(message);
  ASSERT_TRUE(verify(message, signature, keys.public_key()));
  for (std::size_t bit = 0; bit < 8 * message.size(); ++bit) {
    std::string other = message;
    other[bit / 8] = static_cast<char>(other[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(verify(other, signature, keys.public_key()));
  }
  for (std::size_t bit = 0; bit < 8 * signature.size(); ++bit) {
    Signature other = signature;
    other[bit / 8] = static_cast<std::uint8_t>(other[bit / 8] ^ (1U << (bit % 8)));
    EXPECT_FALSE(verify(message, other, keys.public_key()));
  }
  for (std::size_t bit = 0; bit < 256; ++bit) {
    PublicKey other = keys.public_key();
    other[bit / 8] = static_cast<std::uint8_t>(other[bit / 8] ^ (1U << (bit % 8)));
    EXPECT_FALSE(verify(message, signature, other));
  }
}

struct KeyFiles : testing::Test {
  std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / ("palinode_keys_" + std::to_string(::getpid()));
  std::string secret = folder / "me.key", open = folder / "me.pub";
  KeyFiles() { std::filesystem::create_directories(folder); }
  ~KeyFiles() override { std::filesystem::remove_all(folder); }
};

TEST_F(KeyFiles, ComeBackAndThePrivateOneIsItsOwnersAlone) {
  const KeyPair keys = KeyPair::generate();
  keys.save(secret, open);
  struct stat status {};
  ASSERT_EQ(::stat(secret.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  EXPECT_EQ(load_public_key(open), keys.public_key());
  EXPECT_EQ(KeyPair::load(secret).sign("x"), keys.sign("x"));
}

TEST_F(KeyFiles, APartialFileLeftBehindDoesNotOpenThePrivateOne) {
  write_file_atomically(secret + ".partial", "");
  KeyPair::generate().save(secret, open);
  EXPECT_NO_THROW(KeyPair::load(secret));
}

TEST_F(KeyFiles, AreRefusedWhenOthersMayReadThemOrTheyHoldSomethingElse) {
  const KeyPair keys = KeyPair::generate();
  keys.save(secret, open);
  EXPECT_MESSAGE(load_public_key(secret), FormatError,
                 "sign: " + secret + " holds no Ed25519 public key");
  ::chmod(secret.c_str(), 0640);
  EXPECT_MESSAGE(KeyPair::load(secret), FormatError,
                 "sign: " + secret + " may be read by others; a private key has mode 0600");
  ::chmod(open.c_str(), 0600);
  EXPECT_MESSAGE(KeyPair::load(open), FormatError,
                 "sign: " + open + " holds no Ed25519 private key");
}

TEST(Statement, IsTheTextThatItsHeaderPromises) {
  const Statement statement{.config = {.kind = "lora",
                                       .sites = {"layer.1", "layer.0"},
                                       .settings = {{"rank", 4}, {"alpha", 0.1}}},
                            .identity = sha256("theta"),
                            .version = 3,
                            .parent = {},
                            .values = sha256("phi")};
  EXPECT_EQ(to_text(statement),
            "palinode-behavior 1\nkind lora\nsetting alpha 0.1\nsetting rank 4\nsite layer.1\n"
            "site layer.0\nidentity " +
                hex(sha256("theta")) + "\nversion 3\nparent -\nvalues " + hex(sha256("phi")) +
                "\n");
}

TEST(Statement, ItsConfigComesBackAndAnotherTextIsRefused) {
  const BehaviorConfig config{
      .kind = "lora", .sites = {"b", "a"}, .settings = {{"alpha", 0.1}, {"rank", 4}}};
  const BehaviorConfig back = config_from_json(to_json(config));
  EXPECT_EQ(back.kind, config.kind);
  EXPECT_EQ(back.sites, config.sites);
  EXPECT_EQ(back.settings, config.settings);
  for (const char* text : {"", "[]", "{}", R"({"kind":1,"sites":[],"settings":{}})",
                           R"({"kind":"a","sites":[1],"settings":{}})",
                           R"({"kind":"a","sites":[],"settings":{"x":"y"}})"}) {
    EXPECT_THROW(config_from_json(text), FormatError) << text;
  }
}

}  // namespace
}  // namespace palinode::rbl
