#include "nn/decoder.h"

#include <fmt/format.h>

#include <bit>
#include <numeric>
#include <utility>

#include "nn/kv_cache.h"
#include "tensor/error.h"

namespace palinode::nn {
namespace {

constexpr std::size_t kMaxLayers = 1024;
constexpr std::size_t kMaxContextValues = std::size_t{1} << 26;

Sha256Digest key_of(std::string_view model, const HeadSettings& settings) {
  Sha256 sha;
  sha.add(model).add(std::uint64_t{settings.heads}).add(std::uint64_t{settings.kv_heads});
  sha.add(std::bit_cast<std::uint64_t>(settings.rope_base));
  sha.add(std::bit_cast<std::uint64_t>(settings.eps));
  return sha.add(static_cast<std::uint64_t>(settings.precision)).finish();
}

}  // namespace

void check_decoder(std::string_view model, const DecoderSize& size) {
  const bool good = size.vocab > 0 && size.context > 0 && size.width > 0 && size.layers > 0;
  if (!good || size.layers > kMaxLayers) {
    throw ShapeError(fmt::format(
        "{}: needs vocab, context and width above 0 and 1 to {} layers, got {}, {}, {} and {}",
        model, kMaxLayers, size.vocab, size.context, size.width, size.layers));
  }
  if (size.width <= kMaxContextValues / size.context) return;
  throw ShapeError(fmt::format("{}: a context of {} tokens of width {} is more than {} values",
                               model, size.context, size.width, kMaxContextValues));
}

Place begin_pass(std::string_view model, Run& run, const Store& store, const Tensor& tokens,
                 std::size_t context, const HeadSettings& settings) {
  if (tokens.dtype() != Dtype::kI32) {
    throw DtypeError(
        fmt::format("{}: tokens are i32 [batch, time], got {}", model, tokens.describe()));
  }
  if (tokens.shape().rank() != 2 || tokens.empty()) {
    throw ShapeError(
        fmt::format("{}: tokens are i32 [batch, time], got {}", model, tokens.describe()));
  }
  Place place{.batch = tokens.shape()[0], .time = tokens.shape()[1]};
  if (KvCache* cache = run.cache()) {
    cache->claim(store, run, place.batch, key_of(model, settings));
    place.offset = cache->length();
  }
  if (place.time > context || place.offset > context - place.time) {
    throw ShapeError(fmt::format("{}: {} tokens after {} do not fit into a context of {}", model,
                                 place.time, place.offset, context));
  }
  return place;
}

void end_pass(Run& run, const Place& place) {
  if (KvCache* cache = run.cache()) cache->advance(place.time);
}

std::size_t put_prompt(Run& run, Var& x, Place& place, std::size_t context) {
  const std::optional<Var> prompt = place.offset == 0 ? run.prompt() : std::nullopt;
  if (!prompt) return 0;
  const std::size_t n = prompt->shape()[0], width = x.shape()[2];
  if (prompt->shape() != Shape{n, width}) {
    throw ShapeError(fmt::format("prompt: its rows have the width of the embedding, {}, got {}",
                                 width, prompt->value().describe()));
  }
  if (n > context || place.time > context - n) {
    throw ShapeError(fmt::format("prompt: {} rows before {} tokens do not fit into a context of {}",
                                 n, place.time, context));
  }
  const Var one = reshape(*prompt, {1, n, width});
  const Var all = broadcast_to(one, {place.batch, n, width});
  x = concat({all, x}, 1);
  place.time += n;
  return n;
}

Var drop_prompt(Var x, const Place& place, std::size_t prompted) {
  if (prompted == 0) return x;
  const std::size_t width = x.shape()[1], time = place.time - prompted;
  const Var rows = reshape(x, {place.batch, place.time, width});
  const Var tokens = slice(rows, 1, prompted, place.time);
  return reshape(tokens, {place.batch * time, width});
}

Tensor positions_of(const Place& place) {
  TensorBuilder builder({place.time}, Dtype::kI32);
  const std::span<std::int32_t> values = builder.values<std::int32_t>();
  std::iota(values.begin(), values.end(), static_cast<std::int32_t>(place.offset));
  return std::move(builder).build();
}

}  // namespace palinode::nn
