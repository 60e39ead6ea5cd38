// `palinode behavior extract`: what a tuned model has learned, as a LoRA over the model it came
// from.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "experiments/behavior/command.h"
#include "experiments/behavior/stack.h"
#include "experiments/environment.h"
#include "experiments/usage_error.h"
#include "nn/model_file.h"
#include "rbl/extract.h"
#include "rbl/identity.h"
#include "rbl/observe.h"
#include "tensor/error.h"
#include "tensor/gemm.h"

namespace palinode::experiments {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  Machine machine;
  std::string identity, tuned, out, data, dir;
  std::size_t rank = 0, probes = 0;
  std::optional<double> energy;
  bool overwrite = false, json = false;
};

void check_options(const Options& options) {
  if (options.rank == 0 && !options.energy) {
    throw UsageError("extract: expected --rank R or --energy SHARE");
  }
  if (options.energy && !(*options.energy > 0 && *options.energy <= 1)) {
    throw UsageError(
        fmt::format("--energy {}: expected a share above 0 and up to 1", *options.energy));
  }
  for (const std::string& model : {options.identity, options.tuned}) {
    std::error_code error;
    if (!std::filesystem::equivalent(options.out, model, error)) continue;
    throw UsageError(fmt::format("--out {}: is what is read", options.out));
  }
  check_free(options.out, options.overwrite);
}

// What is asked of a field only while training: it changes no weight's place and no output.
bool of_training(const std::string& field) {
  return field == "dropout" || field == "checkpointing";
}

// Throws UsageError unless the two models differ in their weights only.
void check_same_model(const Options& options, const nn::LoadedModel& identity,
                      const nn::LoadedModel& tuned) {
  const auto same = [&](std::string_view what, std::string_view theirs, std::string_view ours) {
    if (theirs == ours) return;
    throw UsageError(fmt::format("{}: {} {}, where {} has {}", options.tuned, what, theirs,
                                 options.identity, ours));
  };
  same("model", nn::kind_of(tuned.config), nn::kind_of(identity.config));
  const Json ours = Json::parse(nn::to_json(identity.config));
  const Json theirs = Json::parse(nn::to_json(tuned.config));
  for (const auto& item : ours.items()) {
    if (of_training(item.key())) continue;
    same(item.key(), theirs.at(item.key()).dump(), item.value().dump());
  }
  const auto dtype = [](const nn::LoadedModel& model) {
    return dtype_name(model.store->entries().front().value.dtype());
  };
  same("values", dtype(tuned), dtype(identity));
  const auto tokenizer = [](const nn::LoadedModel& model) {
    const auto found = model.metadata.find(train::kTokenizerKey);
    return found == model.metadata.end() ? std::string() : found->second;
  };
  if (tokenizer(tuned) == tokenizer(identity)) return;
  throw UsageError(fmt::format("{}: reads its text with another tokenizer than {}", options.tuned,
                               options.identity));
}

// How near to the tuned model one comes, in KL(tuned || it) on the data of the identity.
struct Closeness {
  std::size_t probes = 0;
  std::string data;
  double without = 0, with = 0;  // nats: the identity alone, and with the behavior
};

struct Probes {
  Tensor x;
  std::string data;
};

std::optional<Probes> probes_for(const Options& options) {
  if (options.probes == 0) return std::nullopt;
  train::TrainedModel model = train::load_trained(options.identity);
  if (!options.data.empty()) model.config.data.name = options.data;
  if (!options.dir.empty()) model.config.data.dir = options.dir;
  return Probes{probes_of(model, 0, options.probes), model.config.data.name};
}

// What is read, and what was made of it.
class Extraction {
 public:
  explicit Extraction(const Options& options) : options_(options) {
    identity_ = nn::load_model(ledger_, options.identity);
    rbl::Identity::freeze(ledger_, *identity_.network);
    const SafetensorsFile content = read_safetensors(options.tuned);
    const auto format = content.metadata.find("format");
    if (format != content.metadata.end() && format->second == rbl::kBehaviorFormat) {
      read_dense(content);
    } else {
      read_model(content);
    }
    const std::optional<Probes> probes = probes_for(options);
    const rbl::Decomposition parts = rbl::decompose(*dense_, *identity_.network);
    found_ = rbl::extract_lora(ledger_, "phi", parts, *identity_.network, rank_for(parts));
    if (probes) measure(*probes);
    make_record();
  }

  void save() const { rbl::save_behavior(options_.out, *found_.unit, record_); }
  std::string text() const;
  Json json() const;

 private:
  void read_model(const SafetensorsFile& content) {
    tuned_ = nn::load_model(ledger_, content, options_.tuned, "tuned");
    check_same_model(options_, identity_, tuned_);
    dense_ = rbl::dense_difference(ledger_, "difference", *identity_.network, *tuned_.store);
    digest_ = hex(fingerprint(*tuned_.store));
    if (tuned_.buffers == nullptr) return;
    statistics_ = rbl::distance(*identity_.buffers, *tuned_.buffers).l2;
  }

  void read_dense(const SafetensorsFile& content) {
    const rbl::LoadedBehavior loaded =
        rbl::load_behavior(ledger_, *identity_.network, content, options_.tuned, "difference",
                           rbl::OtherIdentity::kRefuse);
    dense_ = loaded.unit;
    digest_ = loaded.metadata.at("digest");
    if (dense_->kind() == "dense") return;
    throw UsageError(fmt::format("{}: expected a model or a dense behavior, got a {}",
                                 options_.tuned, dense_->kind()));
  }

  std::size_t rank_for(const rbl::Decomposition& parts) const {
    if (options_.energy) return rbl::rank_of(parts, *options_.energy);
    const std::size_t most = rbl::largest_rank(parts);
    if (options_.rank <= most) return options_.rank;
    throw UsageError(
        fmt::format("--rank {}: no layer that differs has a rank above {}", options_.rank, most));
  }

  void measure(const Probes& probes) {
    const nn::Network& identity = *identity_.network;
    const rbl::Theta theta(identity);
    const rbl::Attached with_dense = rbl::attach(identity, dense_);
    const rbl::Attached with = rbl::attach(identity, found_.unit);
    const rbl::Observation tuned =
        tuned_.network ? rbl::observe(*tuned_.network, rbl::Theta(*tuned_.network), probes.x)
                       : rbl::observe(with_dense, theta, probes.x);
    const auto kl = [&](const nn::Model& function) {
      return rbl::kl_divergence(tuned.log_p, rbl::observe(function, theta, probes.x).log_p).mean;
    };
    closeness_ = Closeness{probes.x.shape()[0], probes.data, kl(identity), kl(with)};
  }

  void make_record() {
    record_ = rbl::record_of(*identity_.network);
    record_.version = "1";
    record_.command = printable(fmt::format(
        "palinode behavior extract {} --identity {} {}", options_.tuned, options_.identity,
        options_.energy ? fmt::format("--energy {}", *options_.energy)
                        : fmt::format("--rank {}", options_.rank)));
    record_.code_version = version();
    record_.notes = {{"extract.from", digest_},
                     {"extract.norm", fmt::format("{}", found_.norm())},
                     {"extract.residual", fmt::format("{}", found_.residual())}};
  }

  std::size_t rank() const {
    return static_cast<std::size_t>(found_.unit->config().settings.at("rank"));
  }

  const Options& options_;
  Ledger ledger_{Ledger::Level::kOff};
  nn::LoadedModel identity_, tuned_;  // tuned_: nothing for a dense behavior
  rbl::BehaviorPointer dense_;
  rbl::ExtractedLora found_;
  rbl::BehaviorRecord record_;
  std::string digest_;  // of what was tuned: the model's fingerprint, the unit's digest
  std::optional<double> statistics_;  // how far apart those of BatchNorm are
  std::optional<Closeness> closeness_;
};

std::string percent(double part, double whole) {
  return fmt::format("{:.4g} %", 100 * part / whole);
}

std::string largest(const std::vector<double>& singular) {
  constexpr std::size_t kMost = 5;
  std::string text;
  for (std::size_t k = 0; k < std::min(kMost, singular.size()); ++k) {
    text += fmt::format("{}{:.4g}", k == 0 ? "" : " ", singular[k]);
  }
  return text + (singular.size() > kMost ? " ..." : "");
}

std::string Extraction::text() const {
  std::size_t width = 10;
  for (const rbl::ExtractedSite& site : found_.sites) width = std::max(width, site.site.size());
  std::string text = fmt::format(
      "extracted   lora of rank {} with {} values at {} of {} linear layers\n"
      "{:<{}}  {:>10}  {:>10}  {:>10}  largest singular values\n",
      rank(), found_.unit->elements(), found_.sites.size(), identity_.network->sites().size(),
      "layer", width, "norm", "residual", "of it");
  for (const rbl::ExtractedSite& site : found_.sites) {
    text += fmt::format("{:<{}}  {:>10.4g}  {:>10.4g}  {:>10}  {}\n", site.site, width, site.norm,
                        site.residual, percent(site.residual, site.norm), largest(site.singular));
  }
  if (!found_.others.empty()) {
    const rbl::LeftOut& most = *std::ranges::max_element(found_.others, {}, &rbl::LeftOut::norm);
    text +=
        fmt::format("left out    {:.4g} in norm: {} that no low-rank unit holds, most in {}\n",
                    found_.left_out(),
                    found_.others.size() == 1 ? "a parameter"
                                              : fmt::format("{} parameters", found_.others.size()),
                    most.parameter);
  }
  if (statistics_) {
    text += fmt::format("statistics  {:.4g} apart; they stay the identity's\n", *statistics_);
  }
  text += fmt::format("whole       {:.4g} in norm, residual {:.4g}, {} of it\n", found_.norm(),
                      found_.residual(), percent(found_.residual(), found_.norm()));
  if (closeness_) {
    text += fmt::format(
        "probes      {} of {}: KL {:.4g} nats from the tuned model, without the behavior {:.4g}\n",
        closeness_->probes, closeness_->data, closeness_->with, closeness_->without);
  }
  return text + fmt::format("behavior    {}, digest {}\nidentity    {}\ntuned       {}\n",
                            options_.out, hex(rbl::behavior_digest(*found_.unit)),
                            hex(record_.identity), digest_);
}

Json Extraction::json() const {
  Json sites = Json::array(), others = Json::array();
  for (const rbl::ExtractedSite& site : found_.sites) {
    sites.push_back({{"site", site.site},
                     {"norm", site.norm},
                     {"residual", site.residual},
                     {"relative", site.residual / site.norm},
                     {"singular", site.singular}});
  }
  for (const rbl::LeftOut& other : found_.others) {
    others.push_back({{"parameter", other.parameter}, {"norm", other.norm}});
  }
  Json json = {{"behavior", options_.out},
               {"kind", found_.unit->kind()},
               {"rank", rank()},
               {"values", found_.unit->elements()},
               {"digest", hex(rbl::behavior_digest(*found_.unit))},
               {"identity", hex(record_.identity)},
               {"tuned", digest_},
               {"sites", sites},
               {"left_out", {{"norm", found_.left_out()}, {"parameters", others}}},
               {"norm", found_.norm()},
               {"residual", found_.residual()},
               {"relative", found_.residual() / found_.norm()}};
  if (statistics_) json["statistics"] = *statistics_;
  if (closeness_) {
    json["probes"] = {{"data", closeness_->data},
                      {"probes", closeness_->probes},
                      {"kl", closeness_->with},
                      {"kl_without", closeness_->without},
                      {"backend", gemm_name(active_gemm())},
                      {"same_bits_contract", active_gemm() == Gemm::kCanonical}};
  }
  return json;
}

int run_extract(const Options& options) {
  check_options(options);
  apply(options.machine);
  const Extraction extraction(options);
  extraction.save();
  const auto replace = Json::error_handler_t::replace;
  print(options.json ? extraction.json().dump(1, ' ', false, replace) + "\n" : extraction.text());
  return kDone;
}

}  // namespace

Command add_extract_command(CLI::App& behavior) {
  CLI::App* extract = behavior.add_subcommand(
      "extract", "The difference between two models, as the LoRA nearest to it");
  extract->footer(
      "Examples:\n"
      "  palinode behavior extract tuned.safetensors --identity model.safetensors --rank 8 \\\n"
      "      --out unit.safetensors\n"
      "  palinode behavior extract dense.safetensors --identity model.safetensors \\\n"
      "      --energy 0.95 --probes 256 --out unit.safetensors\n"
      "Exit codes: 0 done, 1 nothing to extract, or a difference that is not finite, 2 usage, or\n"
      "models that differ in more than their weights, 3 bad input file, 4 environment.");
  const auto options = std::make_shared<Options>();
  extract->add_option("tuned", options->tuned, "The tuned model, or a dense behavior")->required();
  extract->add_option("--identity", options->identity, "The model file it came from")->required();
  extract->add_option("--out", options->out, "The behavior file to write")->required();
  CLI::Option* rank = extract->add_option("--rank", options->rank, "The rank at every layer")
                          ->check(CLI::Range(1, 65536));
  extract
      ->add_option("--energy", options->energy,
                   "Instead: the smallest rank that keeps this share of the sum of the squared\n"
                   "singular values of all layers")
      ->excludes(rank);
  CLI::Option* probes =
      extract
          ->add_option("--probes", options->probes,
                       "Compare what they compute too, on so many examples of the data at most")
          ->check(CLI::Range(1, 1000000));
  extract
      ->add_option("--data", options->data,
                   "The data set or text file of the probes (default: the identity's)")
      ->needs(probes);
  extract->add_option("--data-dir", options->dir, "The folder of the data set's files")
      ->needs(probes);
  extract->add_flag("--overwrite", options->overwrite, "Replace a file that is there");
  extract->add_flag("--json", options->json, "Print JSON instead of the text");
  add_machine_options(*extract, options->machine);
  return {extract, [options] { return run_extract(*options); }};
}

}  // namespace palinode::experiments
