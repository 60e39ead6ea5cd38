// Kernels that training does not reach, or reaches only with tame values and small arrays.
#include <fmt/format.h>

#include <bit>
#include <functional>
#include <string>
#include <vector>

#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/fast.h"
#include "tensor/kernels/reduce.h"
#include "tensor/kernels/softmax.h"
#include "tensor/ledger.h"
#include "tests/matrix/parts.h"

namespace palinode::matrix {
namespace {

// Work enough for seven threads where an element is cheap, and where it is a function or a row's.
// Neither is a multiple of a vector.
constexpr std::size_t kMany = 7 * 32768 + 13, kSome = 7 * 8192 + 13;

// Random bits: every exponent, both signs, infinities and NaNs.
template <class T>
Tensor any_bits(const Rng& rng, std::size_t count) {
  TensorBuilder builder({count}, dtype_of<T>());
  std::uint64_t i = 0;
  for (T& x : builder.values<T>()) {
    if constexpr (sizeof(T) == sizeof(std::uint32_t)) {
      x = std::bit_cast<T>(rng.word(i));
    } else {
      x = std::bit_cast<T>(std::uint64_t{rng.word(2 * i)} << 32 | rng.word(2 * i + 1));
    }
    ++i;
  }
  return std::move(builder).build();
}

// Collects results by name.
class Results {
 public:
  void add(const std::string& name, const Tensor& value) {
    sha_.add(leaf_digest(name, value.compact()));
  }
  // The value of an op and its gradient by each parameter, for a loss of the sum of the values.
  void add_op(const std::string& name, std::vector<Tensor> inputs,
              const std::function<Var(std::span<const Var>)>& op) {
    Ledger ledger(Ledger::Level::kOff);
    const Store& store = ledger.open("inputs", Role::kIdentity);
    Proposal proposal{.proposer = "kernels"};
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      proposal.writes.push_back({&store, std::to_string(i), inputs[i], true});
    }
    ledger.commit(proposal);
    Tape tape;
    std::vector<Var> operands;
    for (std::size_t i = 0; i < inputs.size(); ++i) operands.push_back(tape.parameter(store, i));
    const Var y = op(operands);
    add(name, y.value());
    const Gradients gradients = backward(sum(y));
    for (const Gradients::Item& item : gradients.items()) {
      add(fmt::format("{} by {}", name, item.entry), item.value);
    }
  }
  Sha256Digest finish() { return sha_.finish(); }

 private:
  Sha256 sha_;
};

using Operands = std::span<const Var>;

struct Named {
  std::string_view name;
  Tensor value;
};

struct Fast {
  const char* name;
  void (*kernel)(std::span<const float> x, std::span<float> out);
};

constexpr Fast kFastFunctions[] = {{"exp_fast", kernels::exp_fast},
                                   {"log_fast", kernels::log_fast},
                                   {"tanh_fast", kernels::tanh_fast},
                                   {"sigmoid_fast", kernels::sigmoid_fast},
                                   {"erf_fast", kernels::erf_fast},
                                   {"gelu_fast", kernels::gelu_fast},
                                   {"gelu_tanh_fast", kernels::gelu_tanh_fast},
                                   {"sin_fast", kernels::sin_fast},
                                   {"cos_fast", kernels::cos_fast},
                                   {"rsqrt_fast", kernels::rsqrt_fast}};

void add_fast(Results& results, const Named& x) {
  for (const Fast& fast : kFastFunctions) {
    results.add(fmt::format("{} {}", x.name, fast.name),
                filled<float>(x.value.shape(), [&](std::span<float> out) {
                  fast.kernel(x.value.values<float>(), out);
                }));
  }
}

// Narrowed and widened again.
void add_halves(Results& results, const Named& x) {
  for (const Dtype half : {Dtype::kBf16, Dtype::kF16}) {
    const std::string name = fmt::format("{} {}", x.name, dtype_name(half));
    const Tensor narrow = x.value.to(half);
    results.add(name, narrow);
    results.add(name + " and back", narrow.to(x.value.dtype()));
  }
}

template <class T>
void functions(Results& results, const Rng& rng) {
  const Tensor tame = rng.stream("tame").normal({kSome}, dtype_of<T>());
  const Tensor wild = any_bits<T>(rng.stream("wild"), kSome);
  for (const Named& x : {Named{"tame", tame}, Named{"wild", wild}}) {
    const auto add = [&](const char* name, Var (*op)(Var, Precision)) {
      results.add_op(fmt::format("{} {}", x.name, name), {x.value},
                     [op](Operands in) { return op(in[0], Precision::kRounded); });
    };
    add("exp", exp);
    add("log", log);
    add("tanh", tanh);
    add("sigmoid", sigmoid);
    add("erf", erf);
    add("gelu", gelu);
    add("gelu_tanh", gelu_tanh);
    add("silu", silu);
    add("sin", sin);
    add("cos", cos);
    add("rsqrt", rsqrt);
  }
}

template <class T>
void elementwise(Results& results, const Rng& rng) {
  const Tensor tame = rng.stream("tame").normal({kMany}, dtype_of<T>());
  const Tensor wild = any_bits<T>(rng.stream("wild"), kMany);
  for (const Named& x : {Named{"tame", tame}, Named{"wild", wild}}) {
    const auto add = [&](const char* name, const std::function<Var(Operands)>& op) {
      results.add_op(fmt::format("{} {}", x.name, name), {x.value, tame}, op);
    };
    add("add", [](Operands in) { return palinode::add(in[0], in[1]); });
    add("mul", [](Operands in) { return mul(in[0], in[1]); });
    add("scale", [](Operands in) { return scale(in[0], 0.1); });
    add("relu", [](Operands in) { return relu(in[0]); });
    add("sum", [](Operands in) { return sum(in[0]); });
    add("mean", [](Operands in) { return mean(in[0]); });
    if (dtype_of<T>() == Dtype::kF32) add_fast(results, x);
    add_halves(results, x);
  }
  const std::span<const T> a = tame.values<T>(), b = wild.values<T>();
  const auto binary = [&](const char* name, auto kernel, std::span<const T> u,
                          std::span<const T> v) {
    results.add(name, filled<T>({kMany}, [&](std::span<T> out) { kernel(u, v, out); }));
  };
  binary("sub", kernels::sub<T>, b, a);
  binary("div", kernels::div<T>, b, a);
  binary("div by wild", kernels::div<T>, a, b);
}

template <class T>
void rows(Results& results, const Rng& rng) {
  for (const std::size_t cols : {1U, 7U, 64U, 65U, 997U}) {
    const std::size_t count = kSome / cols;
    const Tensor x = rng.stream("x").normal({count, cols}, dtype_of<T>());
    const Tensor gamma = rng.stream("gamma").normal({cols}, dtype_of<T>());
    const auto name = [&](const char* op) { return fmt::format("{} {}", op, cols); };
    // Times 60, so that some exponentials vanish and some are subnormal.
    results.add_op(name("softmax"), {x}, [](Operands in) {
      const Var p = softmax(scale(in[0], 60));
      return mul(p, p);
    });
    results.add_op(name("log_softmax"), {x},
                   [](Operands in) { return log_softmax(scale(in[0], 60)); });
    results.add_op(name("layer_norm"), {x, gamma, gamma},
                   [](Operands in) { return layer_norm(in[0], in[1], in[2]); });
    results.add_op(name("rms_norm"), {x, gamma},
                   [](Operands in) { return rms_norm(in[0], in[1]); });
    const std::span<const T> values = x.values<T>();
    results.add(name("column_sums"), filled<T>({cols}, [&](std::span<T> out) {
                  kernels::column_sums<T>(values, count, cols, out);
                }));
    results.add(name("row_max"), filled<T>({count}, [&](std::span<T> out) {
                  kernels::row_max<T>(values, count, cols, out);
                }));
    results.add(name("row_argmax"), filled<std::int32_t>({count}, [&](std::span<std::int32_t> out) {
                  kernels::row_argmax<T>(values, count, cols, out);
                }));
    results.add(name("causal_softmax"), filled<T>({count, cols}, [&](std::span<T> out) {
                  kernels::causal_softmax<T>(values, count, cols, out);
                }));
    results.add(name("l2_norm"), Tensor::full<T>({}, kernels::l2_norm<T>(values)));
  }
}

template <class T>
void products(Results& results, const Rng& rng) {
  // m, k, n: one row, one column, tails, several blocks of k, and work for seven threads by rows
  // and by columns.
  constexpr std::size_t kSizes[][3] = {{1, 300, 130}, {130, 257, 1},  {13, 17, 19},
                                       {67, 513, 71}, {307, 61, 101}, {53, 61, 601}};
  for (const auto& [m, k, n] : kSizes) {
    const Tensor a = rng.stream("a").normal({m, k}, dtype_of<T>());
    const Tensor b = rng.stream("b").normal({k, n}, dtype_of<T>());
    const Tensor bias = rng.stream("bias").normal({n}, dtype_of<T>());
    const std::string name = fmt::format("matmul {} {} {}", m, k, n);
    // The backward of a product reads the one and the other operand transposed.
    results.add_op(name, {a, b, bias}, [](Operands in) { return linear(in[0], in[1], in[2]); });
    results.add_op(name + " transposed", {a.transpose().compact(), b.transpose().compact()},
                   [](Operands in) { return matmul(transpose(in[0]), transpose(in[1])); });
  }
  const Tensor wild = any_bits<T>(rng.stream("wild"), 37 * 41).reshape({37, 41});
  results.add_op("matmul wild", {wild},
                 [](Operands in) { return matmul(in[0], transpose(in[0])); });
  const Tensor batch = rng.stream("batch").normal({17, 47, 53}, dtype_of<T>());
  results.add_op("matmul batch", {batch},
                 [](Operands in) { return matmul(transpose(in[0]), in[0]); });
}

}  // namespace

Sha256Digest run_kernels() {
  Results results;
  const auto all = [&]<class T>(const Rng& rng) {
    functions<T>(results, rng.stream("functions"));
    elementwise<T>(results, rng.stream("elementwise"));
    rows<T>(results, rng.stream("rows"));
    products<T>(results, rng.stream("products"));
  };
  all.operator()<float>(Rng(7).stream("kernels.f32"));
  all.operator()<double>(Rng(7).stream("kernels.f64"));
  return results.finish();
}

}  // namespace palinode::matrix
