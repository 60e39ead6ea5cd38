#include <memory>

#include "experiments/behavior/command.h"
#include "experiments/behavior/inspect.h"

namespace palinode::experiments {

Command add_inspect_command(CLI::App& app) {
  struct Options {
    std::string path, identity;
    bool json = false;
  };
  CLI::App* inspect_app =
      app.add_subcommand("inspect", "What a model, behavior, checkpoint, ledger or adapter holds");
  inspect_app->footer(
      "Examples:\n"
      "  palinode inspect experiments/identity/austen_gpt.safetensors\n"
      "  palinode inspect unit.safetensors --identity model.safetensors --json\n"
      "Exit codes: 0 sound, 1 a ledger is broken, 2 usage, 3 damaged or no such file.");
  const auto options = std::make_shared<Options>();
  inspect_app->add_option("file", options->path, "The file, or a PEFT folder")->required();
  inspect_app->add_option("--identity", options->identity,
                          "A model file: does the behavior load onto it?");
  inspect_app->add_flag("--json", options->json, "Print JSON instead of the text");
  return {inspect_app, [options] {
            const Inspection found = inspect(options->path, options->identity);
            const auto replace = nlohmann::json::error_handler_t::replace;
            print(options->json ? found.json.dump(1, ' ', false, replace) + "\n" : found.text);
            return found.sound ? kDone : kCheckFailed;
          }};
}

}  // namespace palinode::experiments
