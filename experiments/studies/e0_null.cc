// E0: the null. A function against itself, in one batch, in many, and under a LoRA as it begins,
// must be at distance exactly 0; a planted leak of one last bit in the largest weight of a layer
// must be seen. Without this, a 0 in the other studies would mean nothing.
//
// Paper: appendix test "fresh adapter" (RF 0/0 printed as 100 %), and the entropy table that stands
// in for a null.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <vector>

#include "experiments/studies/self_test.h"
#include "experiments/studies/study.h"
#include "experiments/studies/trial.h"
#include "tensor/kernels/math.h"
#include "tensor/kernels/reduce.h"

namespace palinode::experiments {
namespace {

constexpr std::array kLeaks = {
    0x1p-23, 1e-4, 1e-2};  // relative change of one weight; 2^-23 is one or two last bits

// The identity evaluated in batches of another size.
class Split : public nn::Model {
 public:
  Split(const nn::Model& model, std::size_t rows) : model_(&model), rows_(rows) {}

  Var forward(nn::Run& run, Var x) const override {
    const Tensor& all = x.value();
    const std::size_t count = all.shape()[0];
    std::size_t columns = 0;
    std::vector<float> outputs;
    for (std::size_t begin = 0; begin < count; begin += rows_) {
      const Tensor part = all.rows(begin, std::min(count, begin + rows_));
      const Tensor y = nn::evaluate(*model_, part).compact();
      outputs.insert(outputs.end(), y.values<float>().begin(), y.values<float>().end());
      columns = y.shape().last();
    }
    return run.tape().constant(Tensor::from<float>(outputs, {outputs.size() / columns, columns}));
  }

 private:
  const nn::Model* model_;
  std::size_t rows_;
};

// The paper repeats its baseline four times and reports how the entropy of sampled answers varies.
constexpr std::size_t kRepeats = 4;

double mean_entropy(const Tensor& log_p) {
  const std::span<const double> l = log_p.values<double>();
  std::vector<double> terms(l.size());
  kernels::exp(l, std::span<double>(terms));
  for (std::size_t i = 0; i < l.size(); ++i) terms[i] = -terms[i] * l[i];
  return kernels::sum<double>(terms) / static_cast<double>(log_p.shape()[0]);
}

// Into a weight of the last layer.
Change plant(double leak, const nn::Network& network) {
  const std::string name = network.sites().back() + ".weight";
  return commit_once([leak, name](const Store& theta) -> Proposal {
    const Entry& entry = theta.entries()[theta.index(name)];
    const std::span<const float> old = entry.value.values<float>();
    std::vector<float> values(old.begin(), old.end());
    // The largest weight: the last bit of a small one can be rounded away by every logit.
    float& leaky = *std::ranges::max_element(values, {}, [](float w) { return std::abs(w); });
    leaky = static_cast<float>(static_cast<double>(leaky) * (1.0 + leak));
    return {.reason = Reason::kNoise,
            .proposer = "planted-leak",
            .writes = {{&theta, entry.name, Tensor::from<float>(values, entry.value.shape())}}};
  });
}

// The paper's control M2: a LoRA as it begins, which is zero.
Row fresh_adapter(const Cell& cell) {
  const Identity& identity = cell.identity();
  Ledger ledger(identity.level);
  const Store& phi = ledger.open("phi", Role::kBehavior);
  const rbl::BehaviorPointer lora = rbl::make_behavior(phi, *identity.network, lora_config());
  ledger.commit(lora->init(cell.rng().stream("e0").stream("lora")));
  const rbl::Attached with_lora = rbl::attach(*identity.network, lora);
  const Stage fresh = look(identity, *identity.theta, with_lora);
  const Stage unloaded = look(identity, *identity.theta, *identity.network);
  return make_row(identity, {"E0", "fresh-adapter"}, "phi", "R17", fresh, unloaded);
}

Outcome run(const Cell& cell) {
  const Identity& identity = cell.identity();
  Outcome outcome;
  const Stage base = look(identity, *identity.theta, *identity.network);
  outcome.rows.push_back(make_row(identity, {"E0", "none"}, "theta", "R0", base, base));
  for (const std::size_t rows : {std::size_t{1}, std::size_t{7}}) {
    const Stage split = look(identity, *identity.theta, Split(*identity.network, rows));
    outcome.rows.push_back(
        make_row(identity, {"E0", fmt::format("batch-of-{}", rows)}, "theta", "R0", split, split));
  }
  outcome.rows.push_back(fresh_adapter(cell));
  for (std::size_t repeat = 1; repeat <= kRepeats; ++repeat) {
    const rbl::Observation seen = rbl::observe(*identity.network, *identity.theta, identity.probes);
    outcome.points.push_back(cell.point("baseline", "repeat", static_cast<double>(repeat),
                                        "entropy", mean_entropy(seen.log_p), identity.data));
  }
  for (const double leak : kLeaks) {
    Rollbacks rollbacks;
    rollbacks.push_back(rbl::no_rollback());
    for (Row& row : trial_on_theta(identity, {"E0", "planted-leak", leak},
                                   plant(leak, *identity.network), rollbacks)) {
      outcome.rows.push_back(std::move(row));
    }
  }
  return outcome;
}

const std::vector<Knob> kKnobs = with_subjects(
    {"digits-mlp", "digits-bn-mlp"},
    {"digits-mlp", "digits-bn", "digits-bn-mlp", "fashion-mlp", "fashion-cnn", "tied-gpt"});

std::string null_fault(std::span<const Row> rows, std::span<const Point> /*points*/) {
  if (std::string fault = instrument_fault(); !fault.empty()) return "E0: " + fault;
  std::map<std::string, std::uint64_t> seeds;  // by the fingerprint of the identity they made
  for (const Row& row : rows) {
    const auto [found, added] = seeds.try_emplace(row.theta_fingerprint_before, row.seed);
    if (!added && found->second != row.seed) {
      return fmt::format("E0: seeds {} and {} made one identity", found->second, row.seed);
    }
  }
  for (const Row& row : rows) {
    if (row.study != "E0") continue;
    const bool leak = row.mechanism == "planted-leak";
    const bool undefined = row.rf.state == rbl::Recoverability::State::kUndefined;
    const bool as_it_should =
        leak ? row.words_changed == 1 && row.kl_adapt > 0 && row.js_adapt > 0 && !undefined
             : row.words_changed == 0 && row.kl_adapt == 0 && row.js_adapt == 0 && undefined &&
                   row.logits_bit_equal;
    if (!as_it_should) {
      return fmt::format("E0 {} seed {}: {} words changed, KL {:g}, JS {:g}", row.mechanism,
                         row.seed, row.words_changed, row.kl_adapt, row.js_adapt);
    }
  }
  return "";
}

std::vector<Judgement> judge(const Evidence& evidence) {
  Tally nulls("every null reads KL = JS = 0 exactly, and its RF is undefined", "runs");
  Tally leaks("every planted leak shows in one word and in KL > 0", "runs");
  for (const Group* group : groups_like(evidence.groups, "E0")) {
    for (const Row* row : group->rows) {
      const std::string figure = fmt::format("{} words changed, KL {:.3g}, JS {:.3g}",
                                             row->words_changed, row->kl_adapt, row->js_adapt);
      if (row->mechanism == "planted-leak") {
        leaks.add(row->words_changed == 1 && row->kl_adapt > 0, run_name(*row), figure);
        continue;
      }
      const bool zero =
          row->kl_adapt == 0 && row->js_adapt == 0 && row->kl_rec == 0 && row->js_rec == 0;
      nulls.add(zero && row->rf.state == rbl::Recoverability::State::kUndefined, run_name(*row),
                figure);
    }
  }
  return {nulls.judgement(), leaks.judgement()};
}

}  // namespace

extern const Study kNull = {"E0",
                            "null",
                            "control: fresh adapter, baseline entropy",
                            "do the instruments read zero on nothing, and see a planted last bit",
                            "holds if every null row has KL = JS = 0 exactly and RF undefined, and "
                            "every planted leak shows in one word and in KL > 0",
                            kKnobs,
                            run,
                            judge,
                            null_fault};

}  // namespace palinode::experiments
