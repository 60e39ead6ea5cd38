#include "experiments/policy/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "autograd/ops.h"
#include "nn/kv_cache.h"
#include "nn/loss.h"
#include "rbl/metrics.h"
#include "tensor/error.h"
#include "tensor/kernels/math.h"
#include "tensor/kernels/reduce.h"

namespace palinode::experiments::policy {
namespace {

// Sequences on which the divergence from the start is measured.
constexpr std::size_t kSequences = 8;

// Each prompt `samples` times, one after the other, with room for the continuation.
std::vector<std::vector<std::int32_t>> repeated(const Tensor& prompts, std::size_t samples) {
  const std::size_t time = prompts.shape()[1];
  const std::span<const std::int32_t> tokens = prompts.values<std::int32_t>();
  std::vector<std::vector<std::int32_t>> rows;
  for (std::size_t p = 0; p < prompts.shape()[0]; ++p) {
    const auto prompt = tokens.subspan(p * time, time);
    rows.insert(rows.end(), samples, {prompt.begin(), prompt.end()});
  }
  return rows;
}

// The tokens from place `begin` on, i32 [rows, n].
Tensor from_place(const std::vector<std::vector<std::int32_t>>& rows, std::size_t begin) {
  std::vector<std::int32_t> tokens;
  for (const auto& row : rows) {
    tokens.insert(tokens.end(), row.begin() + static_cast<std::ptrdiff_t>(begin), row.end());
  }
  return Tensor::from<std::int32_t>(tokens, {rows.size(), tokens.size() / rows.size()});
}

// log softmax of the last token's logits of each sequence, in f64 [sequences, vocab].
Tensor next_log_p(const nn::Model& model, nn::KvCache& cache, const Tensor& tokens) {
  Tape tape;
  nn::Run run(tape, {.cache = &cache});
  const Tensor logits = model.forward(run, tape.constant(tokens)).value();
  const std::size_t batch = tokens.shape()[0], time = tokens.shape()[1];
  const Tensor last =
      logits.reshape({batch, time, logits.shape().last()}).slice(1, time - 1, time).compact();
  return rbl::log_probabilities(last.reshape({batch, logits.shape().last()}));
}

// log p[i, label[i]] less that of another model, for each row.
std::vector<double> log_ratios(const Tensor& log_p, const Tensor& log_p0, const Tensor& labels) {
  const std::size_t classes = log_p.shape().last();
  std::vector<double> ratios;
  for (std::size_t i = 0; i < labels.elements(); ++i) {
    const auto place = i * classes + static_cast<std::size_t>(labels.values<std::int32_t>()[i]);
    ratios.push_back(log_p.values<double>()[place] - log_p0.values<double>()[place]);
  }
  return ratios;
}

void check(const TextTask& task, const TextConfig& config) {
  const std::size_t prompts = task.prompts.shape()[0];
  if (config.samples < 2) {
    throw Error(fmt::format("reinforce_text: needs two samples of a prompt or more, got {}",
                            config.samples));
  }
  if (config.goal.episodes == 0 || config.goal.episodes % prompts != 0) {
    throw Error(fmt::format("reinforce_text: {} evaluation episodes are no multiple of {} prompts",
                            config.goal.episodes, prompts));
  }
  if (config.kl_penalty != 0 && config.start == nullptr) {
    throw Error("reinforce_text: a penalty on the divergence needs the start it is measured from");
  }
}

// Each reward less the mean of the same prompt's other ones.
std::vector<double> against_siblings(std::span<const double> rewards, std::size_t samples) {
  std::vector<double> advantages;
  for (std::size_t begin = 0; begin < rewards.size(); begin += samples) {
    const std::span<const double> siblings = rewards.subspan(begin, samples);
    double total = 0;
    for (const double reward : siblings) total = total + reward;
    for (const double reward : siblings) {
      advantages.push_back(reward - (total - reward) / static_cast<double>(samples - 1));
    }
  }
  return advantages;
}

}  // namespace

Tensor encoded_prompts(const Tokenizer& tokenizer, std::span<const std::string_view> texts) {
  std::vector<std::vector<std::int32_t>> rows;
  for (const std::string_view text : texts) {
    const std::vector<Token> tokens = tokenizer.encode(text);
    rows.emplace_back(tokens.begin(), tokens.end());
    if (rows.back().size() == rows.front().size() && !rows.back().empty()) continue;
    throw Error(
        fmt::format("prompts: \"{}\" has {} tokens, the first one {}; expected the same, "
                    "and at least one",
                    text, rows.back().size(), rows.front().size()));
  }
  if (rows.empty()) throw Error("prompts: there are none");
  return from_place(rows, 0);
}

std::function<double(std::span<const std::int32_t>)> share_of(const Tokenizer& tokenizer,
                                                              std::string_view bytes) {
  std::vector<std::int32_t> wanted;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (const Token token : tokenizer.encode(bytes.substr(i, 1))) {
      wanted.push_back(static_cast<std::int32_t>(token));
    }
  }
  return [wanted = std::move(wanted)](std::span<const std::int32_t> continuation) {
    const auto count = std::ranges::count_if(
        continuation, [&](std::int32_t token) { return std::ranges::count(wanted, token) != 0; });
    return static_cast<double>(count) / static_cast<double>(continuation.size());
  };
}

double Continuations::mean_reward() const {
  return kernels::sum<double>(rewards) / static_cast<double>(rewards.size());
}

Tensor Continuations::inputs() const { return tokens.slice(1, 0, tokens.shape()[1] - 1).compact(); }

Tensor Continuations::targets() const {
  const Tensor shifted = tokens.slice(1, 1, tokens.shape()[1]).compact();
  return shifted.reshape({shifted.elements()});
}

Continuations continue_prompts(const nn::Model& model, const TextTask& task, std::size_t samples,
                               const Rng& stream) {
  const std::size_t time = task.prompts.shape()[1];
  std::vector<std::vector<std::int32_t>> rows = repeated(task.prompts, samples);
  std::vector<Rng> streams;
  for (std::size_t r = 0; r < rows.size(); ++r) streams.push_back(stream.stream(r));
  nn::KvCache cache;
  std::vector<double> entropies;
  for (std::size_t t = 0; t < task.length; ++t) {
    const Tensor log_p = next_log_p(model, cache, from_place(rows, t == 0 ? 0 : time + t - 1));
    const std::size_t vocab = log_p.shape().last();
    std::vector<double> p(log_p.elements());
    kernels::exp(log_p.values<double>(), p);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const std::span<const double> mine = std::span(p).subspan(r * vocab, vocab);
      const std::span<const double> logs = log_p.values<double>().subspan(r * vocab, vocab);
      entropies.push_back(entropy_of(mine, logs));
      rows[r].push_back(static_cast<std::int32_t>(draw(mine, streams[r].uniform(t))));
    }
  }
  Continuations all{.tokens = from_place(rows, 0)};
  for (const auto& row : rows) all.rewards.push_back(task.reward(std::span(row).subspan(time)));
  all.entropy = kernels::sum<double>(entropies) / static_cast<double>(entropies.size());
  return all;
}

Learned reinforce_text(Ledger& ledger, const Store& target, const nn::Model& model,
                       const TextTask& task, const TextConfig& config, const std::string& state,
                       const Rng& stream) {
  check(task, config);
  Learner learner(ledger, target, config.optimizer, config.max_norm, config.writing, state, stream);
  const std::size_t time = task.prompts.shape()[1], row = time + task.length - 1;
  const Rng batches = stream.stream("batches");

  const auto update = [&](std::uint64_t number) -> Batch {
    const Continuations batch =
        continue_prompts(model, task, config.samples, batches.stream(number));
    const Tensor inputs = batch.inputs(), targets = batch.targets();
    Tape tape;
    nn::Run run(tape);
    const Var logits = model.forward(run, tape.constant(inputs));
    std::vector<double> rewards = batch.rewards;
    if (config.kl_penalty != 0) {
      const std::vector<double> ratios =
          log_ratios(rbl::log_probabilities(logits.value()),
                     rbl::log_probabilities(nn::evaluate(*config.start, inputs)), targets);
      for (std::size_t r = 0; r < rewards.size(); ++r) {
        for (std::size_t t = time - 1; t < row; ++t) {
          rewards[r] = rewards[r] - config.kl_penalty * ratios[r * row + t];
        }
      }
    }
    // Nothing is learned from the prompts; the mean is over the tokens that were drawn.
    const std::vector<double> advantages = against_siblings(rewards, config.samples);
    const double share = static_cast<double>(row) / static_cast<double>(task.length);
    TensorBuilder weights({targets.elements()}, logits.value().dtype());
    for (std::size_t i = 0; i < targets.elements(); ++i) {
      const bool drawn = i % row >= time - 1;
      weights.values<float>()[i] = drawn ? static_cast<float>(advantages[i / row] * share) : 0.0F;
    }
    learner.step(
        nn::policy_gradient(logits, targets, std::move(weights).build(), config.entropy_bonus));
    return {batch.mean_reward(), batch.entropy, rewards.size() * task.length};
  };
  const std::size_t samples = config.goal.episodes / task.prompts.shape()[0];
  const auto evaluation = [&]() -> Evaluation {
    const Continuations seen = continue_prompts(model, task, samples, stream.stream("evaluation"));
    return {seen.mean_reward(), seen.entropy, seen.inputs()};
  };
  return learn(model, config.goal, kSequences, evaluation, update);
}

}  // namespace palinode::experiments::policy
