#include "experiments/precision/sums.h"

#include <algorithm>
#include <cmath>

#include "experiments/precision/blas_peers.h"
#include "tensor/kernels/convert.h"
#include "tensor/kernels/matmul.h"
#include "tensor/kernels/reduce.h"

namespace palinode::experiments::precision {
namespace {

using In = std::span<const float>;

constexpr std::size_t kBlock = 256, kLeaf = 128, kLanes = 64, kChunk = 4096;

// Terms are x[i], or a[i] * b[i] rounded to f32.
struct Terms {
  In a, b;
  std::size_t size() const { return a.size(); }
  float operator[](std::size_t i) const { return b.empty() ? a[i] : a[i] * b[i]; }
  Terms part(std::size_t begin, std::size_t count) const {
    return {a.subspan(begin, count), b.empty() ? b : b.subspan(begin, count)};
  }
};

float naive(const Terms& x) {
  float total = 0;
  for (std::size_t i = 0; i < x.size(); ++i) total += x[i];
  return total;
}

float blocked(const Terms& x) {
  float total = 0;
  for (std::size_t i = 0; i < x.size(); i += kBlock) {
    total += naive(x.part(i, std::min(kBlock, x.size() - i)));
  }
  return total;
}

float pairwise(const Terms& x) {
  if (x.size() <= kLeaf) return naive(x);
  const std::size_t half = x.size() / 2;
  return pairwise(x.part(0, half)) + pairwise(x.part(half, x.size() - half));
}

float lanes(const Terms& x) {
  std::vector<float> sums;
  for (std::size_t begin = 0; begin < x.size(); begin += kChunk) {
    float lane[kLanes] = {};
    const std::size_t end = std::min(x.size(), begin + kChunk);
    for (std::size_t i = begin; i < end; ++i) lane[(i - begin) % kLanes] += x[i];
    for (std::size_t h = kLanes / 2; h > 0; h /= 2) {
      for (std::size_t l = 0; l < h; ++l) lane[l] += lane[l + h];
    }
    sums.push_back(lane[0]);
  }
  // A tree whose left part is the largest power of two.
  const std::function<float(In)> tree = [&tree](In part) {
    if (part.empty()) return 0.0F;
    if (part.size() == 1) return part[0];
    std::size_t left = 1;
    while (left * 2 < part.size()) left *= 2;
    return tree(part.first(left)) + tree(part.subspan(left));
  };
  return tree(sums);
}

float kahan(const Terms& x) {
  float total = 0, lost = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float y = x[i] - lost;
    const float next = total + y;
    lost = (next - total) - y;
    total = next;
  }
  return total;
}

struct TwoParts {
  float hi, lo;
};

TwoParts two_sum(float a, float b) {
  const float hi = a + b;
  const float part = hi - a;
  return {hi, (a - (hi - part)) + (b - part)};
}

// Sum2 and Dot2: errors are added up beside the total.
float compensated(const Terms& x) {
  TwoParts total = {0, 0};
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float term = x[i];
    const float error = x.b.empty() ? 0 : std::fma(x.a[i], x.b[i], -term);
    const TwoParts next = two_sum(total.hi, term);
    total = {next.hi, total.lo + (next.lo + error)};
  }
  return total.hi + total.lo;
}

float in_f64(const Terms& x) {
  double total = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto a = static_cast<double>(x.a[i]);
    total += x.b.empty() ? a : a * static_cast<double>(x.b[i]);
  }
  return static_cast<float>(total);
}

float fma_chain(In a, In b) {
  float total = 0;
  for (std::size_t i = 0; i < a.size(); ++i) total = std::fma(a[i], b[i], total);
  return total;
}

float our_dot(In a, In b) {
  float out = 0;
  const std::size_t n = a.size();
  kernels::matmul<float>({a, 1, n, n, 1}, {b, n, 1, 1, 1}, {}, std::span<float>(&out, 1));
  return out;
}

// The roundings of additions alone.
double of_naive(double n) { return n - 1; }
double of_blocks(double n) {
  return std::min(n, double(kBlock)) - 1 + std::max(0.0, std::ceil(n / kBlock) - 1);
}
double of_pairs(double n) {
  double depth = 0;
  while (n > kLeaf) {
    n = std::ceil(n / 2);
    ++depth;
  }
  return n - 1 + depth;
}
double of_lanes(double n) {
  const double chunk = std::min(n, double(kChunk));
  return std::ceil(chunk / kLanes) - 1 + 6 + std::ceil(std::log2(std::max(1.0, n / kChunk)));
}
double of_kahan(double n) { return 2 + 2 * n * kUnit; }
double of_compensated(double n) { return 1 + n * n * kUnit; }
double of_f64(double n) { return 1 + n * 0x1p-29; }

}  // namespace

std::vector<float> as_bf16(In x) {
  std::vector<BFloat16> narrow(x.size());
  std::vector<float> wide(x.size());
  kernels::narrow<float, BFloat16>(x, narrow);
  kernels::widen<BFloat16, float>(narrow, wide);
  return wide;
}

float lanes_sum(In x) { return lanes({x, {}}); }

double probable(double roundings) {
  const double lambda = std::sqrt(2 * std::log(2 * std::max(1.0, roundings) / 1e-3));
  return std::min(roundings, lambda * std::sqrt(roundings));
}

std::vector<SumAlgorithm> sum_algorithms() {
  const auto plain = [](float (*f)(const Terms&)) { return [f](In x) { return f({x, {}}); }; };
  return {{"Palinode", true, [](In x) { return kernels::sum<float>(x); }, of_lanes, 0},
          {"lanes-64, scalar", false, lanes_sum, of_lanes, 0},
          {"naive", false, plain(naive), of_naive, 0},
          {"blocks of 256", false, plain(blocked), of_blocks, 0},
          {"pairwise", false, plain(pairwise), of_pairs, 0},
          {"Kahan", false, plain(kahan), of_kahan, 0},
          {"Sum2", false, plain(compensated), of_compensated, 0},
          {"f64 accumulate", false, plain(in_f64), of_f64, 0},
          {"bf16 inputs, f64", false,
           [](In x) {
             return in_f64({as_bf16(x), {}});
           },
           of_f64, kOneBf16}};
}

std::vector<DotAlgorithm> dot_algorithms() {
  // One more for the product.
  const auto plain = [](const char* name, float (*f)(const Terms&), double (*roundings)(double)) {
    return DotAlgorithm{name, false,
                        [f](In a, In b) {
                          return f({a, b});
                        },
                        [roundings](double n) { return 1 + roundings(n); }, 0};
  };
  std::vector<DotAlgorithm> list = {
      {"Palinode", true, our_dot, [](double n) { return 1 + of_blocks(n); }, 0},
      {"fma chain", false, fma_chain, [](double n) { return n; }, 0},
      plain("naive", naive, of_naive),
      plain("blocks of 256", blocked, of_blocks),
      plain("pairwise", pairwise, of_pairs),
      plain("lanes-64", lanes, of_lanes),
      plain("Kahan", kahan, of_kahan),
      {"Dot2", false,
       [](In a, In b) {
         return compensated({a, b});
       },
       of_compensated, 0},
      {"f64 accumulate", false,
       [](In a, In b) {
         return in_f64({a, b});
       },
       of_f64, 0},
      {"bf16 inputs, f64", false,
       [](In a, In b) {
         return in_f64({as_bf16(a), as_bf16(b)});
       },
       of_f64, kTwoBf16}};
  for (const BlasPeer& peer : blas_peers()) {
    if (!peer.sdot) continue;
    list.push_back({peer.name + " " + peer.variant, false,
                    [&peer](In a, In b) { return peer.sdot(a, b); }, [](double n) { return n; },
                    0});
  }
  return list;
}

}  // namespace palinode::experiments::precision
