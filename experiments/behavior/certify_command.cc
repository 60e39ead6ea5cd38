// `palinode certify` and `palinode detach`: attach, look, detach, and prove that nothing is left.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "experiments/behavior/command.h"
#include "experiments/behavior/stack.h"
#include "experiments/usage_error.h"
#include "rbl/certificate.h"
#include "rbl/identity.h"
#include "tensor/file.h"
#include "tensor/gemm.h"

namespace palinode::experiments {
namespace {

struct Options {
  Machine machine;
  BehaviorOptions behaviors;
  std::string identity, data, dir, out;
  std::size_t probes = 256;
  bool json = false;
};

struct Proof {
  rbl::Certificate certificate;
  std::string receipt;                    // a line for each behavior that was detached
  std::vector<std::string> unit_digests;  // in the order of attaching
  std::string data;
  std::size_t phi_bytes = 0;
};

Proof prove(const Options& options) {
  if (options.behaviors.files.empty()) throw UsageError("expected --behavior FILE");
  train::TrainedModel model = train::load_trained(options.identity);
  if (!options.data.empty()) model.config.data.name = options.data;
  if (!options.dir.empty()) model.config.data.dir = options.dir;
  const rbl::Identity identity = rbl::Identity::freeze(*model.ledger, *model.network);
  const rbl::Theta& theta = identity.theta();
  BehaviorStack stack(model, options.behaviors);
  const Tensor probes = probes_of(model, stack.prompt_rows(), options.probes);
  const rbl::Observation before = rbl::observe(*model.network, theta, probes);
  const rbl::Observation during = rbl::observe(stack.function(), theta, probes);
  Proof proof;
  proof.data = model.config.data.name;
  for (const rbl::LoadedBehavior& loaded : stack.units()) {
    proof.unit_digests.push_back(loaded.metadata.at("digest"));
    proof.phi_bytes += loaded.unit->phi().bytes();
  }
  while (stack.attached() > 0) {
    const std::size_t place = stack.detach_last();
    proof.receipt += fmt::format("detached   {}, {} bytes; {} attached\n", stack.name(place),
                                 stack.units()[place].unit->phi().bytes(), stack.attached());
  }
  const rbl::Observation after = rbl::observe(stack.function(), theta, probes);
  proof.certificate = rbl::certify(before, during, after);
  return proof;
}

nlohmann::ordered_json json_of(const Options& options, const Proof& proof) {
  const rbl::Certificate& c = proof.certificate;
  nlohmann::ordered_json units = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < proof.unit_digests.size(); ++i) {
    units.push_back({{"file", options.behaviors.files[i]}, {"digest", proof.unit_digests[i]}});
  }
  return {{"schema", 1},
          {"exact", c.exact()},
          {"backend", gemm_name(active_gemm())},
          {"same_bits_contract", active_gemm() == Gemm::kCanonical},
          {"identity", options.identity},
          {"behaviors", units},
          {"data", proof.data},
          {"probes", c.probes},
          {"phi_bytes", proof.phi_bytes},
          {"fingerprint",
           {{"before", hex(c.fingerprint_before)},
            {"during", hex(c.fingerprint_during)},
            {"after", hex(c.fingerprint_after)}}},
          {"logits_xxh3",
           {{"before", hex(c.logits_before)},
            {"during", hex(c.logits_during)},
            {"after", hex(c.logits_after)}}},
          {"during", {{"kl", c.kl_during}, {"js", c.js_during}}},
          {"after", {{"kl", c.kl_after}, {"js", c.js_after}}}};
}

int run(const Options& options, bool receipt) {
  apply(options.machine);
  const Proof proof = prove(options);
  const std::string json =
      json_of(options, proof).dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (!options.out.empty()) write_file_atomically(options.out, json);
  const std::string text = (receipt ? proof.receipt : "") + rbl::to_text(proof.certificate);
  print(options.json ? json : text);
  return proof.certificate.exact() ? kDone : kCheckFailed;
}

Command add(CLI::App& app, const char* name, const char* what, const char* examples, bool receipt) {
  CLI::App* command = app.add_subcommand(name, what);
  command->footer(examples);
  const auto options = std::make_shared<Options>();
  command->add_option("--identity", options->identity, "The model file")->required();
  add_behavior_options(*command, options->behaviors);
  command->add_option("--data", options->data,
                      "The data set or text file that is looked at (default: the identity's)");
  command->add_option("--data-dir", options->dir, "The folder of the data set's files");
  command->add_option("--probes", options->probes, "How many examples of it, at most")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_option("--out", options->out, "Write the JSON to a file too");
  command->add_flag("--json", options->json, "Print JSON instead of the text");
  add_machine_options(*command, options->machine);
  return {command, [options, receipt] { return run(*options, receipt); }};
}

}  // namespace

Command add_certify_command(CLI::App& app) {
  return add(app, "certify", "Attach behaviors, look, detach them: is every bit back?",
             "Example:\n"
             "  palinode certify --identity model.safetensors --behavior unit.safetensors \\\n"
             "      --data kjv --out certificate.json\n"
             "Exit codes: 0 exact, 1 not exact, 2 usage, 3 bad input file, 4 environment.",
             false);
}

Command add_detach_command(CLI::App& app) {
  return add(app, "detach", "Detach behaviors one by one, with a receipt",
             "Example:\n"
             "  palinode detach --identity model.safetensors --behavior a.safetensors \\\n"
             "      --behavior b.safetensors\n"
             "Exit codes: 0 exact, 1 not exact, 2 usage, 3 bad input file, 4 environment.",
             true);
}

}  // namespace palinode::experiments
