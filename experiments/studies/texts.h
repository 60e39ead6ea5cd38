// Greedy texts of a language model, by which two functions are compared as readers see them: the
// paper's recoverability by scale is the share of its texts that match.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "nn/run.h"
#include "rbl/rollback.h"

namespace palinode::experiments {

using Texts = std::vector<std::vector<std::int32_t>>;  // without their prompts

struct TextConfig {
  std::size_t context = 0;  // the model's
  std::size_t prompt = 0;   // tokens of each row it is given, from the first
  std::size_t length = 0;   // tokens it goes on for
};

// The most likely token again and again, after each row of `prompts`, i32 [n, time]. Throws
// ShapeError for prompts that are no such rows, and for a prompt of none or more than `time`.
Texts greedy_texts(const nn::Model& function, const Tensor& prompts, const TextConfig& config);

// The share of texts that are equal token by token. Throws ShapeError unless there are as many on
// both sides, and some.
double share_equal(const Texts& before, const Texts& after);

// The arm, and what `read` sees of the function it ends at.
std::unique_ptr<rbl::Rollback> read_after(std::unique_ptr<rbl::Rollback> arm,
                                          std::function<void(const nn::Model& recovered)> read);

}  // namespace palinode::experiments
