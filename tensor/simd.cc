#include "tensor/simd.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <string>

#include "tensor/error.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/simd.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace palinode::HWY_NAMESPACE {
namespace {

std::int64_t this_target() { return HWY_TARGET; }

}  // namespace
}  // namespace palinode::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode {
namespace {

HWY_EXPORT(this_target);

struct Target {
  Simd simd;
  std::int64_t bit;
  std::string_view name;
};

// Best first.
constexpr std::array kTargets = {
    Target{Simd::kAvx3, HWY_AVX3, "avx3"},       Target{Simd::kAvx2, HWY_AVX2, "avx2"},
    Target{Simd::kSse4, HWY_SSE4, "sse4"},       Target{Simd::kNeon, HWY_NEON, "neon"},
    Target{Simd::kScalar, HWY_SCALAR, "scalar"},
};

const Target& target_of(Simd simd) {
  return *std::find_if(kTargets.begin(), kTargets.end(),
                       [simd](const Target& target) { return target.simd == simd; });
}

std::vector<Simd> find_available() {
  // The static target is the compiler's baseline, which runs wherever the program does.
  const std::int64_t runs = (HWY_SUPPORTED_TARGETS | HWY_STATIC_TARGET) & HWY_TARGETS;
  std::vector<Simd> result;
  for (const Target& target : kTargets) {
    if ((target.bit & runs) != 0) result.push_back(target.simd);
  }
  PALINODE_ASSERT(!result.empty());
  return result;
}

}  // namespace

std::vector<Simd> available_simd() {
  // Asked once: the question makes Highway choose the best target again.
  static const std::vector<Simd> available = find_available();
  return available;
}

void use_simd(Simd simd) {
  const std::vector<Simd> available = available_simd();
  if (std::find(available.begin(), available.end(), simd) == available.end()) {
    std::string list;
    for (const Simd one : available) list += fmt::format(" {}", simd_name(one));
    throw EnvironmentError(
        fmt::format("simd: {} is not available here; available:{}", simd_name(simd), list));
  }
  hwy::GetChosenTarget().Update(target_of(simd).bit);
}

Simd active_simd() {
  const std::int64_t bit = HWY_DYNAMIC_DISPATCH(this_target)();
  return std::find_if(kTargets.begin(), kTargets.end(),
                      [bit](const Target& target) { return target.bit == bit; })
      ->simd;
}

std::string_view simd_name(Simd simd) { return target_of(simd).name; }

void check_floating_point() {
  // The values are volatile so that the processor computes them, here and now, and not the
  // compiler.
  volatile double one = 1.0;
  volatile double half_ulp = 0x1p-53;
  const volatile double up = one + half_ulp;
  const volatile double up_from_odd = (one + 0x1p-52) + half_ulp;
  const volatile double down = -one - half_ulp;
  if (up != 1.0 || up_from_odd != 1.0 + 0x1p-51 || down != -1.0) {
    throw EnvironmentError("floating point: this thread does not round to nearest");
  }
  volatile float smallest_normal = std::numeric_limits<float>::min();
  const volatile float halved = smallest_normal * 0.5f;
  volatile float smallest = std::numeric_limits<float>::denorm_min();
  const volatile float product = smallest * 0x1p100f;
  volatile double smallest_normal_f64 = std::numeric_limits<double>::min();
  const volatile double halved_f64 = smallest_normal_f64 * 0.5;
  volatile double smallest_f64 = std::numeric_limits<double>::denorm_min();
  const volatile double product_f64 = smallest_f64 * 0x1p1000;
  if (halved != 0x1p-127f || product != 0x1p-49f || halved_f64 != 0x1p-1023 ||
      product_f64 != 0x1p-74) {
    throw EnvironmentError("floating point: this thread flushes subnormal numbers to zero");
  }
}

void check_rounding() {
#if defined(__x86_64__)
  // MXCSR: flush to zero, rounding control, denormals are zero.
  if ((__builtin_ia32_stmxcsr() & 0xe040U) != 0) check_floating_point();
#elif defined(__aarch64__)
  // FPCR: flush to zero and rounding mode, bits 22 to 24.
  std::uint64_t control = 0;
  asm volatile("mrs %0, fpcr" : "=r"(control));
  if ((control & 0x01c00000U) != 0) check_floating_point();
#else
  check_floating_point();
#endif
}

}  // namespace palinode
#endif  // HWY_ONCE
