#include "rbl/diagnostics/attribution.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "autograd/losses.h"
#include "tensor/error.h"
#include "tensor/kernels/change.h"
#include "tensor/kernels/reduce.h"

namespace palinode::rbl {
namespace {

struct Part {
  std::string name;
  std::vector<std::size_t> entries;  // places in the values
};

std::vector<Part> parts_of(const NamedValues& values, Grouping grouping) {
  std::vector<Part> parts;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::string& name = values[i].name;
    const std::string group =
        grouping == Grouping::kTensor ? name : name.substr(0, name.rfind('.'));
    const auto found = std::ranges::find(parts, group, &Part::name);
    if (found == parts.end()) {
      parts.push_back({group, {i}});
    } else {
      found->entries.push_back(i);
    }
  }
  return parts;
}

void check(const NamedValues& from, const NamedValues& to) {
  if (from.size() != to.size()) {
    throw NameError(fmt::format("attribute: {} tensors against {}", from.size(), to.size()));
  }
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (from[i].name != to[i].name) {
      throw NameError(
          fmt::format("attribute: tensor {} is {} and {}", i, from[i].name, to[i].name));
    }
    const Tensor& a = from[i].value;
    const Tensor& b = to[i].value;
    if (a.shape() != b.shape() || a.dtype() != b.dtype()) {
      throw ShapeError(
          fmt::format("attribute: {} is {} and {}", from[i].name, a.describe(), b.describe()));
    }
  }
}

std::uint64_t words_between(const Tensor& a, const Tensor& b) {
  return with_float(a.dtype(), "attribute", [&]<class T>() {
    return kernels::change<T>(a.values<T>(), b.values<T>()).elements_changed;
  });
}

NamedValues with_part(NamedValues values, const NamedValues& other, const Part& part) {
  for (const std::size_t i : part.entries) values[i] = other[i];
  return values;
}

// dD / dw at `to` times (to - from) / 2, for each tensor.
std::vector<double> first_orders(const Family& family, Role role, const Tensor& f0_logits,
                                 const NamedValues& from, const NamedValues& to,
                                 const Tensor& probes) {
  // A store of its own: gradients are not given for a frozen one.
  const Scratch scratch(family, role, to, Reason::kLoad);
  Tape tape;
  nn::Run run(tape);
  const Var y = scratch.function().forward(run, tape.constant(probes));
  const Var log_q = log_softmax(y);
  const Var y0 = tape.constant(f0_logits);
  const Var log_p = log_softmax(y0);
  const Gradients gradients = backward(kl_div(log_p, log_q));
  std::vector<double> result(to.size());
  for (std::size_t i = 0; i < to.size(); ++i) {
    const Tensor* found = gradients.find(scratch.store(), scratch.store().index(to[i].name));
    if (found == nullptr) continue;
    const Tensor g = found->compact().to(Dtype::kF64);
    const Tensor a = from[i].value.compact().to(Dtype::kF64);
    const Tensor b = to[i].value.compact().to(Dtype::kF64);
    std::vector<double> products(g.elements());
    for (std::size_t k = 0; k < products.size(); ++k) {
      products[k] = g.values<double>()[k] * (b.values<double>()[k] - a.values<double>()[k]);
    }
    result[i] = kernels::sum<double>(products) / 2;
  }
  return result;
}

std::vector<ProbeShare> rank(const Divergence& divergence) {
  const double total = kernels::sum<double>(divergence.per_input);
  std::vector<ProbeShare> ranked;
  for (std::size_t i = 0; i < divergence.per_input.size(); ++i) {
    const double kl = divergence.per_input[i];
    ranked.push_back({i, kl, total > 0 ? kl / total : 0});
  }
  std::ranges::stable_sort(ranked, std::ranges::greater(), &ProbeShare::kl);
  return ranked;
}

double left_over(const Attribution& a, double Contribution::*figure) {
  std::vector<double> parts;
  for (const Contribution& part : a.parts) parts.push_back(part.*figure);
  return a.total - kernels::sum<double>(parts);
}

}  // namespace

double Attribution::put_back_interaction() const {
  return left_over(*this, &Contribution::put_back);
}
double Attribution::added_in_interaction() const {
  return left_over(*this, &Contribution::added_in);
}
double Attribution::first_order_interaction() const {
  return left_over(*this, &Contribution::first_order);
}

Attribution attribute(const Family& family, Role role, const NamedValues& from,
                      const NamedValues& to, const Tensor& probes, Grouping grouping) {
  check(from, to);
  const Tensor logits = evaluate_at(family, role, from, Reason::kLoad, probes);
  const Tensor f0 = log_probabilities(logits);
  const auto divergence = [&](const NamedValues& values) {
    return kl_divergence(
        f0, log_probabilities(evaluate_at(family, role, values, Reason::kLoad, probes)));
  };
  const Divergence whole = divergence(to);
  Attribution result{.total = whole.mean, .parts = {}, .probes = rank(whole)};
  const std::vector<double> slopes = first_orders(family, role, logits, from, to, probes);
  for (const Part& part : parts_of(from, grouping)) {
    Contribution found{.name = part.name};
    for (const std::size_t i : part.entries) {
      found.words += from[i].value.elements();
      found.words_changed += words_between(from[i].value, to[i].value);
      found.first_order = found.first_order + slopes[i];
    }
    if (found.words_changed > 0) {
      found.put_back = result.total - divergence(with_part(to, from, part)).mean;
      found.added_in = divergence(with_part(from, to, part)).mean;
    }
    result.parts.push_back(std::move(found));
  }
  std::ranges::stable_sort(result.parts, std::ranges::greater(), &Contribution::put_back);
  return result;
}

std::string explain(const Attribution& a, std::size_t probes) {
  std::size_t width = 11;
  for (const Contribution& part : a.parts) width = std::max(width, part.name.size());
  const auto line = [&](std::string_view name, std::string_view words, double put_back,
                        double added_in, double first_order) {
    return fmt::format("{:<{}}  {:>15}  {:>11.4g}  {:>11.4g}  {:>11.4g}\n", name, width, words,
                       put_back, added_in, first_order);
  };
  std::string text =
      fmt::format("KL(f0 || f1) {:.6g} nats, mean over {} probes\n\n", a.total, a.probes.size());
  text += fmt::format("{:<{}}  {:>15}  {:>11}  {:>11}  {:>11}\n", "part", width, "words changed",
                      "put back", "added in", "first order");
  for (const Contribution& part : a.parts) {
    text += line(part.name, fmt::format("{}/{}", part.words_changed, part.words), part.put_back,
                 part.added_in, part.first_order);
  }
  const double put_back = a.put_back_interaction(), added_in = a.added_in_interaction(),
               first_order = a.first_order_interaction();
  text += line("sum", "", a.total - put_back, a.total - added_in, a.total - first_order);
  text += line("interaction", "", put_back, added_in, first_order);
  text += line("total", "", a.total, a.total, a.total);
  text += fmt::format("\n{:<{}}  {:>15}  {:>11}\n", "probe", width, "nats", "share");
  for (std::size_t i = 0; i < std::min(probes, a.probes.size()); ++i) {
    const ProbeShare& probe = a.probes[i];
    text += fmt::format("{:<{}}  {:>15.6g}  {:>10.1f}%\n", probe.probe, width, probe.kl,
                        100 * probe.share);
  }
  return text;
}

}  // namespace palinode::rbl
