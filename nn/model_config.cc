#include "nn/model_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>
#include <vector>

#include "tensor/error.h"

namespace palinode::nn {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLargestSize = std::size_t{1} << 31;  // of any extent or count in a file

constexpr std::array<std::string_view, 5> kActivations = {"tanh", "relu", "gelu", "sigmoid",
                                                          "silu"};
constexpr std::array<std::string_view, 2> kPoolings = {"max", "average"};
constexpr std::array<std::string_view, 2> kPrecisions = {"rounded", "fast"};

std::span<const std::string_view> names_of(Activation) { return kActivations; }
std::span<const std::string_view> names_of(Pooling) { return kPoolings; }
std::span<const std::string_view> names_of(Precision) { return kPrecisions; }

template <class Config, class Want>
concept Is = std::same_as<std::remove_const_t<Config>, Want>;

// The fields of each configuration by name: what the writer and the reader go by.
template <Is<MlpConfig> Config, class Visit>
void visit_fields(Config& config, const Visit& visit) {
  visit("sizes", config.sizes);
  visit("activation", config.activation);
  visit("precision", config.precision);
  visit("batch_norm", config.batch_norm);
}

template <Is<ConvBlock> Config, class Visit>
void visit_fields(Config& config, const Visit& visit) {
  visit("channels", config.channels);
  visit("kernel", config.kernel);
  visit("pool", config.pool);
}

template <Is<CnnConfig> Config, class Visit>
void visit_fields(Config& config, const Visit& visit) {
  visit("height", config.height);
  visit("width", config.width);
  visit("channels", config.channels);
  visit("blocks", config.blocks);
  visit("hidden", config.hidden);
  visit("classes", config.classes);
  visit("pooling", config.pooling);
  visit("batch_norm", config.batch_norm);
  visit("dropout", config.dropout);
}

template <Is<GptConfig> Config, class Visit>
void visit_fields(Config& config, const Visit& visit) {
  visit("vocab", config.vocab);
  visit("context", config.context);
  visit("layers", config.layers);
  visit("heads", config.heads);
  visit("width", config.width);
  visit("tied", config.tied);
  visit("dropout", config.dropout);
  visit("checkpointing", config.checkpointing);
  visit("precision", config.precision);
}

template <Is<LlamaConfig> Config, class Visit>
void visit_fields(Config& config, const Visit& visit) {
  visit("vocab", config.vocab);
  visit("context", config.context);
  visit("layers", config.layers);
  visit("heads", config.heads);
  visit("kv_heads", config.kv_heads);
  visit("width", config.width);
  visit("hidden", config.hidden);
  visit("rope_base", config.rope_base);
  visit("eps", config.eps);
  visit("tied", config.tied);
  visit("checkpointing", config.checkpointing);
  visit("precision", config.precision);
}

template <class T>
Json written(const std::vector<T>& values);

template <class T>
Json written(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return name_of(value);
  } else if constexpr (std::is_arithmetic_v<T>) {
    return value;
  } else {
    Json object = Json::object();
    visit_fields(value,
                 [&](const char* name, const auto& field) { object[name] = written(field); });
    return object;
  }
}

template <class T>
Json written(const std::vector<T>& values) {
  Json list = Json::array();
  for (const T& value : values) list.push_back(written(value));
  return list;
}

// Reads one configuration; `where` says which field of which file it is at.
class Reader {
 public:
  explicit Reader(std::string where) : where_(std::move(where)) {}

  void read(const Json& json, bool& to) const {
    if (!json.is_boolean()) fail("a boolean", json);
    to = json.get<bool>();
  }

  void read(const Json& json, std::size_t& to) const {
    if (!json.is_number_unsigned() || json.get<std::uint64_t>() > kLargestSize) {
      fail("a whole number up to 2^31", json);
    }
    to = json.get<std::size_t>();
  }

  void read(const Json& json, double& to) const {
    if (!json.is_number() || !std::isfinite(json.get<double>())) fail("a number", json);
    to = json.get<double>();
  }

  template <class T>
  void read(const Json& json, std::vector<T>& to) const {
    if (!json.is_array()) fail("a list", json);
    to.clear();
    for (const Json& each : json) {
      T value{};
      read(each, value);
      to.push_back(std::move(value));
    }
  }

  template <class T>
  requires std::is_enum_v<T>
  void read(const Json& json, T& to) const {
    const std::span<const std::string_view> names = names_of(to);
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (json.is_string() && json.get_ref<const std::string&>() == names[i]) {
        to = static_cast<T>(i);
        return;
      }
    }
    fail(fmt::format("one of {}", fmt::join(names, ", ")), json);
  }

  template <class T>
  requires std::is_class_v<T>
  void read(const Json& json, T& to) const {
    if (!json.is_object()) fail("an object", json);
    std::size_t known = 0;
    visit_fields(to, [&](const char* name, auto& field) {
      const auto found = json.find(name);
      if (found == json.end()) return;
      ++known;
      Reader(fmt::format("{}.{}", where_, name)).read(*found, field);
    });
    if (known == json.size()) return;
    for (const auto& item : json.items()) {
      const std::string& name = item.key();  // clang 14 captures no structured binding
      bool is_field = false;
      visit_fields(to, [&](const char* field, const auto&) { is_field |= name == field; });
      if (!is_field) throw FormatError(fmt::format("{}: no field named {}", where_, name));
    }
  }

 private:
  [[noreturn]] void fail(std::string_view wanted, const Json& json) const {
    std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace);
    if (text.size() > 80) text = text.substr(0, 80) + "...";
    throw FormatError(fmt::format("{}: expected {}, got {}", where_, wanted, text));
  }

  std::string where_;
};

template <std::size_t... Places>
ModelConfig config_of(std::string_view kind, const std::string& where,
                      std::index_sequence<Places...>) {
  ModelConfig config;
  const auto try_one = [&]<class Config>(Config candidate) {
    if (kind_of(candidate) != kind) return false;
    config = std::move(candidate);
    return true;
  };
  if ((try_one(std::variant_alternative_t<Places, ModelConfig>{}) || ...)) return config;
  throw FormatError(fmt::format("{}: no model is named \"{}\"", where, kind));
}

}  // namespace

std::string_view name_of(Activation activation) {
  return kActivations[static_cast<std::size_t>(activation)];
}
std::string_view name_of(Pooling pooling) { return kPoolings[static_cast<std::size_t>(pooling)]; }
std::string_view name_of(Precision precision) {
  return kPrecisions[static_cast<std::size_t>(precision)];
}

std::string_view kind_of(const ModelConfig& config) {
  constexpr std::array<std::string_view, std::variant_size_v<ModelConfig>> kKinds = {
      "mlp", "cnn", "gpt", "llama"};
  return kKinds[config.index()];
}

ModelConfig config_of(const Network& network) {
  if (const auto* mlp = dynamic_cast<const Mlp*>(&network)) return mlp->config();
  if (const auto* cnn = dynamic_cast<const Cnn*>(&network)) return cnn->config();
  if (const auto* gpt = dynamic_cast<const Gpt*>(&network)) return gpt->config();
  return dynamic_cast<const Llama&>(network).config();
}

std::string to_json(const ModelConfig& config) {
  return std::visit([](const auto& one) { return written(one).dump(); }, config);
}

ModelConfig model_config_from_json(std::string_view kind, std::string_view json,
                                   const std::string& where) {
  constexpr std::size_t kCount = std::variant_size_v<ModelConfig>;
  ModelConfig config = config_of(kind, where, std::make_index_sequence<kCount>());
  const Json object = Json::parse(json, nullptr, false);
  if (object.is_discarded()) throw FormatError(fmt::format("{}: not JSON", where));
  std::visit([&](auto& one) { Reader(where).read(object, one); }, config);
  return config;
}

Precision precision_of(const ModelConfig& config) {
  const auto of = [](const auto& one) {
    if constexpr (std::same_as<std::remove_cvref_t<decltype(one)>, CnnConfig>) {
      return Precision::kRounded;  // it has no transcendental function
    } else {
      return one.precision;
    }
  };
  return std::visit(of, config);
}

bool needs_buffers(const ModelConfig& config) {
  const auto of = [](const auto& one) {
    if constexpr (requires { one.batch_norm; }) {
      return one.batch_norm;
    } else {
      return false;
    }
  };
  return std::visit(of, config);
}

std::unique_ptr<Network> make_network(const ModelConfig& config, const Store& store,
                                      const Store* buffers) {
  const auto make = [&]<class Model>(std::type_identity<Model>, const auto& one) {
    return buffers == nullptr ? std::make_unique<Model>(store, one)
                              : std::make_unique<Model>(store, *buffers, one);
  };
  if (const auto* mlp = std::get_if<MlpConfig>(&config)) {
    return make(std::type_identity<Mlp>{}, *mlp);
  }
  if (const auto* gpt = std::get_if<GptConfig>(&config)) return std::make_unique<Gpt>(store, *gpt);
  if (const auto* llama = std::get_if<LlamaConfig>(&config)) {
    return std::make_unique<Llama>(store, *llama);
  }
  return make(std::type_identity<Cnn>{}, std::get<CnnConfig>(config));
}

}  // namespace palinode::nn
