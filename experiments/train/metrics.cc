#include "experiments/train/metrics.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "tensor/error.h"
#include "tensor/kernels/math.h"

namespace palinode::experiments::train {
namespace {

constexpr double kNatsABit = 0.69314718055994530942;

[[noreturn]] void cannot_write(const std::string& path) {
  throw EnvironmentError(fmt::format("{}: cannot be written: {}", path, std::strerror(errno)));
}

// The bytes of the lines of steps 1 to `steps`.
std::size_t kept_bytes(const std::string& text, std::uint64_t steps, const std::string& path) {
  std::size_t begin = 0;
  for (std::uint64_t step = 1; step <= steps; ++step) {
    const std::size_t end = text.find('\n', begin);
    const auto json = end == std::string::npos
                          ? nlohmann::json()
                          : nlohmann::json::parse(text.substr(begin, end - begin), nullptr, false);
    if (!json.is_object() || !json.contains("step") || json["step"] != step) {
      throw FormatError(
          fmt::format("{} line {}: expected the metrics of step {}", path, step, step));
    }
    begin = end + 1;
  }
  return begin;
}

std::string read_text_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

double perplexity(const Evaluation& evaluation) {
  double result = evaluation.loss;
  kernels::exp(std::span<const double>(&evaluation.loss, 1), std::span<double>(&result, 1));
  return result;
}

double bits_per_byte(const Evaluation& evaluation) {
  return evaluation.loss * static_cast<double>(evaluation.labels) /
         (static_cast<double>(evaluation.bytes) * kNatsABit);
}

std::string shown(const Evaluation& evaluation) {
  if (evaluation.bytes == 0) {
    return fmt::format("loss {:.4f}  accuracy {:.2f} %", evaluation.loss,
                       100 * evaluation.accuracy);
  }
  return fmt::format("loss {:.4f}  perplexity {:.3f}  bits/byte {:.4f}", evaluation.loss,
                     perplexity(evaluation), bits_per_byte(evaluation));
}

std::string_view unit_name(Unit unit) { return unit == Unit::kSamples ? "samples" : "tokens"; }

// -------------------------------------------------------------------------------------------------

MetricsFile::MetricsFile(std::string path, Unit unit, std::uint64_t steps)
    : path_(std::move(path)), unit_(unit) {
  if (steps > 0) {
    const std::size_t kept = kept_bytes(read_text_file(path_), steps, path_);
    if (::truncate(path_.c_str(), static_cast<off_t>(kept)) != 0) cannot_write(path_);
  }
  file_.reset(std::fopen(path_.c_str(), steps > 0 ? "ae" : "we"));
  if (!file_) cannot_write(path_);
}

void MetricsFile::append(const StepMetrics& metrics) {
  line_.clear();
  const auto out = std::back_inserter(line_);
  fmt::format_to(out, R"({{"step":{},"loss":{},"lr":{},"grad_norm":{})", metrics.step, metrics.loss,
                 metrics.lr, metrics.grad_norm);
  if (metrics.validation) {
    fmt::format_to(out, R"(,"validation_loss":{},"validation_accuracy":{})",
                   metrics.validation->loss, metrics.validation->accuracy);
  }
  fmt::format_to(out, R"(,"time":{{"ms":{:.4g},"{}_per_second":{:.5g}}}}})", metrics.ms,
                 unit_name(unit_), metrics.per_second);
  line_.push_back('\n');
  const bool written = std::fwrite(line_.data(), 1, line_.size(), file_.get()) == line_.size();
  if (!written || std::fflush(file_.get()) != 0) cannot_write(path_);
}

void MetricsFile::flush_to_disk() {
  if (::fsync(::fileno(file_.get())) != 0) cannot_write(path_);
}

// -------------------------------------------------------------------------------------------------

StepLines::StepLines(std::uint64_t total, Unit unit, bool quiet, bool color)
    : total_(total), every_((total + 199) / 200), unit_(unit), quiet_(quiet), color_(color) {}

void StepLines::show(const StepMetrics& metrics) {
  if (quiet_) return;
  line_.clear();
  const auto out = std::back_inserter(line_);
  if (metrics.step % every_ == 0 || metrics.step == 1 || metrics.step == total_) {
    fmt::format_to(out, "step {}/{}  train loss {:.4f}  lr {:.1e}  {:.1f} ms  {:.0f} {}/s\n",
                   metrics.step, total_, metrics.loss, metrics.lr, metrics.ms, metrics.per_second,
                   unit_name(unit_));
  }
  if (metrics.validation) {
    fmt::format_to(out, "{}step {}/{}  validation {}{}\n", color_ ? "\x1b[1m" : "", metrics.step,
                   total_, shown(*metrics.validation), color_ ? "\x1b[0m" : "");
  }
  std::fwrite(line_.data(), 1, line_.size(), stderr);
}

void StepLines::note(std::string_view text) const {
  if (!quiet_) fmt::print(stderr, "{}\n", text);
}

}  // namespace palinode::experiments::train
