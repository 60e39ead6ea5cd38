// A pre-norm block with two heads of causal attention that learns to name the token before.
#include <cmath>
#include <limits>
#include <string>

#include "nn/linear.h"
#include "tests/matrix/parts.h"
#include "tests/matrix/training.h"

namespace palinode::matrix {
namespace {

// Odd sizes, so that every tile and every vector has a tail.
constexpr std::size_t kSequences = 3, kLength = 19, kRows = kSequences * kLength;
constexpr std::size_t kWidth = 23, kHead = 11, kInner = 41, kTokens = 13;

// 0 where a place may look, at itself and before, and -inf elsewhere: [sequences, length, length].
Tensor causal_mask() {
  std::vector<float> mask(kRows * kLength, -std::numeric_limits<float>::infinity());
  for (std::size_t row = 0; row < kRows; ++row) {
    for (std::size_t at = 0; at <= row % kLength; ++at) mask[row * kLength + at] = 0;
  }
  return Tensor::from<float>(mask, {kSequences, kLength, kLength});
}

class Head {
 public:
  Head(const Store& store, const std::string& name)
      : query_(store, name + ".query", {kWidth, kHead}),
        key_(store, name + ".key", {kWidth, kHead}),
        value_(store, name + ".value", {kWidth, kHead}),
        out_(store, name + ".out", {kHead, kWidth}) {}

  void init(Proposal& proposal, const Rng& rng) const {
    for (const nn::Linear* layer : {&query_, &key_, &value_, &out_}) {
      layer->init(proposal, rng, Dtype::kF32);
    }
  }

  // x, mask [sequences, length, length] -> what the head adds to the residual stream.
  Var operator()(nn::Run& run, Var x, Var mask) const {
    const Var q = by_sequence(query_(run, x));
    const Var k = by_sequence(key_(run, x));
    const Var v = by_sequence(value_(run, x));
    const Var scores = scale(matmul(q, transpose(k)), 1 / std::sqrt(double{kHead}));
    const Var mixed = matmul(softmax(add(scores, mask)), v);
    return out_(run, reshape(mixed, {kRows, kHead}));
  }

 private:
  static Var by_sequence(Var x) { return reshape(x, {kSequences, kLength, kHead}); }

  nn::Linear query_, key_, value_, out_;
};

class Norm {
 public:
  Norm(const Store& store, const std::string& name)
      : store_(&store), gamma_(name + ".gamma"), beta_(name + ".beta") {}

  void init(Proposal& proposal) const {
    proposal.writes.push_back({store_, gamma_, Tensor::full<float>({kWidth}, 1), true});
    proposal.writes.push_back({store_, beta_, Tensor::full<float>({kWidth}, 0), true});
  }

  Var operator()(nn::Run& run, Var x) const {
    return layer_norm(x, run.parameter(*store_, gamma_), run.parameter(*store_, beta_));
  }

 private:
  const Store* store_;
  std::string gamma_, beta_;
};

// x [sequences * length, width] -> logits [sequences * length, tokens].
class Block : public nn::Model {
 public:
  explicit Block(const Store& store)
      : before_heads_(store, "before_heads"),
        before_inner_(store, "before_inner"),
        first_(store, "head.0"),
        second_(store, "head.1"),
        up_(store, "up", {kWidth, kInner}),
        down_(store, "down", {kInner, kWidth}),
        out_(store, "out", {kWidth, kTokens}) {}

  Proposal init(const Rng& rng) const {
    Proposal proposal{.reason = Reason::kInit, .proposer = "block", .seed = rng.seed()};
    for (const Norm* norm : {&before_heads_, &before_inner_}) norm->init(proposal);
    for (const Head* head : {&first_, &second_}) head->init(proposal, rng);
    for (const nn::Linear* layer : {&up_, &down_, &out_}) layer->init(proposal, rng, Dtype::kF32);
    return proposal;
  }

  Var forward(nn::Run& run, Var x) const override {
    const Var mask = run.tape().constant(mask_);
    const Var seen = before_heads_(run, x);
    // One statement each: C++ leaves open in which order the arguments of a call are evaluated, and
    // the order on the tape is the order of the gradient's sums.
    const Var first = first_(run, seen, mask);
    const Var second = second_(run, seen, mask);
    x = add(x, add(first, second));
    x = add(x, down_(run, gelu(up_(run, before_inner_(run, x)))));
    return out_(run, x);
  }

 private:
  Tensor mask_ = causal_mask();
  Norm before_heads_, before_inner_;
  Head first_, second_;
  nn::Linear up_, down_, out_;
};

// Random sequences. A row is the code of its token plus the code of its place; its class is the
// token before, or 0 at the start.
class Sequences {
 public:
  explicit Sequences(const Rng& rng)
      : rng_(rng),
        tokens_(rng.stream("token").normal({kTokens, kWidth}, Dtype::kF32)),
        places_(rng.stream("place").normal({kLength, kWidth}, Dtype::kF32)) {}

  Batch at(std::uint64_t step) const {
    const Rng draw = rng_.stream("step").stream(step);
    std::vector<float> x;
    std::vector<std::int32_t> labels(kRows);
    for (std::size_t row = 0; row < kRows; ++row) {
      const std::size_t token = draw.below(row, kTokens), place = row % kLength;
      for (std::size_t j = 0; j < kWidth; ++j) {
        x.push_back(tokens_.values<float>()[token * kWidth + j] +
                    places_.values<float>()[place * kWidth + j]);
      }
      if (place + 1 < kLength) labels[row + 1] = static_cast<std::int32_t>(token);
    }
    return {Tensor::from<float>(x, {kRows, kWidth}), Tensor::from<std::int32_t>(labels, {kRows})};
  }

 private:
  Rng rng_;
  Tensor tokens_, places_;
};

}  // namespace

Sha256Digest train_attention(std::uint64_t steps) {
  const Rng rng = Rng(7).stream("attention");
  const Sequences sequences(rng.stream("sequences"));
  Training training;
  const Block block(training.theta());
  training.ledger().commit(block.init(rng.stream("init")));
  for (std::uint64_t step = 0; step < steps; ++step) training.step(block, sequences.at(step));
  return training.digest();
}

}  // namespace palinode::matrix
