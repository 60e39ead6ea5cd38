// Every row of the op table: its gradient against central differences in f64, its f32 form against
// its f64 form.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "autograd/op_spec.h"
#include "autograd/ops.h"
#include "tensor/digest.h"
#include "tensor/error.h"
#include "tensor/ledger.h"
#include "tests/support/message.h"

namespace palinode {
namespace {

constexpr std::uint64_t kDraws = 20;

// A ledger whose store holds a sample's inputs as parameters "0", "1", ...
struct Parameters {
  Ledger ledger;
  const Store& store = ledger.open("inputs", Role::kIdentity);

  explicit Parameters(const std::vector<Tensor>& inputs) {
    Proposal proposal{.proposer = "test"};
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      proposal.writes.push_back({&store, std::to_string(i), inputs[i], true});
    }
    ledger.commit(proposal);
  }
};

// sum(weights * op(inputs)): a scalar whose gradient exercises every entry of the backward.
Var weighted(Tape& tape, const OpSpec& op, const Parameters& parameters, const Attrs& attrs) {
  std::vector<Var> operands;
  for (std::size_t i = 0; i < parameters.store.entries().size(); ++i)
    operands.push_back(tape.parameter(parameters.store, i));
  const Var y = tape.apply(op, operands, attrs);
  const Tensor weights = Rng(5).stream("weights").normal(y.shape(), y.value().dtype());
  return sum(mul(y, tape.constant(weights)));
}

double value_at(const OpSpec& op, const Sample& sample) {
  Tape tape;
  return weighted(tape, op, Parameters(sample.inputs), sample.attrs).value().item();
}

Sample nudged(const Sample& sample, std::size_t input, std::size_t element, double by) {
  Sample moved = sample;
  const std::span<const double> old = sample.inputs[input].values<double>();
  std::vector<double> values(old.begin(), old.end());
  values[element] += by;
  moved.inputs[input] = Tensor::from<double>(values, sample.inputs[input].shape());
  return moved;
}

struct EveryOp : testing::TestWithParam<const OpSpec*> {
  const OpSpec& op = *GetParam();
  Rng draws = Rng(11).stream(op.name);
};

TEST_P(EveryOp, HasTheGradientOfItsFunction) {
  for (std::uint64_t draw = 0; draw < kDraws; ++draw) {
    const Sample sample = op.sample(draws.stream(draw));
    ASSERT_TRUE(op.arity == kVariadic || sample.inputs.size() == op.arity);
    const Parameters parameters(sample.inputs);
    Tape tape;
    const Gradients gradients = backward(weighted(tape, op, parameters, sample.attrs));
    for (std::size_t k = 0; k < sample.inputs.size(); ++k) {
      const Tensor& gradient = gradients.at(parameters.store, std::to_string(k));
      ASSERT_EQ(gradient.shape(), sample.inputs[k].shape());
      for (std::size_t i = 0; i < gradient.elements(); ++i) {
        const double x = sample.inputs[k].values<double>()[i];
        const double h = 1e-6 * std::max(1.0, std::abs(x));
        const double numeric =
            (value_at(op, nudged(sample, k, i, h)) - value_at(op, nudged(sample, k, i, -h))) /
            (2 * h);
        const double exact = gradient.values<double>()[i];
        // Truncation h^2 and rounding 1e-16 / h both stay far below this.
        EXPECT_NEAR(exact, numeric, 2e-8 * std::max({1.0, std::abs(exact), 100 * std::abs(x)}))
            << "input " << k << " element " << i << " draw " << draw;
      }
    }
  }
}

TEST_P(EveryOp, InF32IsCloseToItselfInF64) {
  for (std::uint64_t draw = 0; draw < kDraws; ++draw) {
    Sample wide = op.sample(draws.stream(draw));
    Sample narrow = wide;
    for (std::size_t k = 0; k < wide.inputs.size(); ++k) {
      narrow.inputs[k] = wide.inputs[k].to(Dtype::kF32);
      wide.inputs[k] = narrow.inputs[k].to(Dtype::kF64);  // the same numbers, exactly
    }
    for (Tensor Attrs::*const member : {&Attrs::weights, &Attrs::mean, &Attrs::variance}) {
      if ((wide.attrs.*member).empty()) continue;
      narrow.attrs.*member = (wide.attrs.*member).to(Dtype::kF32);
      wide.attrs.*member = (narrow.attrs.*member).to(Dtype::kF64);
    }
    Kept wide_kept, narrow_kept;
    const Tensor y = op.forward(wide.inputs, wide.attrs, wide_kept).compact();
    const Tensor z = op.forward(narrow.inputs, narrow.attrs, narrow_kept).compact();
    ASSERT_EQ(z.dtype(), Dtype::kF32);
    for (std::size_t i = 0; i < y.elements(); ++i) {
      const double want = y.values<double>()[i];
      EXPECT_NEAR(z.values<float>()[i], want, 1e-5 * std::max(1.0, std::abs(want)));
    }
  }
}

TEST_P(EveryOp, ReadsStridedInputsLikeCompactOnes) {
  std::size_t strided = 0;
  for (std::uint64_t draw = 0; draw < kDraws; ++draw) {
    const Sample sample = op.sample(draws.stream(draw));
    std::vector<Tensor> views = sample.inputs;
    for (Tensor& input : views) {
      if (input.shape().rank() >= 2) input = input.transpose().compact().transpose();
      strided += input.contiguous() ? 0 : 1;
    }
    Kept kept_of_y, kept_of_z;
    const Tensor y = op.forward(sample.inputs, sample.attrs, kept_of_y);
    const Tensor z = op.forward(views, sample.attrs, kept_of_z);
    EXPECT_EQ(xxh3(y), xxh3(z));
    Tensor dy = Rng(5).stream("dy").normal(y.shape(), Dtype::kF64);
    Tensor dz = y.shape().rank() >= 2 ? dy.transpose().compact().transpose() : dy;
    std::array<bool, kMaxArity> needed;
    needed.fill(true);
    const auto a = op.backward({sample.inputs, y, sample.attrs, kept_of_y, needed}, dy);
    const auto b = op.backward({views, z, sample.attrs, kept_of_z, needed}, dz);
    for (std::size_t k = 0; k < sample.inputs.size(); ++k) EXPECT_EQ(xxh3(a[k]), xxh3(b[k]));
  }
  EXPECT_GT(strided, 0U);
}

TEST_P(EveryOp, RefusesIntegers) {
  Sample sample = op.sample(draws.stream(0));
  for (Tensor& input : sample.inputs) input = Tensor::zeros(input.shape(), Dtype::kI32);
  Kept kept;
  EXPECT_THROW(op.forward(sample.inputs, sample.attrs, kept), Error);
}

TEST_P(EveryOp, RefusesSixteenBitFloatsAndSaysWhatToDo) {
  Sample sample = op.sample(draws.stream(0));
  for (Tensor& input : sample.inputs) input = input.to(Dtype::kBf16);
  Kept kept;
  EXPECT_MESSAGE(op.forward(sample.inputs, sample.attrs, kept), DtypeError,
                 std::string(op.name) + ": needs f32 or f64, got bf16; convert it with to()");
}

INSTANTIATE_TEST_SUITE_P(Table, EveryOp, testing::ValuesIn(op_table().begin(), op_table().end()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace palinode
