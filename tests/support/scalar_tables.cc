#include "tests/support/scalar_tables.h"

#include <mpfr.h>

#include <cmath>
#include <vector>

namespace palinode::scalar {
namespace {

// A number of MPFR with as many bits as the exact steps below can need.
class Number {
 public:
  explicit Number(double x = 0) {
    mpfr_init2(value_, 2400);
    mpfr_set_d(value_, x, MPFR_RNDN);
  }
  ~Number() { mpfr_clear(value_); }
  Number(const Number& other) : Number() { mpfr_set(value_, other.value_, MPFR_RNDN); }
  Number& operator=(const Number& other) {
    mpfr_set(value_, other.value_, MPFR_RNDN);
    return *this;
  }
  mpfr_ptr get() { return value_; }
  mpfr_srcptr get() const { return value_; }
  double nearest() const { return mpfr_get_d(value_, MPFR_RNDN) + 0.0; }  // no -0

 private:
  mpfr_t value_;
};

using Operation = int (*)(mpfr_ptr, mpfr_srcptr, mpfr_srcptr, mpfr_rnd_t);
using Mapping = int (*)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t);

Number combine(Operation operation, const Number& a, const Number& b) {
  Number y;
  operation(y.get(), a.get(), b.get(), MPFR_RNDN);
  return y;
}

Number map(Mapping mapping, const Number& a) {
  Number y;
  mapping(y.get(), a.get(), MPFR_RNDN);
  return y;
}

Number operator+(const Number& a, const Number& b) { return combine(mpfr_add, a, b); }
Number operator-(const Number& a, const Number& b) { return combine(mpfr_sub, a, b); }
Number operator*(const Number& a, const Number& b) { return combine(mpfr_mul, a, b); }
Number operator/(const Number& a, const Number& b) { return combine(mpfr_div, a, b); }

Number pi() {
  Number y;
  mpfr_const_pi(y.get(), MPFR_RNDN);
  return y;
}

Number floor(const Number& a) {
  Number y;
  mpfr_floor(y.get(), a.get());
  return y;
}

// a mod 2^k, for a >= 0.
Number modulo(const Number& a, int k) {
  const Number period(std::ldexp(1.0, k));
  return a - floor(a / period) * period;
}

Pair split(const Number& x) {
  const double h = top(x.nearest());
  return {h, (x - Number(h)).nearest()};
}

Row row_of(const std::vector<Number>& taylor) {
  const Pair f = split(taylor[0]);
  const Pair slope = split(taylor[1]);
  Row row = {f.h, f.l, slope.h, slope.l};
  for (std::size_t n = 2; n <= 13; ++n) row[n + 2] = taylor[n].nearest();
  return row;
}

// erf'' = -2x erf', so (n+2)(n+1) t[n+2] = -2 (c (n+1) t[n+1] + n t[n]).
Row erf_row(double centre) {
  const Number c(centre);
  std::vector<Number> t;
  t.push_back(map(mpfr_erf, c));
  t.push_back(Number(2) / map(mpfr_sqrt, pi()) * map(mpfr_exp, Number(0) - c * c));
  for (int n = 0; n <= 11; ++n) {
    const auto i = static_cast<std::size_t>(n);
    t.push_back(Number(-2) * (c * Number(n + 1) * t[i + 1] + Number(n) * t[i]) /
                Number((n + 2) * (n + 1)));
  }
  return row_of(t);
}

// m' = x m - 1/sqrt(2 pi), so (n+1) t[n+1] = c t[n] + t[n-1] for n >= 1.
Row mills_row(double centre) {
  const Number c(centre);
  std::vector<Number> t;
  const Number tail = map(mpfr_erfc, c / map(mpfr_sqrt, Number(2)));
  t.push_back(map(mpfr_exp, c * c / Number(2)) * tail / Number(2));
  t.push_back(c * t[0] - Number(1) / map(mpfr_sqrt, Number(2) * pi()));
  for (int n = 1; n <= 12; ++n) {
    const auto i = static_cast<std::size_t>(n);
    t.push_back((c * t[i] + t[i - 1]) / Number(n + 1));
  }
  return row_of(t);
}

std::vector<Row> table(Row (*row)(double), std::size_t rows) {
  std::vector<Row> result;
  for (std::size_t j = 0; j < rows; ++j) {
    const double power = std::ldexp(1.0, static_cast<int>(j / 16));
    result.push_back(row(power * (1 + (static_cast<double>(j % 16) + 0.5) / 16) - 33.0 / 32));
  }
  return result;
}

}  // namespace

const Row* erf_table() {
  static const std::vector<Row> kTable = table(erf_row, 48);
  return kTable.data();
}

const Row* mills_table() {
  static const std::vector<Row> kTable = table(mills_row, 84);
  return kTable.data();
}

const SineRow* sine_table() {
  static const std::vector<SineRow> kTable = [] {
    std::vector<SineRow> rows;
    for (int i = 0; i < 32; ++i) {
      const Number x(i / 32.0);
      rows.push_back({split(map(mpfr_sin, x)), split(map(mpfr_cos, x))});
    }
    return rows;
  }();
  return kTable.data();
}

Reduced reduce_exactly(double a) {
  const int e = std::ilogb(a) - 52;
  const Number m(std::ldexp(a, -e));
  const Number two_over_pi = Number(2) / pi();
  Number shifted;
  mpfr_mul_2si(shifted.get(), two_over_pi.get(), 190 + e, MPFR_RNDN);
  const Number t = modulo(m * modulo(floor(shifted), 192), 192);
  int j = static_cast<int>(floor(t / Number(0x1p190)).nearest());
  Number f = modulo(t * Number(4), 192);
  const bool negative = mpfr_cmp_d(f.get(), 0x1p191) >= 0;
  if (negative) {
    j = j + 1;
    f = Number(0x1p192) - f;
  }
  const int zeros = 192 - static_cast<int>(mpfr_get_exp(f.get()));
  mpfr_mul_2si(f.get(), f.get(), zeros, MPFR_RNDN);
  const Number first = floor(f / Number(0x1p139));
  const Number second = floor((f - first * Number(0x1p139)) / Number(0x1p86));
  double high = std::ldexp(first.nearest(), -53 - zeros);
  double low = std::ldexp(second.nearest(), -106 - zeros);
  if (negative) {
    high = -high;
    low = -low;
  }
  const double top_half = top(high);
  return {j, sum(top_half * 0x1.921fb5p+0, top_half * 0x1.110b4611a6263p-26 +
                                               ((high - top_half) + low) * 0x1.921fb54442d18p+0)};
}

}  // namespace palinode::scalar
