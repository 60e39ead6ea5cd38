// Network: a model that declares its parameters. Initialization and model files read the
// declarations, so neither knows one kind of layer from another.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nn/init.h"
#include "nn/run.h"
#include "tensor/ledger.h"

namespace palinode::nn {

// How a parameter lies in a file, in the ecosystem's convention.
enum class Layout : std::uint8_t {
  kSame,
  kLinear,  // [in, out] here, [out, in] in files
  kConv,    // [kh, kw, c_in, c_out] here, [c_out, c_in, kh, kw] in files
};

struct Parameter {
  const Store* store;
  std::string name;
  Shape shape;
  Init init;
  Layout layout = Layout::kSame;
};
using Parameters = std::vector<Parameter>;

// A weight a model reads under two names: `reader` is what an untied model would call a parameter
// of its own, `name` the parameter in the store that takes its place.
struct Tie {
  std::string reader, name;
};
using Ties = std::vector<Tie>;

// Adds the first value of each to a proposal, drawn from the stream of the parameter's name.
void add_initial(Proposal& proposal, const Parameters& parameters, const Rng& rng, Dtype dtype);

// An attention where a prefix may enter, and how wide its keys and its values are.
struct AttentionSite {
  std::string name;
  std::size_t width;
};

class Network : public Model {
 public:
  virtual std::string_view kind() const = 0;  // "mlp", "cnn", "gpt", "llama"
  // All of them, buffers too, in the order of the forward pass.
  virtual Parameters parameters() const = 0;
  // The layers with a matrix `<site>.weight`, by name: where a low-rank behavior may enter.
  virtual std::vector<std::string> sites() const = 0;
  // For a language model: its attentions, and how wide the rows of its embedded tokens are.
  virtual std::vector<AttentionSite> attentions() const { return {}; }
  virtual std::size_t embedding_width() const { return 0; }
  virtual const Store& store() const = 0;
  // Of BatchNorm's statistics; none for a network without them.
  virtual const Store* buffers() const { return nullptr; }

  // Sorted by reader; none for a network that reads every parameter in one place.
  virtual Ties ties() const { return {}; }

  Proposal init(const Rng& rng, Dtype dtype = Dtype::kF32) const;
};

}  // namespace palinode::nn
