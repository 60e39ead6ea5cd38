// What a step did: a line of metrics.jsonl, and a line on the terminal.
//
//   {"step":50,"loss":0.41,"lr":0.001,"grad_norm":1.7,"validation_loss":0.39,
//    "validation_accuracy":0.88,"time":{"ms":1.2,"samples_per_second":26667}}
//
// Everything but "time" is under the same-bits contract: a resumed run writes the same lines.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace palinode::experiments::train {

// A look at held-out data.
struct Evaluation {
  // Mean cross-entropy a label, in nats; infinite if nobody has looked.
  double loss = std::numeric_limits<double>::infinity();
  double accuracy = 0;  // share of labels that have the greatest logit
  std::uint64_t labels = 0;
  std::uint64_t bytes = 0;  // of text behind the labels; 0 for images
};

// "loss 0.1034  accuracy 97.12 %", or of a text "loss 1.4512  perplexity 4.27  bits/byte 2.0936".
std::string shown(const Evaluation& evaluation);
double perplexity(const Evaluation& evaluation);
double bits_per_byte(const Evaluation& evaluation);

struct StepMetrics {
  std::uint64_t step = 0;  // the first is 1
  double loss = 0;         // mean over the step's batches, before the step
  double lr = 0;
  double grad_norm = 0;  // of all gradients together, before clipping
  std::optional<Evaluation> validation = {};
  double ms = 0;          // of the step alone
  double per_second = 0;  // samples, or tokens
};

// What a step is counted in.
enum class Unit : std::uint8_t { kSamples, kTokens };
std::string_view unit_name(Unit unit);  // "samples", "tokens"

// metrics.jsonl, open for appending. A line is in the file when `append` returns, and appending
// makes no heap allocation once the first lines have been written.
class MetricsFile {
 public:
  // Keeps the lines of steps 1 to `steps` and drops what follows. Throws FormatError naming the
  // file and the line if they are not there.
  MetricsFile(std::string path, Unit unit, std::uint64_t steps);

  void append(const StepMetrics& metrics);  // throws EnvironmentError if it cannot be written
  void flush_to_disk();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string path_;
  Unit unit_;
  std::unique_ptr<std::FILE, Close> file_;
  fmt::memory_buffer line_;
};

// The lines on stderr: one a step, or of a long run every total / 200 steps, and one a look at the
// validation set.
class StepLines {
 public:
  StepLines(std::uint64_t total, Unit unit, bool quiet, bool color);
  void show(const StepMetrics& metrics);
  void note(std::string_view text) const;  // a line of its own

 private:
  std::uint64_t total_, every_;
  Unit unit_;
  bool quiet_, color_;
  fmt::memory_buffer line_;
};

}  // namespace palinode::experiments::train
