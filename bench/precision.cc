#include <cmath>

#include "bench/table.h"
#include "tensor/kernels/matmul.h"
#include "tensor/parallel.h"

namespace palinode::bench {
namespace {

constexpr std::size_t kSize = 512, kCount = kSize * kSize;

Buffer<double> widened(const Buffer<float>& x, bool absolute) {
  const Buffer<double> out(x.in().size());
  for (std::size_t i = 0; i < x.in().size(); ++i) {
    const double value = x.in()[i];
    out.out()[i] = absolute ? std::abs(value) : value;
  }
  return out;
}

// a b in f64, whose own error is 2^-29 of what is measured.
Buffer<double> product(const Buffer<double>& a, const Buffer<double>& b) {
  const Buffer<double> c(kCount);
  kernels::matmul<double>({a.in(), kSize, kSize, kSize, 1}, {b.in(), kSize, kSize, kSize, 1}, {},
                          c.out());
  return c;
}

}  // namespace

std::vector<Precision> product_precision() {
  set_threads(1);
  // Of unequal lengths, so that their values differ.
  const Buffer<float> a(kCount), b(kCount + 1), c(kCount);
  const Buffer<double> exact = product(widened(a, false), widened(b, false));
  const Buffer<double> size = product(widened(a, true), widened(b, true));
  std::vector<Precision> list;
  const auto judge = [&](const std::string& name, const std::string& variant) {
    double largest = 0, squares = 0;
    for (std::size_t i = 0; i < kCount; ++i) {
      const double error = std::abs(double(c.in()[i]) - exact.in()[i]) / size.in()[i] * 0x1p24;
      largest = std::max(largest, error);
      squares += error * error;
    }
    list.push_back({name, variant, largest, std::sqrt(squares / double(kCount))});
  };
  kernels::matmul<float>({a.in(), kSize, kSize, kSize, 1}, {b.in(), kSize, kSize, kSize, 1}, {},
                         c.out());
  judge("Palinode", "");
  for (const BlasPeer& peer : blas_peers()) {
    peer.set_threads(1);
    const int n = static_cast<int>(kSize);
    peer.sgemm({.a_transposed = false,
                .b_transposed = false,
                .m = n,
                .n = n,
                .k = n,
                .a = a.in().data(),
                .a_line = n,
                .b = b.in().data(),
                .b_line = n,
                .c = c.out().data()});
    judge(peer.name, peer.variant);
  }
  return list;
}

}  // namespace palinode::bench
