// A network trained by somebody else: the language detector lande 1.0.10 of F. Spampinato (MIT), an
// MLP of 620 n-gram frequencies, 120 relu units and 50 languages, in the form of this framework
// (experiments/data/README.md).
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "nn/mlp.h"
#include "tensor/ledger.h"
#include "tensor/safetensors.h"

namespace palinode::experiments {

// The embedded network: layer.0 and layer.1, weights [out, in], and as metadata the languages (a
// JSON array of ISO 639-3 codes), the ngrams (four arrays, of 1 to 4 UTF-16 units), licence and
// source.
SafetensorsFile lande_file();

class LanguageDetector {
 public:
  // Opens the identity `name` of the ledger and loads the weights through the door. Throws
  // FormatError for a file of another form, and as Ledger does.
  LanguageDetector(Ledger& ledger, const SafetensorsFile& file, const std::string& name = "lande");

  const nn::Mlp& model() const { return model_; }
  const Store& store() const { return model_.store(); }
  std::span<const std::string> languages() const { return languages_; }

  // f32 [n, 620]: of each known n-gram, its share of the n-grams of its length in the normalized
  // text (normalize.h), divided in f64 and rounded once.
  Tensor features(std::span<const std::string> texts) const;
  // f32 [n, 50], the softmax of the model's outputs. Within 2e-4 of the original, which sums in
  // f64: outputs are as large as 1,000, where neighbours in f32 are 6e-5 apart.
  Tensor probabilities(std::span<const std::string> texts) const;

 private:
  static constexpr std::size_t kLengths = 4;
  void read_metadata(const SafetensorsFile& file);

  nn::Mlp model_;
  std::vector<std::string> languages_;
  std::array<std::map<std::u16string, std::size_t, std::less<>>, kLengths> columns_;  // of n-grams
  std::size_t width_ = 0;
};

}  // namespace palinode::experiments
