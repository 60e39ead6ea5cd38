#include "experiments/data_sets/windows.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tensor/error.h"

namespace palinode::experiments {
namespace {

void check(std::span<const Token> tokens, std::size_t batch, std::size_t context) {
  if (batch == 0 || context == 0 || tokens.size() <= context) {
    throw ShapeError(fmt::format(
        "windows: expected a batch and a context above 0 and more tokens than the context, got "
        "batch {}, context {}, {} tokens",
        batch, context, tokens.size()));
  }
}

// Windows of the tokens, window r beginning at begin(r).
template <class Begin>
Labelled windows_of(std::span<const Token> tokens, std::size_t count, std::size_t context,
                    const Begin& begin) {
  TensorBuilder x({count, context}, Dtype::kI32), y({count * context}, Dtype::kI32);
  const std::span<std::int32_t> in = x.values<std::int32_t>(), targets = y.values<std::int32_t>();
  for (std::size_t r = 0; r < count; ++r) {
    const std::size_t at = begin(r);
    std::ranges::copy(tokens.subspan(at, context), in.subspan(r * context).begin());
    std::ranges::copy(tokens.subspan(at + 1, context), targets.subspan(r * context).begin());
  }
  return {std::move(x).build(), std::move(y).build()};
}

}  // namespace

Windows::Windows(std::span<const Token> tokens, Rng stream, std::size_t batch, std::size_t context)
    : tokens_(tokens), stream_(std::move(stream)), batch_(batch), context_(context) {
  check(tokens, batch, context);
}

Labelled Windows::at(std::size_t step) const {
  return windows_of(tokens_, batch_, context_, [&](std::size_t row) {
    return static_cast<std::size_t>(stream_.below(step * batch_ + row, tokens_.size() - context_));
  });
}

WindowCover::WindowCover(std::span<const Token> tokens, std::size_t batch, std::size_t context)
    : tokens_(tokens), batch_(batch), context_(context), windows_(0) {
  check(tokens, batch, context);
  windows_ = (tokens.size() - 1) / context;
}

Labelled WindowCover::at(std::size_t index) const {
  PALINODE_ASSERT(index < batches());
  const std::size_t first = index * batch_, count = std::min(batch_, windows_ - first);
  return windows_of(tokens_, count, context_,
                    [&](std::size_t row) { return (first + row) * context_; });
}

}  // namespace palinode::experiments
