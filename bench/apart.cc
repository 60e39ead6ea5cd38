#include "bench/apart.h"

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tensor/error.h"

namespace palinode::bench {
namespace {

constexpr char kEnvironment[] =
    "MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=2147483648 "
    "MALLOC_TOP_PAD_=268435456";

std::string output_of(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) throw EnvironmentError("compare: cannot start a process: " + command);
  std::string output;
  std::array<char, 4096> part{};
  for (std::size_t n = 0; (n = std::fread(part.data(), 1, part.size(), pipe)) > 0;) {
    output.append(part.data(), n);
  }
  const int status = ::pclose(pipe);
  if (status != 0) {
    throw EnvironmentError(fmt::format("compare: ended with status {}: {}", status, command));
  }
  return output;
}

Measured from_text(const std::string& text) {
  const auto j = nlohmann::json::parse(text);
  Measured measured;
  j.at("names").get_to(measured.names);
  j.at("variants").get_to(measured.variants);
  j.at("automatic").get_to(measured.automatic);
  j.at("rates").get_to(measured.rates);
  if (!j.at("check").is_null()) measured.check = {{j["check"]["text"], j["check"]["pass"]}};
  return measured;
}

}  // namespace

Measured measure(const Case& one, const Method& method) {
  Measured measured;
  if (one.check) measured.check = one.check();
  const std::vector<Contender> contenders = one.make();
  for (const Contender& contender : contenders) {
    measured.names.push_back(contender.name);
    measured.variants.push_back(contender.variant);
    measured.automatic.push_back(contender.automatic);
  }
  measured.rates = interleave(contenders, one.work, one.threads, method);
  return measured;
}

std::string to_text(const Measured& measured) {
  nlohmann::json j = {{"names", measured.names},
                      {"variants", measured.variants},
                      {"automatic", measured.automatic},
                      {"rates", measured.rates},
                      {"check", nullptr}};
  if (measured.check) {
    j["check"] = {{"text", measured.check->text}, {"pass", measured.check->pass}};
  }
  return j.dump();
}

Measured measure_apart(const Case& one, const std::string& flags) {
  const std::string program = std::filesystem::read_symlink("/proc/self/exe");
  const std::string blas = openmp_blas_folder();
  return from_text(output_of(fmt::format("{} {} '{}' --measure '{}' {}", kEnvironment,
                                         blas.empty() ? "" : "LD_LIBRARY_PATH=" + blas, program,
                                         one.what, flags)));
}

std::string openmp_blas_folder() {
  const std::string folder = "/usr/lib/x86_64-linux-gnu/openblas-openmp";
  return std::filesystem::exists(folder + "/libblas.so.3") ? folder : "";
}

}  // namespace palinode::bench
