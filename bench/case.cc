#include "bench/case.h"

namespace palinode::bench {

std::string_view unit_name(Unit unit) {
  switch (unit) {
    case Unit::kGflops:
      return "GFLOP/s";
    case Unit::kGbytes:
      return "GB/s";
    case Unit::kNanoseconds:
      return "ns";
    case Unit::kMilliseconds:
      return "ms";
    case Unit::kPerSecond:
      return "/s";
    case Unit::kMegabytes:
      return "MB";
  }
  return "";
}

double figure(Unit unit, double rate) {
  switch (unit) {
    case Unit::kGflops:
    case Unit::kGbytes:
      return rate * 1e-9;
    case Unit::kNanoseconds:
      return 1e9 / rate;
    case Unit::kMilliseconds:
      return 1e3 / rate;
    case Unit::kPerSecond:
      return rate;
    case Unit::kMegabytes:
      return 1e-6 / rate;
  }
  return 0;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const auto& part :
       {matmul_cases, reduce_cases, row_cases, attention_cases, elementwise_cases, training_cases,
        framework_cases, step_cases, behavior_cases}) {
    for (Case& each : part()) all.push_back(std::move(each));
  }
  return all;
}

}  // namespace palinode::bench
