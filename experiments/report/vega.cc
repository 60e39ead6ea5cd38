#include "experiments/report/vega.h"

namespace palinode::experiments::report {

Json tooltip(std::initializer_list<const char*> fields) {
  Json out = Json::array();
  for (const char* field : fields) out.push_back({{"field", field}, {"type", "nominal"}});
  return out;
}

Json locus_color() {
  return {{"field", "locus"},
          {"type", "nominal"},
          {"legend", nullptr},
          {"scale", {{"domain", {"theta", "phi"}}}}};
}

Json legend_columns() { return {{"expr", "windowSize()[0] < 640 ? 1 : 2"}}; }

Json with(Json base, std::initializer_list<std::pair<const char*, Json>> changes) {
  for (const auto& [key, value] : changes) base[key] = value;
  return base;
}

}  // namespace palinode::experiments::report
