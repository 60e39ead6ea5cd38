// The program of the determinism matrix (tests/matrix/run): trains an MLP and an attention block,
// runs kernels on hostile values, and prints one SHA-256 over all of it. See --help.
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/digest.h"
#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tensor/simd.h"
#include "tests/matrix/parts.h"

namespace palinode::matrix {
namespace {

constexpr std::string_view kUsage =
    R"(usage: determinism [--steps N] [--simd NAME] [--threads N] [--golden FILE] [--rows]
       determinism --list

Prints the SHA-256 of 200 steps (or N) of training and of a pass over the kernels.

  --golden FILE  compares with the rows of FILE for that number of steps
  --rows         prints the rows such a file holds instead: steps, part, digest
  --list         prints the SIMD targets of this machine, one a line

Exit codes: 0 done, 1 a digest differs from the golden one, 2 usage, 4 environment.
)";

struct UsageError : Error {
  using Error::Error;
};

struct Options {
  std::uint64_t steps = 200;
  std::size_t threads = 1;
  std::string simd;    // empty: the best
  std::string golden;  // empty: compare with nothing
  bool rows = false;
  bool list = false;
};

struct Part {
  std::string name;
  std::string digest;
};

std::uint64_t number(std::string_view option, std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  throw UsageError(fmt::format("{}: expected a number, got {}", option, text));
}

Options parse(const std::vector<std::string>& arguments) {
  Options options;
  for (auto at = arguments.begin(); at != arguments.end(); ++at) {
    const std::string& option = *at;
    const auto value = [&]() -> const std::string& {
      if (++at == arguments.end()) throw UsageError(fmt::format("{} needs a value", option));
      return *at;
    };
    if (option == "--steps") {
      options.steps = number(option, value());
    } else if (option == "--threads") {
      options.threads = number(option, value());
    } else if (option == "--simd") {
      options.simd = value();
    } else if (option == "--golden") {
      options.golden = value();
    } else if (option == "--rows") {
      options.rows = true;
    } else if (option == "--list") {
      options.list = true;
    } else {
      throw UsageError(fmt::format("unknown option {}\n{}", option, kUsage));
    }
  }
  return options;
}

void choose_simd(const std::string& name) {
  if (name.empty()) return;
  for (const Simd simd : available_simd()) {
    if (simd_name(simd) == name) return use_simd(simd);
  }
  throw EnvironmentError(fmt::format("simd: {} is not available here", name));
}

// Part and digest of the golden rows for this number of steps.
std::map<std::string, std::string> read_golden(const std::string& path, std::uint64_t steps) {
  std::ifstream file(path);
  if (!file) throw EnvironmentError(fmt::format("{}: cannot be read", path));
  std::map<std::string, std::string> golden;
  std::uint64_t row_steps = 0;
  std::string part, digest;
  while (file >> row_steps >> part >> digest) {
    if (row_steps == steps) golden[part] = digest;
  }
  if (golden.empty()) throw EnvironmentError(fmt::format("{}: no row for {} steps", path, steps));
  return golden;
}

// False, with the parts that differ named on standard error, unless all agree.
bool matches(const std::vector<Part>& parts, const std::map<std::string, std::string>& golden) {
  bool same = parts.size() == golden.size();
  for (const auto& [name, digest] : parts) {
    const auto want = golden.find(name);
    if (want != golden.end() && want->second == digest) continue;
    fmt::print(stderr, "{} differs: golden {}, here {}\n", name,
               want == golden.end() ? "has no such part" : want->second, digest);
    same = false;
  }
  return same;
}

int run(const Options& options) {
  if (options.list) {
    for (const Simd simd : available_simd()) fmt::print("{}\n", simd_name(simd));
    return 0;
  }
  check_floating_point();
  choose_simd(options.simd);
  set_threads(options.threads);
  const auto start = std::chrono::steady_clock::now();
  const std::vector<Part> parts = {{"mlp", hex(train_mlp(options.steps))},
                                   {"attention", hex(train_attention(options.steps))},
                                   {"cnn", hex(train_cnn(options.steps))},
                                   {"gpt", hex(train_gpt(options.steps))},
                                   {"llama", hex(train_llama(options.steps))},
                                   {"kernels", hex(run_kernels())}};
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::string all;
  for (const Part& part : parts) {
    all += part.digest;
    if (options.rows) fmt::print("{} {} {}\n", options.steps, part.name, part.digest);
  }
  if (options.rows) return 0;
  fmt::print("{} {} threads {} steps {} seconds {:.1f}\n", hex(sha256(all)),
             simd_name(active_simd()), threads(), options.steps, seconds.count());
  if (options.golden.empty()) return 0;
  return matches(parts, read_golden(options.golden, options.steps)) ? 0 : 1;
}

int main_with(const std::vector<std::string>& arguments) {
  if (arguments == std::vector<std::string>{"--help"}) {
    fmt::print("{}", kUsage);
    return 0;
  }
  try {
    return run(parse(arguments));
  } catch (const UsageError& error) {
    fmt::print(stderr, "determinism: {}\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "determinism: {}\n", error.what());
    return 4;
  }
}

}  // namespace
}  // namespace palinode::matrix

int main(int count, char** arguments) {
  return palinode::matrix::main_with({arguments + 1, arguments + count});
}
