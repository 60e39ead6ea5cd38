#include "experiments/precision/command.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "experiments/precision/laboratory.h"
#include "experiments/precision/page.h"
#include "experiments/precision/tables.h"
#include "experiments/usage_error.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace palinode::experiments {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kBegin = "<!-- palinode precision --into: begin -->\n";
constexpr std::string_view kEnd = "<!-- palinode precision --into: end -->\n";

struct Options : Machine {
  std::vector<std::string> kernels, own, scalar, with;
  std::string out = "results/precision", into, render;
  bool exhaustive = false, json = false, quiet = false, list = false, no_color = false;
  unsigned every = 10;
};

std::string command_of(const Options& options) {
  std::string line = "palinode precision";
  for (const std::string& name : options.kernels) line += " " + name;
  if (options.exhaustive) line += " --exhaustive";
  if (!options.exhaustive && options.every != 10)
    line += fmt::format(" --sample {}", options.every);
  for (const std::string& kernel : options.own) line += " --kernel " + kernel;
  for (const std::string& kernel : options.scalar) line += " --scalar-kernel " + kernel;
  if (options.simd != "best") line += " --simd " + options.simd;
  for (const std::string& file : options.with) line += " --with " + file;
  return line;
}

Json measured(const Options& options) {
  precision::LaboratoryOptions laboratory;
  laboratory.kernels = options.kernels;
  laboratory.exhaustive = options.exhaustive;
  laboratory.quiet = options.quiet;
  laboratory.every = options.every;
  laboratory.folder = options.out + "/sweeps";
  laboratory.with = options.with;
  laboratory.command = command_of(options);
  for (const std::string& text : options.own) {
    laboratory.own.push_back(precision::load_own_kernel(text, options.kernels, false));
  }
  for (const std::string& text : options.scalar) {
    laboratory.own.push_back(precision::load_own_kernel(text, options.kernels, true));
  }
  return precision::run_laboratory(laboratory);
}

Json loaded(const std::string& path) {
  Json results = Json::parse(read_file(path, std::size_t{1} << 28), nullptr, false);
  if (results.is_discarded() || !results.is_object() || results.value("schema", 0) != 1) {
    throw FormatError(path + ": expected the results.json of `palinode precision`, schema 1");
  }
  return results;
}

// Puts the tables between the two marks of a page.
void write_into(const std::string& path, const std::string& tables) {
  const std::string page = read_file(path, std::size_t{1} << 24);
  const std::size_t begin = page.find(kBegin), end = page.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos || end < begin) {
    throw FormatError(fmt::format("{}: the marks of the tables are not there", path));
  }
  write_file_atomically(path, page.substr(0, begin + kBegin.size()) + tables + page.substr(end));
}

int run(const Options& options) {
  if (options.list) {
    for (const std::string& name : precision::kernel_names()) print(name + "\n");
    return kDone;
  }
  apply(options);
  std::error_code failure;
  std::filesystem::create_directories(options.out, failure);
  if (failure) throw EnvironmentError(fmt::format("{}: {}", options.out, failure.message()));
  const Json results = options.render.empty() ? measured(options) : loaded(options.render);
  write_file_atomically(options.out + "/results.json", results.dump(1) + "\n");
  write_file_atomically(options.out + "/results.csv", precision::as_csv(results));
  write_file_atomically(options.out + "/precision.html", precision::render_page(results));
  if (!options.into.empty()) write_into(options.into, precision::render_markdown(results));
  if (options.json) {
    print(results.dump(1) + "\n");
  } else {
    for (const precision::ResultTable& table : precision::tables(results)) {
      print(precision::as_text(table));
    }
    print(fmt::format("page: {}/precision.html\n", options.out));
  }
  for (const Json& check : results.at("checks")) {
    if (check.at("promise").get<bool>() && !check.at("pass").get<bool>()) return kCheckFailed;
  }
  return kDone;
}

}  // namespace

Command add_precision_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("precision", "Measure kernels: ULPs next to nanoseconds");
  const auto options = std::make_shared<Options>();
  command->add_option("kernels", options->kernels,
                      "Functions, sum, dot, matmul, softmax, ...; --list has them all (default)");
  command->add_flag("--exhaustive", options->exhaustive,
                    "All 2^32 inputs of a function and pairs of bf16; goes on where it was killed");
  command->add_option("--sample", options->every, "Otherwise one input in 2^K")
      ->check(CLI::Range(1, 20))
      ->capture_default_str();
  command->add_option("--kernel", options->own,
                      "[KERNEL=]LIBRARY:SYMBOL, one's own over arrays; docs/precision.md");
  command->add_option("--scalar-kernel", options->scalar, "The same, of one value a call");
  command->add_option("--with", options->with, "Rows and digests of an earlier results.json");
  command->add_option("--render", options->render, "Measure nothing; write this results.json anew");
  command->add_option("--into", options->into, "Put the tables between the marks of this page");
  command->add_option("--out", options->out, "Folder for results.json, .csv, precision.html")
      ->capture_default_str();
  command->add_flag("--list", options->list, "Print the names of kernels");
  command->add_flag("--json", options->json, "Print results.json instead of the tables");
  command->add_flag("--quiet", options->quiet, "No progress");
  command->add_flag("--no-color", options->no_color, "Plain text, which it is");
  add_machine_options(*command, *options);
  command->footer(
      "Examples:\n"
      "  palinode precision exp tanh                              a sample, in seconds\n"
      "  palinode precision tanh --exhaustive --simd avx2         all 2^32 inputs\n"
      "  palinode precision exp --kernel ./libmine.so:my_expf     your own beside ours\n"
      "  palinode precision tanh --scalar-kernel libm.so.6:tanhf\n"
      "Exit code 1: a promise is not kept; a comparison with a rival is only told.");
  return {command, [options] { return run(*options); }};
}

}  // namespace palinode::experiments
