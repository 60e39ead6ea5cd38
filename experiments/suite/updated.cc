#include <sys/resource.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "experiments/embedded.h"
#include "experiments/suite/suite.h"

namespace palinode::experiments {

using nlohmann::ordered_json;

std::string updated_digests(const SuiteConfig& config, const SuiteResult& result) {
  ordered_json published = ordered_json::parse(embedded::digests_json());
  ordered_json& of_size = published[std::string(size_name(config.size))];
  for (const auto& [study, check] : result.digests) of_size[study] = check.computed;
  return published.dump(2) + "\n";
}

std::string updated_costs(const SuiteConfig& config, const SuiteResult& result) {
  ordered_json costs = ordered_json::parse(embedded::costs_json());
  ordered_json& of_size = costs[std::string(size_name(config.size))];
  for (const auto& [key, seconds] : result.seconds) {
    of_size["seconds"][key] = static_cast<double>(std::llround(seconds * 1000)) / 1000;
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  of_size["memory"] = static_cast<double>(usage.ru_maxrss) * 1024;
  return costs.dump(2) + "\n";
}

}  // namespace palinode::experiments
