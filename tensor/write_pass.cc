#include "tensor/write_pass.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <span>
#include <utility>

#include "tensor/error.h"
#include "tensor/kernels/update.h"
#include "tensor/parallel.h"

namespace palinode {
namespace {

// Values of a piece: the new ones of a step of Adam are in the first-level cache still when they
// are digested. A multiple of 64, as ChangeSum wants it.
constexpr std::size_t kPiece = 2048;

constexpr std::size_t kPart = kernels::ChangeSum<float>::kPart;

template <class T>
bool all_finite(std::span<const T> values) {
  return std::ranges::all_of(values, [](T x) { return is_finite(x); });
}

// What is learned of one output. Its parts may be looked at by several threads; its digest is taken
// on the way by a thread that sees the whole of it, otherwise at the end.
template <class T>
class Trace {
 public:
  Trace(std::span<const T> before, std::span<const T> after, WritePass pass)
      : before_(before), after_(after), pass_(pass) {
    const std::size_t parts = parts_of(after.size());
    if (pass.change && parts > 1) rest_.resize(parts - 1);
  }

  static std::size_t parts_of(std::size_t n) { return (n + kPart - 1) / kPart; }

  // Where a rule adds up the change of part `part`.
  kernels::ChangeSum<T>& change_of(std::size_t part) {
    return part == 0 ? first_ : rest_[part - 1];
  }

  // Elements of part `part`; `whole` if one thread looks at all parts in order.
  void look_at(std::size_t part, std::size_t begin, std::size_t count, bool whole) {
    if (!pass_.change) return;
    change_of(part).add(before_.subspan(begin, count), after_.subspan(begin, count), sums(whole));
  }

  // Elements whose change the rule adds up.
  void digest(std::size_t begin, std::size_t count, bool whole) {
    kernels::Xxh3Sums* const digest = sums(whole);
    if (digest != nullptr) digest->add(std::as_bytes(after_.subspan(begin, count)));
  }

  // `finite`: it is known already that all values are.
  Written finish(Tensor value, bool finite) {
    Written written{.value = std::move(value)};
    if (pass_.finite && !pass_.change) written.finite = finite || all_finite(after_);
    if (pass_.change) {
      for (const kernels::ChangeSum<T>& part : rest_) first_.append(part);
      written.change = first_.total(before_, after_);
      written.finite = first_.finite();
    }
    if (!pass_.digest) return written;
    const bool no_nan = pass_.change && written.finite;
    written.digest = no_nan && sums_ ? sums_->finish(std::as_bytes(after_)) : xxh3(after_, no_nan);
    return written;
  }

 private:
  kernels::Xxh3Sums* sums(bool whole) {
    if (!whole || !pass_.digest || !pass_.change) return nullptr;
    if (after_.size_bytes() < kernels::Xxh3Sums::kLong) return nullptr;
    if (!sums_) sums_.emplace(after_.size_bytes());
    return &*sums_;
  }

  std::span<const T> before_, after_;
  WritePass pass_;
  kernels::ChangeSum<T> first_;             // of the first part
  PoolVector<kernels::ChangeSum<T>> rest_;  // of the others
  std::optional<kernels::Xxh3Sums> sums_;
};

// Asks for the piece that begins at `at`.
template <class T>
void prefetch(std::span<const T> values, std::size_t at) {
  constexpr std::size_t kLine = 64 / sizeof(T);
  const std::size_t end = std::min(values.size(), at + kPiece);
  for (std::size_t i = at; i < end; i += kLine) __builtin_prefetch(&values[i], 0, 2);
}

template <class T>
kernels::SgdStep<T> coefficients(const SgdRule& rule) {
  return {static_cast<T>(rule.lr), static_cast<T>(rule.momentum), static_cast<T>(rule.weight_decay),
          rule.nesterov};
}

template <class T>
kernels::AdamStep<T> coefficients(const AdamRule& rule) {
  return {static_cast<T>(rule.beta1), static_cast<T>(1.0 - rule.beta1),
          static_cast<T>(rule.beta2), static_cast<T>(1.0 - rule.beta2),
          static_cast<T>(rule.a),     static_cast<T>(rule.r),
          static_cast<T>(rule.eps),   static_cast<T>(rule.decay)};
}

template <class T>
kernels::RmsPropStep<T> coefficients(const RmsPropRule& rule) {
  return {static_cast<T>(rule.lr),          static_cast<T>(rule.alpha),
          static_cast<T>(1.0 - rule.alpha), static_cast<T>(rule.eps),
          static_cast<T>(rule.momentum),    static_cast<T>(rule.weight_decay)};
}

// The arrays of a step: the weight first, then its moments.
template <class T>
struct Arrays {
  std::span<const T> gradient;
  InlineVector<std::span<const T>, 1 + kMaxMoments> before;
  InlineVector<std::span<T>, 1 + kMaxMoments> after;
};

// Each of these tells whether all new values are finite.
template <class T>
bool advance(const SgdRule& rule, std::span<const T> g, const Arrays<T>& x, std::size_t at,
             kernels::Changes<T> changes) {
  const std::size_t count = g.size();
  const auto step = coefficients<T>(rule);
  const auto w = x.before[0].subspan(at, count);
  const auto w_out = x.after[0].subspan(at, count);
  if (rule.momentum == 0) return kernels::sgd<T>(step, g, w, w_out, changes);
  return kernels::sgd_momentum<T>(step, g, w, x.before[1].subspan(at, count), w_out,
                                  x.after[1].subspan(at, count), changes);
}

template <class T>
bool advance(const AdamRule& rule, std::span<const T> g, const Arrays<T>& x, std::size_t at,
             kernels::Changes<T> changes) {
  const std::size_t count = g.size();
  return kernels::adam<T>(coefficients<T>(rule), g, x.before[0].subspan(at, count),
                          x.before[1].subspan(at, count), x.before[2].subspan(at, count),
                          x.after[0].subspan(at, count), x.after[1].subspan(at, count),
                          x.after[2].subspan(at, count), changes);
}

template <class T>
bool advance(const RmsPropRule& rule, std::span<const T> g, const Arrays<T>& x, std::size_t at,
             kernels::Changes<T> changes) {
  const std::size_t count = g.size();
  kernels::RmsPropMoments<const T> old;
  kernels::RmsPropMoments<T> out;
  std::size_t next = 1;
  const auto take = [&](std::span<const T>& before, std::span<T>& after) {
    before = x.before[next].subspan(at, count);
    after = x.after[next].subspan(at, count);
    ++next;
  };
  take(old.s, out.s);
  if (rule.centered) take(old.m, out.m);
  if (rule.momentum != 0) take(old.v, out.v);
  return kernels::rmsprop<T>(coefficients<T>(rule), g, x.before[0].subspan(at, count), old,
                             x.after[0].subspan(at, count), out, changes);
}

// The gradient as the rule gets it: itself, or scaled and limited in `room`.
template <class T>
std::span<const T> prepared(const Step& step, std::span<const T> g, std::array<T, kPiece>& room) {
  if (step.scale == 1 && std::isinf(step.limit)) return g;
  const std::span<T> out = std::span<T>(room).first(g.size());
  kernels::prepare_gradient<T>(static_cast<T>(step.scale), static_cast<T>(step.limit), g, out);
  return out;
}

template <class T>
bool advance_part(const Step& step, const Arrays<T>& arrays, std::size_t part, bool measured,
                  bool whole, std::span<Trace<T>> traces) {
  alignas(64) std::array<T, kPiece> room;
  InlineVector<kernels::ChangeSum<T>*, 1 + kMaxMoments> changes;
  for (std::size_t i = 0; measured && i < arrays.after.size(); ++i) {
    changes.push_back(&traces[i].change_of(part));
  }
  bool finite = true;
  const std::size_t end = std::min(arrays.gradient.size(), (part + 1) * kPart);
  for (std::size_t at = part * kPart; at < end; at += kPiece) {
    const std::size_t count = std::min(kPiece, end - at);
    const std::span<const T> g = prepared<T>(step, arrays.gradient.subspan(at, count), room);
    finite &= std::visit(
        [&](const auto& rule) {
          return advance<T>(rule, g, arrays, at, {changes.begin(), changes.size()});
        },
        step.rule);
    // The next piece comes from memory while this one is digested.
    prefetch(arrays.gradient, at + count);
    for (const std::span<const T> x : arrays.before) prefetch(x, at + count);
    for (std::size_t i = 0; i < arrays.after.size(); ++i) {
      traces[i].digest(at, count, whole);
    }
  }
  return finite;
}

template <class T>
Written copy_floats(const Tensor* old, const Tensor& value, WritePass pass) {
  const Tensor source = value.compact();
  const bool compares_with_zeros = old == nullptr && pass.change;
  const Tensor zeros = Tensor::zeros(compares_with_zeros ? value.shape() : Shape{0}, value.dtype());
  TensorBuilder builder(value.shape(), value.dtype());
  const std::span<const T> from = source.values<T>();
  const std::span<T> to = builder.values<T>();
  const std::span<const T> before = old != nullptr ? old->values<T>() : zeros.values<T>();
  Trace<T> trace(before, to, pass);
  for (std::size_t at = 0; at < to.size(); at += kPiece) {
    const std::size_t count = std::min(kPiece, to.size() - at);
    std::ranges::copy(from.subspan(at, count), to.subspan(at, count).begin());
    trace.look_at(at / kPart, at, count, true);
  }
  return trace.finish(std::move(builder).build(), false);
}

// Types that are rarely written: one pass for each thing wanted.
template <class T>
Written copy_others(const Tensor* old, const Tensor& value, WritePass pass) {
  Written written{.value = value.copy()};
  const std::span<const T> after = written.value.values<T>();
  if (pass.change) {
    const Tensor before = old != nullptr ? *old : Tensor::zeros(value.shape(), value.dtype());
    written.change = kernels::change<T>(before.values<T>(), after);
  }
  if (pass.change || pass.finite) written.finite = all_finite(after);
  if (pass.digest) written.digest = xxh3(after);
  return written;
}

}  // namespace

std::size_t moments_of(const Rule& rule) {
  if (const SgdRule* sgd = std::get_if<SgdRule>(&rule)) return sgd->momentum == 0 ? 0 : 1;
  if (const RmsPropRule* rmsprop = std::get_if<RmsPropRule>(&rule)) {
    return std::size_t{1} + (rmsprop->centered ? 1 : 0) + (rmsprop->momentum == 0 ? 0 : 1);
  }
  return 2;
}

Written copy_value(const Tensor* old, const Tensor& value, WritePass pass) {
  return with_element(value.dtype(), [&]<class T>() {
    if constexpr (std::is_floating_point_v<T>) {
      return copy_floats<T>(old, value, pass);
    } else {
      return copy_others<T>(old, value, pass);
    }
  });
}

InlineVector<Written, 1 + kMaxMoments> take_step(const Step& step, const Tensor& weight,
                                                 std::span<const Tensor> moments, WritePass pass) {
  PALINODE_ASSERT(moments.size() == moments_of(step.rule));
  const Tensor gradient = step.gradient.compact();
  return with_float(weight.dtype(), "commit", [&]<class T>() {
    Arrays<T> arrays{gradient.values<T>(), {}, {}};
    InlineVector<TensorBuilder, 1 + kMaxMoments> builders;
    PoolVector<Trace<T>> traces;  // one for each array, made in place: they are large
    traces.reserve(1 + moments.size());
    for (std::size_t i = 0; i <= moments.size(); ++i) {
      builders.push_back(TensorBuilder(weight.shape(), weight.dtype()));
      arrays.before.push_back((i == 0 ? weight : moments[i - 1]).template values<T>());
      arrays.after.push_back(builders[i].values<T>());
      traces.emplace_back(arrays.before[i], arrays.after[i], pass);
    }
    const std::size_t parts = Trace<T>::parts_of(gradient.elements());
    std::atomic<bool> finite = true;
    parallel_for(parts, 1, [&](std::size_t begin, std::size_t end) {
      const bool whole = begin == 0 && end == parts;
      for (std::size_t part = begin; part < end; ++part) {
        if (!advance_part<T>(step, arrays, part, pass.change, whole, std::span(traces)))
          finite = false;
      }
    });
    const auto finish = [&](std::size_t i) {
      return traces[i].finish(std::move(builders[i]).build(), finite);
    };
    InlineVector<Written, 1 + kMaxMoments> written;
    if (parts < 2) {
      for (std::size_t i = 0; i < builders.size(); ++i) written.push_back(finish(i));
    } else {
      for (std::size_t i = 0; i < builders.size(); ++i) written.push_back({});
      parallel_jobs(builders.size(), [&](std::size_t i) { written[i] = finish(i); });
    }
    return written;
  });
}

}  // namespace palinode
