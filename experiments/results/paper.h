// What the paper (arXiv:2603.02934) reports, to be printed beside what was measured here, and what
// differs.
#pragma once

#include <array>
#include <string_view>

namespace palinode::experiments::paper {

// Table "mutation intensity": KL and JS after the reset, one noise draw a row.
struct Intensity {
  double alpha, kl_small, js_small, kl_large, js_large;  // 1.5B and 3B
};
inline constexpr std::array kIntensity = {Intensity{0.001, 0.169, 0.031, 0.355, 0.049},
                                          Intensity{0.01, 6.347, 0.574, 8.780, 0.655},
                                          Intensity{0.05, 14.747, 0.688, 15.581, 0.691}};

// Table "recoverability by mechanism".
struct Mechanism {
  std::string_view name;
  double rf;
};
inline constexpr std::array kMechanisms = {Mechanism{"direct mutation", 0},
                                           Mechanism{"structured fine-tuning", 0},
                                           Mechanism{"behavioral", 1}};

// Table "elimination": KL and JS at the share eliminated; the last three "below 1e-6". The JS at
// 0.01 is above ln 2, the most that JS can be.
struct Elimination {
  double share, kl, js;
};
inline constexpr std::array kElimination = {
    Elimination{0, 1.16e-2, 5.74e-3},   Elimination{0.001, 0.339, 0.665},
    Elimination{0.01, 10.4, 9.63},      Elimination{0.05, 18.6, 7.60e-3},
    Elimination{0.2, 1.03e-2, 7.67e-2}, Elimination{0.4, 1.94e-3, 4.35e-2},
    Elimination{0.6, 1e-6, 1e-6},       Elimination{0.8, 1e-6, 1e-6},
    Elimination{1, 1e-6, 1e-6}};

// Table "recoverability by scale": per cent of ten texts that match.
struct Scale {
  std::string_view model;
  double behavioral, mutation;
};
inline constexpr std::array kScale = {Scale{"1.5B", 100, 30}, Scale{"3B", 100, 40},
                                      Scale{"7B", 100, 10}};

// Table "baseline entropy": means of four repeats.
inline constexpr std::array kEntropy = {0.245, 0.234, 0.261, 0.252};

}  // namespace palinode::experiments::paper
