#include "experiments/train/report.h"

#include <fmt/format.h>

#include "experiments/environment.h"
#include "tensor/gemm.h"

namespace palinode::experiments::train {

nlohmann::ordered_json to_json(const Evaluation& evaluation) {
  nlohmann::ordered_json json = {
      {"loss", evaluation.loss}, {"accuracy", evaluation.accuracy}, {"labels", evaluation.labels}};
  if (evaluation.bytes > 0) {
    json["perplexity"] = perplexity(evaluation);
    json["bits_per_byte"] = bits_per_byte(evaluation);
  }
  return json;
}

Report make_report(const RunFolder& folder, const Config& config, const RunResult& result) {
  Report report;
  nlohmann::ordered_json& json = report.json;
  json = {{"schema", 1},
          {"version", version()},
          {"backend", gemm_name(active_gemm())},
          {"same_bits_contract", active_gemm() == Gemm::kCanonical},
          {"seed", config.seed},
          {"data", config.data.name},
          {"model", config.model.kind},
          {"steps", result.step},
          {"early_stop", result.early},
          {"kept", result.kept},
          {"kept_step", result.kept_step},
          {"validation", to_json(result.validation)}};
  if (result.test) json["test"] = to_json(*result.test);
  json["model_fingerprint"] = hex(result.model);
  json["final_fingerprint"] = hex(result.fingerprint);
  json["ledger"] = {{"records", result.records}, {"head", hex(result.head)}};

  std::string& text = report.text;
  const std::string early = result.early ? ", stopped early" : "";
  text = fmt::format("trained     {} steps{}, into {}\n", result.step, early, folder.path());
  text += fmt::format("model       {}, step {} ({}), fingerprint {}\n", folder.model(),
                      result.kept_step, result.kept, hex(result.model));
  text += fmt::format("validation  {}\n", shown(result.validation));
  if (result.test) text += fmt::format("test        {}\n", shown(*result.test));
  text += fmt::format("ledger      {} records, head {}\n", result.records, hex(result.head));
  if (const std::string warning = gemm_warning(); !warning.empty()) text += warning + "\n";
  return report;
}

}  // namespace palinode::experiments::train
