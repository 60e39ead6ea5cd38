// The table of ratios: our kernels against others' and against the machine's limits, interleaved in
// one process. See docs/performance.md; bench/compare builds and runs it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>
#include <span>

#include "bench/apart.h"
#include "bench/interleave.h"
#include "bench/table.h"
#include "bench/torch_peer.h"
#include "experiments/environment.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/simd.h"

namespace palinode::bench {
namespace {

using nlohmann::ordered_json;

struct Arguments {
  std::string json, into, filter, measure, simd = "best";
  std::size_t runs = 1;
  bool quick = false, all = false;
};

constexpr std::string_view kBegin = "<!-- bench/compare --into: begin -->\n";
constexpr std::string_view kEnd = "<!-- bench/compare --into: end -->\n";

void choose_simd(const std::string& name) {
  for (const Simd simd : {Simd::kScalar, Simd::kSse4, Simd::kAvx2, Simd::kAvx3, Simd::kNeon}) {
    if (simd_name(simd) == name) use_simd(simd);
  }
}

std::string load_text() {
  std::array<double, 3> load{};
  if (getloadavg(load.data(), 3) != 3) return "unknown";
  return fmt::format("{:.2f} {:.2f} {:.2f}", load[0], load[1], load[2]);
}

std::string libtorch_text() {
  if (libtorch() == nullptr) return "left out: it was not there when this program was configured";
  return fmt::format("{}, on {}, malloc kept from returning pages", libtorch()->version,
                     openmp_blas_folder().empty() ? libtorch()->blas : "OpenBLAS OpenMP");
}

// The flags with which a process for one case sees what this one was asked for.
std::string flags_of(const Arguments& arguments) {
  return fmt::format("--simd {}{}", arguments.simd, arguments.quick ? " --quick" : "");
}

// For a process that measures one case for another one.
int measure_one(const Arguments& arguments, const Method& method) {
  for (const Case& one : cases()) {
    if (one.what != arguments.measure) continue;
    const std::string text = to_text(measure(one, method));
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
  }
  throw NameError(fmt::format("no case {}", arguments.measure));
}

// What the table and the file say about where and how it was measured.
ordered_json machine_json(const Arguments& arguments, const Method& method,
                          std::span<const Case> selected, const std::string& load) {
  const ordered_json environment = experiments::environment_json();
  ordered_json machine;
  for (const char* key : {"cpu", "os", "compiler", "simd"}) machine[key] = environment[key];
  machine["load before, after"] = fmt::format("{}; {}", load, load_text());
  if (std::ranges::any_of(selected, &Case::apart)) machine["libtorch"] = libtorch_text();
  machine["method"] =
      fmt::format("{} run(s) of {} interleaved rounds, samples of at least {} ms; medians",
                  arguments.runs, method.rounds, method.seconds * 1e3);
  return machine;
}

// Puts the table between the two marks of a page.
void write_into(const std::string& path, const std::string& table) {
  std::ifstream file(path, std::ios::binary);
  const std::string page{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const std::size_t begin = page.find(kBegin), end = page.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos || end < begin) {
    throw FormatError(fmt::format("{}: the marks of the table are not there", path));
  }
  write_file_atomically(path, page.substr(0, begin + kBegin.size()) + table + page.substr(end));
}

int compare(const Arguments& arguments) {
  choose_simd(arguments.simd);
  const Method method = arguments.quick ? Method{.rounds = 5, .seconds = 1e-3} : Method{};
  if (!arguments.measure.empty()) return measure_one(arguments, method);
  std::vector<Case> selected;
  const std::regex filter(arguments.filter);
  for (Case& one : cases()) {
    const bool asked = arguments.all || !one.bars.empty() || !one.note.empty();
    if (asked && std::regex_search(one.what, filter)) selected.push_back(std::move(one));
  }
  const std::string load = load_text();
  std::vector<Row> rows;
  for (std::size_t run = 1; run <= arguments.runs; ++run) {
    std::size_t done = 0;
    for (const Case& one : selected) {
      fmt::print(stderr, "run {}/{}, {}/{}: {}\n", run, arguments.runs, ++done, selected.size(),
                 one.what);
      add_rows(rows, one,
               one.apart ? measure_apart(one, flags_of(arguments)) : measure(one, method));
    }
  }
  const std::vector<Precision> precision =
      std::regex_search("precision", filter) ? product_precision() : std::vector<Precision>{};
  const ordered_json machine = machine_json(arguments, method, selected, load);
  const std::string table = markdown(rows, precision, machine);
  std::fwrite(table.data(), 1, table.size(), stdout);
  if (!arguments.into.empty()) write_into(arguments.into, table);
  if (!arguments.json.empty()) {
    write_file_atomically(arguments.json, to_json(rows, precision, machine).dump(1) + "\n");
  }
  return 0;
}

}  // namespace
}  // namespace palinode::bench

int main(int argc, char** argv) {
  palinode::bench::Arguments arguments;
  CLI::App app("Palinode's kernels against others' and the machine's limits, interleaved");
  app.add_option("--json", arguments.json, "Write the rows to this file as JSON");
  app.add_option("--into", arguments.into, "Put the table between the marks of this page");
  app.add_option("--filter", arguments.filter, "Cases whose name this regular expression finds");
  app.add_option("--measure", arguments.measure, "Measure this one case, for another process")
      ->group("");
  app.add_option("--runs", arguments.runs, "Repeat everything this often")
      ->check(CLI::Range(1, 100));
  app.add_option("--simd", arguments.simd,
                 "Our SIMD target, which also limits OpenBLAS's core types")
      ->check(CLI::IsMember({"scalar", "sse4", "avx2", "avx3", "neon", "best"}));
  app.add_flag("--quick", arguments.quick, "5 rounds of 1 ms instead of 15 of 5 ms");
  app.add_flag("--all", arguments.all, "Also the cases that no bar is set for");
  CLI11_PARSE(app, argc, argv);
  try {
    return palinode::bench::compare(arguments);
  } catch (const std::exception& error) {
    fmt::print(stderr, "compare: {}\n", error.what());
    return 1;
  }
}
