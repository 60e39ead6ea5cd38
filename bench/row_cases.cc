// The kernels that no rival offers in this form, against the bandwidth of memory or a plain loop:
// norms, softmax's relatives, gradients, conversions, convolution, batches.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cmath>

#include "bench/case.h"
#include "bench/limits.h"
#include "tensor/kernels/conv.h"
#include "tensor/kernels/convert.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/matmul.h"
#include "tensor/kernels/norm.h"
#include "tensor/kernels/reduce.h"
#include "tensor/kernels/softmax.h"
#include "tensor/kernels/update.h"
#include "tensor/parallel.h"

namespace palinode::bench {
namespace {

constexpr std::size_t kRows = 256, kCols = 256, kCount = kRows * kCols;

// What the kernels below read and write: matrices of kRows x kCols, and one value for each row.
struct Operands {
  std::span<const float> x, g, y;
  std::span<float> out, column;
  std::span<std::int32_t> labels;
};

// A kernel over one matrix, reading and writing `arrays` of them: ours, and a copy of as many
// bytes.
struct RowKernel {
  const char* name;
  std::size_t arrays;
  void (*run)(const Operands& o);
};

using namespace kernels;
const RowKernel kRowKernels[] = {
    {"mean", 1, [](const Operands& o) { benchmark::DoNotOptimize(mean<float>(o.x)); }},
    {"L2 norm", 1, [](const Operands& o) { benchmark::DoNotOptimize(l2_norm<float>(o.x)); }},
    {"row sums", 1, [](const Operands& o) { row_sums<float>(o.x, kRows, kCols, o.column); }},
    {"row argmax", 1, [](const Operands& o) { row_argmax<float>(o.x, kRows, kCols, o.labels); }},
    {"log-softmax", 2, [](const Operands& o) { log_softmax<float>(o.x, kRows, kCols, o.out); }},
    {"causal softmax", 2,
     [](const Operands& o) { causal_softmax<float>(o.x, kRows, kCols, o.out); }},
    {"softmax gradient", 3,
     [](const Operands& o) { softmax_grad<float>(o.g, o.y, kRows, kCols, o.out); }},
    {"log-softmax gradient", 3,
     [](const Operands& o) { log_softmax_grad<float>(o.g, o.y, kRows, kCols, o.out); }},
    {"gelu gradient", 3, [](const Operands& o) { gelu_grad<float>(o.x, o.g, o.out); }},
    {"tanh gradient", 3, [](const Operands& o) { tanh_grad<float>(o.g, o.y, o.out); }},
    {"axpy", 3, [](const Operands& o) { axpy<float>(0.5F, o.x, o.g, o.out); }},
};

Case row_case(const RowKernel& kernel) {
  const std::size_t bytes = kernel.arrays * kCount * sizeof(float);
  return {.what = fmt::format("{} f32 {}x{}", kernel.name, kRows, kCols),
          .unit = Unit::kGbytes,
          .work = double(bytes),
          .make = [=]() -> std::vector<Contender> {
            set_threads(1);
            const Buffer<float> x(kCount, -4, 4), g(kCount), y(kCount, 0, 1);
            const Buffer<float> out(kCount), column(kRows);
            const Buffer<std::int32_t> labels(kRows, 0, double(kCols));
            return {
                {.name = "Palinode",
                 .run =
                     [=] {
                       kernel.run({x.in(), g.in(), y.in(), out.out(), column.out(), labels.out()});
                     }},
                copy_limit(bytes)};
          }};
}

// Layer norm and RMS norm; and their gradients by x and by gamma.
Case norm_case(const char* name, bool rms) {
  const std::size_t bytes = 2 * kCount * sizeof(float);
  return {.what = fmt::format("{} f32 {}x{}", name, kRows, kCols),
          .unit = Unit::kGbytes,
          .work = double(bytes),
          .make = [=]() -> std::vector<Contender> {
            set_threads(1);
            const Buffer<float> x(kCount), gamma(kCols), beta(kCols), out(kCount);
            const Buffer<float> mean(kRows), rstd(kRows);
            const auto ours = [=] {
              if (rms) {
                rms_norm<float>(x.in(), kRows, kCols, gamma.in(), 1e-5F, out.out(), rstd.out());
              } else {
                layer_norm<float>(x.in(), kRows, kCols, gamma.in(), beta.in(), 1e-5F, out.out(),
                                  mean.out(), rstd.out());
              }
            };
            return {{.name = "Palinode", .run = ours}, copy_limit(bytes)};
          }};
}

Case norm_grad_case(const char* name, bool rms) {
  const std::size_t bytes = 3 * kCount * sizeof(float);
  return {.what = fmt::format("{} gradient f32 {}x{}", name, kRows, kCols),
          .unit = Unit::kGbytes,
          .work = double(bytes),
          .make = [=]() -> std::vector<Contender> {
            set_threads(1);
            const Buffer<float> x(kCount), g(kCount, -2, 2), gamma(kCols), out(kCount);
            const Buffer<float> mean(kRows, 0, 0), rstd(kRows, 1, 2), dgamma(kCols);
            const auto ours = [=] {
              if (rms) {
                rms_norm_grad<float>(g.in(), x.in(), kRows, kCols, gamma.in(), rstd.in(),
                                     out.out());
                rms_norm_gamma_grad<float>(g.in(), x.in(), kRows, kCols, rstd.in(), dgamma.out());
              } else {
                layer_norm_grad<float>(g.in(), x.in(), kRows, kCols, gamma.in(), mean.in(),
                                       rstd.in(), out.out());
                layer_norm_gamma_grad<float>(g.in(), x.in(), kRows, kCols, mean.in(), rstd.in(),
                                             dgamma.out());
              }
            };
            return {{.name = "Palinode", .run = ours}, copy_limit(bytes)};
          }};
}

template <class Half>
Case narrow_case(const char* name) {
  const std::size_t bytes = kCount * (sizeof(float) + sizeof(Half));
  return {.what = fmt::format("{} 64 Ki", name),
          .unit = Unit::kGbytes,
          .work = double(bytes),
          .make = [=]() -> std::vector<Contender> {
            set_threads(1);
            const Buffer<float> x(kCount);
            const auto half = std::make_shared<std::vector<Half>>(kCount);
            return {{.name = "Palinode", .run = [=] { narrow<float, Half>(x.in(), *half); }},
                    copy_limit(bytes)};
          }};
}

// 64 heads of attention scores, as one batch and as a loop over products.
Case batched_case() {
  constexpr std::size_t kBatch = 64, kTime = 64, kHead = 32;
  return {.what = "batched matmul f32 64 x 64x64x32",
          .unit = Unit::kGflops,
          .work = 2.0 * kBatch * kTime * kTime * kHead,
          .make = []() -> std::vector<Contender> {
            set_threads(1);
            const Buffer<float> a(kBatch * kTime * kHead), b(kBatch * kTime * kHead);
            const Buffer<float> c(kBatch * kTime * kTime);
            const MatrixView<float> left{a.in(), kTime, kHead, kHead, 1};
            const MatrixView<float> right{b.in(), kHead, kTime, 1, kHead};
            return {{.name = "Palinode",
                     .run =
                         [=] {
                           batched_matmul<float>(kBatch, left, kTime * kHead, right, kTime * kHead,
                                                 c.out());
                         }},
                    fma_limit<float>(1)};
          }};
}

// A 3x3 convolution of 28x28 images with 32 channels, and the product of its size.
Case conv_case() {
  constexpr std::size_t kImages = 8, kSide = 28, kChannels = 32, kFactors = 9 * kChannels;
  constexpr std::size_t kPlaces = kImages * kSide * kSide;
  return {.what = "conv2d f32 8x28x28x32, 3x3",
          .unit = Unit::kGflops,
          .work = 2.0 * kPlaces * kFactors * kChannels,
          .make = []() -> std::vector<Contender> {
            set_threads(1);
            const ConvAxis axis{.in = kSide, .kernel = 3, .stride = 1, .padding = 1, .dilation = 1};
            const ConvShape shape{
                .n = kImages, .c_in = kChannels, .c_out = kChannels, .h = axis, .w = axis};
            const Buffer<float> x(kPlaces * kChannels), w(kFactors * kChannels),
                y(kPlaces * kChannels);
            const Buffer<float> columns(kPlaces * kFactors);
            const auto product = [=] {
              matmul<float>({columns.in(), kPlaces, kFactors, kFactors, 1},
                            {w.in(), kFactors, kChannels, kChannels, 1}, {}, y.out());
            };
            return {{.name = "Palinode",
                     .run = [=] { conv2d<float>(shape, x.in(), w.in(), {}, y.out()); }},
                    {.name = "matmul", .variant = "columns ready", .run = product},
                    fma_limit<float>(1)};
          }};
}

}  // namespace

std::vector<Case> row_cases() {
  std::vector<Case> list;
  for (const RowKernel& kernel : kRowKernels) list.push_back(row_case(kernel));
  list.push_back(norm_case("layer norm", false));
  list.push_back(norm_case("RMS norm", true));
  list.push_back(norm_grad_case("layer norm", false));
  list.push_back(norm_grad_case("RMS norm", true));
  list.push_back(narrow_case<BFloat16>("f32 to bf16"));
  list.push_back(narrow_case<Float16>("f32 to f16"));
  list.push_back(batched_case());
  list.push_back(conv_case());
  return list;
}

}  // namespace palinode::bench
