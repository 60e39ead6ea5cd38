#include "experiments/lande/detector.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "autograd/ops.h"
#include "experiments/embedded.h"
#include "experiments/lande/normalize.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

using Json = nlohmann::json;

[[noreturn]] void refuse(std::string_view what) {
  throw FormatError(fmt::format("language detector: {}", what));
}

std::vector<std::string> strings(const Json& json, const char* field) {
  std::vector<std::string> result;
  if (!json.is_array()) refuse(fmt::format("expected an array of strings in \"{}\"", field));
  for (const Json& item : json) {
    if (!item.is_string()) refuse(fmt::format("expected strings in \"{}\"", field));
    result.push_back(item.get<std::string>());
  }
  return result;
}

Json metadata(const SafetensorsFile& file, const char* field) {
  const auto found = file.metadata.find(field);
  if (found == file.metadata.end()) refuse(fmt::format("expected metadata \"{}\"", field));
  Json json = Json::parse(found->second, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) refuse(fmt::format("expected JSON in metadata \"{}\"", field));
  return json;
}

const Tensor& parameter(const SafetensorsFile& file, const std::string& name, std::size_t rank) {
  for (const Named& tensor : file.tensors) {
    if (tensor.name != name) continue;
    if (tensor.value.dtype() == Dtype::kF32 && tensor.value.shape().rank() == rank) {
      return tensor.value;
    }
    refuse(
        fmt::format("expected f32 of rank {} as {}, got {}", rank, name, tensor.value.describe()));
  }
  refuse(fmt::format("expected a tensor {}", name));
}

// The sizes of the layers, from the file; and the weights, [in, out] as a model has them.
nn::Mlp load(Ledger& ledger, const SafetensorsFile& file, const std::string& name) {
  constexpr std::size_t kLayers = 2;
  Proposal proposal{.reason = Reason::kLoad, .proposer = name, .finite_only = true};
  std::vector<std::size_t> sizes;
  for (std::size_t i = 0; i < kLayers; ++i) {
    const std::string weight = fmt::format("layer.{}.weight", i);
    const std::string bias = fmt::format("layer.{}.bias", i);
    const Tensor& w = parameter(file, weight, 2);
    const Tensor& b = parameter(file, bias, 1);
    if (sizes.empty()) sizes.push_back(w.shape()[1]);
    if (w.shape()[1] != sizes.back() || w.shape()[0] != b.elements()) {
      refuse(fmt::format("{} {} and {} {} do not fit {} inputs", weight, w.describe(), bias,
                         b.describe(), sizes.back()));
    }
    sizes.push_back(b.elements());
    proposal.writes.push_back({nullptr, weight, w.transpose().compact(), true});
    proposal.writes.push_back({nullptr, bias, b, true});
  }
  const Store& store = ledger.open(name, Role::kIdentity);
  for (Write& write : proposal.writes) write.store = &store;
  ledger.commit(proposal);
  return {store, {.sizes = sizes, .activation = nn::Activation::kRelu}};
}

}  // namespace

SafetensorsFile lande_file() {
  return parse_safetensors(embedded::lande_safetensors(), "embedded lande.safetensors");
}

LanguageDetector::LanguageDetector(Ledger& ledger, const SafetensorsFile& file,
                                   const std::string& name)
    : model_(load(ledger, file, name)) {
  read_metadata(file);
}

void LanguageDetector::read_metadata(const SafetensorsFile& file) {
  languages_ = strings(metadata(file, "languages"), "languages");
  const Json ngrams = metadata(file, "ngrams");
  if (!ngrams.is_array() || ngrams.size() != kLengths) {
    refuse(fmt::format("expected {} arrays in \"ngrams\"", kLengths));
  }
  for (std::size_t n = 0; n < kLengths; ++n) {
    for (const std::string& ngram : strings(ngrams[n], "ngrams")) {
      const std::u16string units = to_utf16(ngram);
      if (units.size() != n + 1 || !columns_[n].emplace(units, width_++).second) {
        refuse(
            fmt::format("expected distinct n-grams of {} UTF-16 units, got \"{}\"", n + 1, ngram));
      }
    }
  }
  const std::size_t inputs = store().at("layer.0.weight").shape()[0];
  const std::size_t outputs = store().at("layer.1.bias").elements();
  if (width_ != inputs || languages_.size() != outputs) {
    refuse(fmt::format("{} n-grams and {} languages do not fit {} inputs and {} outputs", width_,
                       languages_.size(), inputs, outputs));
  }
}

Tensor LanguageDetector::features(std::span<const std::string> texts) const {
  TensorBuilder result({texts.size(), width_}, Dtype::kF32);
  const std::span<float> values = result.values<float>();
  for (std::size_t row = 0; row < texts.size(); ++row) {
    const std::u16string text = lande_normalized(texts[row]);
    std::vector<std::size_t> counts(width_);
    const std::span<float> out = values.subspan(row * width_, width_);
    for (std::size_t n = 1; n <= kLengths; ++n) {
      const std::size_t total = text.size() < n ? 0 : text.size() - n + 1;
      for (std::size_t at = 0; at < total; ++at) {
        const auto column = columns_[n - 1].find(std::u16string_view(text).substr(at, n));
        if (column != columns_[n - 1].end()) ++counts[column->second];
      }
      for (const auto& [ngram, column] : columns_[n - 1]) {
        const double share =
            total == 0 ? 0.0 : static_cast<double>(counts[column]) / static_cast<double>(total);
        out[column] = static_cast<float>(share);
      }
    }
  }
  return std::move(result).build();
}

Tensor LanguageDetector::probabilities(std::span<const std::string> texts) const {
  Tape tape;
  const Var logits = tape.constant(nn::evaluate(model_, features(texts)));
  return softmax(logits).value();
}

}  // namespace palinode::experiments
