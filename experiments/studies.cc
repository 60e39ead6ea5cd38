#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>

#include "experiments/study.h"
#include "experiments/trial.h"
#include "tensor/error.h"

namespace palinode::experiments {

extern const Study kNull, kUnload, kNoise, kFineTuning, kPolicyGradient;

std::span<const Study> studies() {
  static const std::array kAll = {kNull, kUnload, kNoise, kFineTuning, kPolicyGradient};
  return kAll;
}

const Study& find_study(std::string_view id_or_name) {
  const auto same = [id_or_name](std::string_view name) {
    return std::ranges::equal(name, id_or_name, [](unsigned char a, unsigned char b) {
      return std::tolower(a) == std::tolower(b);
    });
  };
  std::string known;
  for (const Study& study : studies()) {
    if (same(study.id) || same(study.name)) return study;
    known += fmt::format("{}{} ({})", known.empty() ? "" : ", ", study.id, study.name);
  }
  throw NameError(fmt::format("unknown study \"{}\"; there are {}", id_or_name, known));
}

std::string unload_fault(std::span<const Row> rows) {
  for (const Row& row : rows) {
    if (row.rollback != "R17") continue;
    if (row.words_changed != 0 || !row.logits_bit_equal || row.kl_rec != 0 || row.js_rec != 0) {
      return fmt::format("{} {} seed {}: {} words changed, KL {:g}", row.study, row.mechanism,
                         row.seed, row.words_changed, row.kl_rec);
    }
  }
  return "";
}

LedgerSummary with_identity(std::uint64_t seed, const Digits& digits, const Options& options,
                            const std::function<void(const Identity&)>& use) {
  const std::unique_ptr<Ledger> owned =
      options.ledger_path.empty() ? std::make_unique<Ledger>(options.level)
                                  : std::make_unique<Ledger>(options.level, options.ledger_path);
  Ledger& ledger = *owned;
  const Rng rng(seed);
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const nn::Mlp model(theta, mlp_config());
  ledger.commit(model.init(rng.stream("init")));
  train_identity(ledger, theta, digits, rng.stream("identity"), {.lr = 2e-3, .steps = 800},
                 "adam.theta");
  ledger.freeze(theta);

  Identity identity{rng, digits, options, theta, model, rbl::observe(model, theta, digits.probes)};
  const Stage base = look(identity, theta, model);
  identity.task_metric = base.task_metric;
  identity.identity_metric = base.identity_metric;
  use(identity);
  return {ledger.level() == Ledger::Level::kOff ? 0 : ledger.sequence(), ledger.head()};
}

}  // namespace palinode::experiments
