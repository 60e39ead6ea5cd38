// `palinode behavior keys`, `sign` and `verify`.
#include <fmt/format.h>

#include <memory>

#include "experiments/behavior/command.h"
#include "rbl/behavior_file.h"
#include "rbl/sign.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

struct Options {
  std::string name, file, key, trusted;
};

int run_keys(const Options& options) {
  const rbl::KeyPair keys = rbl::KeyPair::generate();
  keys.save(options.name + ".key", options.name + ".pub");
  print(fmt::format("private     {}.key, keep it to yourself\npublic      {}.pub, {}\n",
                    options.name, options.name, hex(keys.public_key())));
  return kDone;
}

int run_sign(const Options& options) {
  const rbl::KeyPair keys = rbl::KeyPair::load(options.key);
  SafetensorsFile content = read_safetensors(options.file);
  rbl::check_behavior_file(content, options.file);
  rbl::sign(content.metadata, keys);
  write_safetensors(options.file, content);
  print(fmt::format("signed      {}, manifest {}, by {}\n", options.file,
                    content.metadata.at(rbl::kManifest), hex(keys.public_key())));
  return kDone;
}

int run_verify(const Options& options) {
  const SafetensorsFile content = read_safetensors(options.file);
  rbl::check_behavior_file(content, options.file);
  const auto by = rbl::signer(content.metadata, options.file);
  if (!by) {
    print(fmt::format("{}: nobody signed it\n", options.file));
    return kCheckFailed;
  }
  if (!options.trusted.empty() && rbl::load_public_key(options.trusted) != *by) {
    print(fmt::format("{}: signed by {}, not with the key of {}\n", options.file, hex(*by),
                      options.trusted));
    return kCheckFailed;
  }
  print(fmt::format("{}: the signature is good, by {}\n", options.file, hex(*by)));
  return kDone;
}

}  // namespace

std::vector<Command> add_sign_commands(CLI::App& behavior) {
  const auto options = std::make_shared<Options>();
  CLI::App* keys = behavior.add_subcommand("keys", "Make a pair of keys: NAME.key and NAME.pub");
  keys->add_option("name", options->name, "Where the two files go")->required();
  CLI::App* sign = behavior.add_subcommand("sign", "Sign a behavior file, in place");
  sign->add_option("file", options->file, "The behavior file")->required();
  sign->add_option("--key", options->key, "A private key, NAME.key")->required();
  CLI::App* verify = behavior.add_subcommand("verify", "Is the file signed, and by whom?");
  verify->add_option("file", options->file, "The behavior file")->required();
  verify->add_option("--trust", options->trusted, "The public key it has to be signed with");
  return {{keys, [options] { return run_keys(*options); }},
          {sign, [options] { return run_sign(*options); }},
          {verify, [options] { return run_verify(*options); }}};
}

}  // namespace palinode::experiments
