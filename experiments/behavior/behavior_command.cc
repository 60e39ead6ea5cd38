// `palinode behavior`: what is done with behavior files besides making and using them.
#include "experiments/behavior/command.h"

namespace palinode::experiments {

Command add_behavior_command(CLI::App& app) {
  CLI::App* behavior = app.add_subcommand(
      "behavior", "Extract behaviors, sign them, and exchange them with Hugging Face's PEFT");
  behavior->require_subcommand(1);
  behavior->footer(
      "Examples:\n"
      "  palinode behavior extract tuned.safetensors --identity model.safetensors --rank 8 \\\n"
      "      --out unit.safetensors\n"
      "  palinode behavior keys me\n"
      "  palinode behavior sign unit.safetensors --key me.key\n"
      "  palinode behavior verify unit.safetensors --trust me.pub\n"
      "  palinode behavior import-peft adapter/ --identity model.safetensors --names llama \\\n"
      "      --out unit.safetensors\n"
      "  palinode behavior export-peft unit.safetensors --identity model.safetensors --out "
      "adapter/\n"
      "Exit codes: 0 done, 1 nothing to extract, or not signed as it has to be, 2 usage,\n"
      "3 bad input file, 4 environment.");
  std::vector<Command> commands = {add_extract_command(*behavior)};
  for (Command& command : add_peft_commands(*behavior)) commands.push_back(std::move(command));
  for (Command& command : add_sign_commands(*behavior)) commands.push_back(std::move(command));
  return {behavior, [commands]() -> int {
            for (const Command& command : commands) {
              if (command.app->parsed()) return command.run();
            }
            return kUsage;
          }};
}

}  // namespace palinode::experiments
