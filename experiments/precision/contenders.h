// Who computes functions of one f32: we, in both forms, and others.
#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "experiments/precision/reference.h"

namespace palinode::experiments::precision {

using Unary = std::function<void(std::span<const float> x, std::span<float> out)>;

struct Contender {
  std::string
      name;  // "Palinode", "Palinode fast", "Highway", "libm", or a kernel's file and symbol
  bool ours = false;
  Unary run;
  // The inputs its documentation speaks of, both ends included, and the ULPs it promises there; 0:
  // none.
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
  double promised = 0;

  bool bounded() const { return std::isfinite(low) || std::isfinite(high); }
  bool documents(float x) const { return !bounded() || (x >= low && x <= high); }
};

// Those that have the function, ours first. Highway runs on the SIMD target in use at the call.
std::vector<Contender> contenders(const Reference& reference);

}  // namespace palinode::experiments::precision
