// The JSON form of a tokenizer.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "experiments/tokenizer/tokenizer.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLongestJson = std::size_t{1} << 24;

std::uint32_t number_below(const Json& json, std::size_t limit, const char* what) {
  if (!json.is_number_unsigned() || json.get<std::uint64_t>() >= limit) {
    throw FormatError(fmt::format("expected {} from 0 to {}, got {}", what, limit - 1,
                                  json.dump().substr(0, 20)));
  }
  return json.get<std::uint32_t>();
}

const Json& array_of(const Json& json, const char* field) {
  const auto found = json.find(field);
  if (found == json.end() || !found->is_array()) {
    throw FormatError(fmt::format("expected an array \"{}\"", field));
  }
  return *found;
}

Tokenizer from_json(const Json& json) {
  if (!json.is_object() || json.size() != 2) {
    throw FormatError("expected an object of \"alphabet\" and \"merges\"");
  }
  std::string alphabet;
  for (const Json& byte : array_of(json, "alphabet")) {
    alphabet.push_back(static_cast<char>(number_below(byte, 256, "a byte")));
  }
  std::vector<Merge> merges;
  for (const Json& pair : array_of(json, "merges")) {
    if (!pair.is_array() || pair.size() != 2) throw FormatError("expected pairs in \"merges\"");
    const auto token = [&](std::size_t i) {
      return static_cast<Token>(number_below(pair[i], Tokenizer::kMostTokens, "a token"));
    };
    merges.push_back({token(0), token(1)});
  }
  return {alphabet, std::move(merges)};
}

}  // namespace

std::string Tokenizer::to_json() const {
  Json alphabet = Json::array(), merges = Json::array();
  for (const char byte : alphabet_) alphabet.push_back(static_cast<std::uint8_t>(byte));
  for (const auto& [left, right] : merges_) merges.push_back(Json::array({left, right}));
  return Json{{"alphabet", alphabet}, {"merges", merges}}.dump();
}

Tokenizer parse_tokenizer(std::string_view json, const std::string& name) {
  if (json.size() > kLongestJson) {
    throw FormatError(fmt::format("{}: a tokenizer of more than {} bytes", name, kLongestJson));
  }
  const Json parsed = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) throw FormatError(fmt::format("{}: not JSON", name));
  try {
    return from_json(parsed);
  } catch (const FormatError& error) {
    throw FormatError(fmt::format("{}: {}", name, error.what()));
  }
}

}  // namespace palinode::experiments
