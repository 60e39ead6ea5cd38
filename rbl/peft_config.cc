#include "rbl/peft_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "tensor/error.h"
#include "tensor/safetensors_header.h"

namespace palinode::rbl {
namespace {

using Json = nlohmann::ordered_json;

// Where an adapter comes from and how it was trained: kept, and no part of its function.
constexpr std::array kNotes = {"auto_mapping",   "base_model_name_or_path",
                               "fan_in_fan_out", "inference_mode",
                               "lora_dropout",   "peft_version",
                               "revision",       "task_type",
                               "eva_config",     "init_lora_weights",
                               "target_modules"};
// Settings of something that another field switches on.
constexpr std::array kIdle = {"megatron_core",  "qalora_group_size",   "runtime_config",
                              "layers_pattern", "ensure_weight_tying", "lora_ga_config"};

bool is_off(const Json& value) {
  return value.is_null() || value == false || (value.is_structured() && value.empty());
}

std::string shown(const Json& value) {
  const std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= 80 ? text : text.substr(0, 80) + "...";
}

bool ends_as(std::string_view module, std::string_view name) {
  if (module == name) return true;
  return module.size() > name.size() && module.ends_with(name) &&
         module[module.size() - name.size() - 1] == '.';
}

// A key of rank_pattern or alpha_pattern, which PEFT takes as an expression for the end of a name,
// or with ^ for all of it. Only plain names are let in here.
bool names(std::string_view pattern, std::string_view module) {
  if (pattern.ends_with('$')) pattern.remove_suffix(1);
  if (!pattern.starts_with('^')) return ends_as(module, pattern);
  return module == pattern.substr(1);
}

class Reader {
 public:
  Reader(std::string_view json, std::string where) : where_(std::move(where)) {
    std::vector<std::set<std::string>> seen;
    std::string twice;
    const auto watch = [&](int, Json::parse_event_t event, Json& value) {
      if (event == Json::parse_event_t::object_start) seen.emplace_back();
      if (event == Json::parse_event_t::object_end) seen.pop_back();
      if (event != Json::parse_event_t::key) return true;
      const auto key = value.get<std::string>();
      if (!seen.back().insert(key).second) twice = key;
      return true;
    };
    all_ = Json::parse(json, watch, false);
    if (all_.is_discarded() || !all_.is_object()) fail("not a JSON object");
    if (!twice.empty()) fail(fmt::format("{} is there twice", palinode::quoted(twice)));
  }

  PeftConfig read() {
    PeftConfig config;
    if (const Json* type = take("peft_type"); type == nullptr || *type != "LORA") {
      fail(fmt::format("peft_type: expected \"LORA\", got {}",
                       type == nullptr ? "none" : shown(*type)));
    }
    refuse_what_changes_the_base();
    for (const char* name : kNotes) {
      const auto found = all_.find(name);
      if (found != all_.end() && !found->is_null()) config.notes[name] = found->dump();
    }
    if (const Json* value = take("r")) config.rank = whole("r", *value);
    if (const Json* value = take("lora_alpha")) config.alpha = number("lora_alpha", *value);
    config.rank_stabilized = flag("use_rslora");
    config.dora = flag("use_dora");
    read_modules(config);
    read_patterns(config);
    for (const char* name : kNotes) taken_.insert(name);
    for (const char* name : kIdle) taken_.insert(name);
    for (const auto& item : all_.items()) {
      if (taken_.contains(item.key()) || is_off(item.value())) continue;
      fail(fmt::format("{} = {} is not supported", palinode::quoted(item.key()),
                       shown(item.value())));
    }
    return config;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw FormatError(fmt::format("{}: {}", where_, what));
  }

  // None for a field that is missing or null.
  const Json* take(const char* name) {
    taken_.insert(name);
    const auto found = all_.find(name);
    return found == all_.end() || found->is_null() ? nullptr : &*found;
  }

  bool flag(const char* name) {
    const Json* value = take(name);
    if (value == nullptr) return false;
    if (!value->is_boolean()) fail(fmt::format("{}: expected a boolean", name));
    return value->get<bool>();
  }

  std::uint64_t whole(const std::string& name, const Json& value) const {
    if (!value.is_number_unsigned() || value == 0 || value > 65536) {
      fail(fmt::format("{}: expected a whole number from 1 to 65536, got {}", name, shown(value)));
    }
    return value.get<std::uint64_t>();
  }

  double number(const std::string& name, const Json& value) const {
    const double found = value.is_number() ? value.get<double>() : -1;
    if (!(found >= 0 && found <= 1e9)) {
      fail(fmt::format("{}: expected a number from 0 to 1e9, got {}", name, shown(value)));
    }
    return found;
  }

  std::vector<std::string> list(const char* name, const Json& value) const {
    std::vector<std::string> names;
    if (!value.is_array()) fail(fmt::format("{}: expected a list of names", name));
    for (const Json& each : value) {
      if (!each.is_string()) fail(fmt::format("{}: expected a list of names", name));
      names.push_back(each.get<std::string>());
    }
    return names;
  }

  void refuse_what_changes_the_base() {
    if (const Json* bias = take("bias"); bias != nullptr && *bias != "none") {
      fail(
          fmt::format("bias = {} is not supported: it puts new biases in place of the base "
                      "model's; a behavior of kind bias holds differences",
                      shown(*bias)));
    }
    if (const Json* saved = take("modules_to_save"); saved != nullptr && !is_off(*saved)) {
      fail(
          fmt::format("modules_to_save = {} is not supported: it puts whole modules in place of "
                      "the base model's",
                      shown(*saved)));
    }
    const Json* init = take("init_lora_weights");
    if (init == nullptr || init->is_boolean()) return;
    for (const char* kept : {"gaussian", "eva", "orthogonal"}) {
      if (*init == kept) return;
    }
    fail(
        fmt::format("init_lora_weights = {} is not supported: such a start rewrites the base "
                    "model's weights, and the adapter is good for those only; convert it to "
                    "plain LoRA",
                    shown(*init)));
  }

  void read_modules(PeftConfig& config) {
    const Json* targets = take("target_modules");
    if (targets != nullptr && !targets->is_string()) {
      config.targets = list("target_modules", *targets);
    }
    if (const Json* excluded = take("exclude_modules"); excluded != nullptr) {
      config.excluded = list("exclude_modules", *excluded);
    }
    const Json* layers = take("layers_to_transform");
    if (layers == nullptr || is_off(*layers)) return;
    config.layers.emplace();
    for (const Json& each : layers->is_array() ? *layers : Json::array({*layers})) {
      if (!each.is_number_unsigned()) fail("layers_to_transform: expected numbers of layers");
      config.layers->push_back(each.get<std::uint64_t>());
    }
  }

  template <class Visit>
  void patterns(const char* name, const Visit& visit) {
    const Json* all = take(name);
    if (all == nullptr) return;
    if (!all->is_object()) fail(fmt::format("{}: expected an object", name));
    for (const auto& item : all->items()) {
      std::string_view plain = item.key();
      if (plain.starts_with('^')) plain.remove_prefix(1);
      if (plain.ends_with('$')) plain.remove_suffix(1);
      const bool good = !plain.empty() && std::ranges::all_of(plain, [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
      });
      if (!good) {
        fail(fmt::format("{}: {} is an expression; only names are supported", name,
                         palinode::quoted(item.key())));
      }
      visit(item.key(), fmt::format("{}.{}", name, item.key()), item.value());
    }
  }

  void read_patterns(PeftConfig& config) {
    patterns("rank_pattern", [&](const std::string& key, const std::string& what, const Json& v) {
      config.rank_pattern.emplace_back(key, whole(what, v));
    });
    patterns("alpha_pattern", [&](const std::string& key, const std::string& what, const Json& v) {
      config.alpha_pattern.emplace_back(key, number(what, v));
    });
  }

  std::string where_;
  Json all_;
  std::set<std::string, std::less<>> taken_;
};

// A whole number is written as one, as PEFT does.
Json written(double value) {
  if (value == std::trunc(value) && value < 9e15) return static_cast<std::uint64_t>(value);
  return value;
}

}  // namespace

std::uint64_t PeftConfig::rank_of(std::string_view module) const {
  for (const auto& [pattern, value] : rank_pattern) {
    if (names(pattern, module)) return value;
  }
  return rank;
}

double PeftConfig::alpha_of(std::string_view module) const {
  for (const auto& [pattern, value] : alpha_pattern) {
    if (names(pattern, module)) return value;
  }
  return alpha;
}

bool PeftConfig::adapts(std::string_view module) const {
  const auto among = [&](const std::vector<std::string>& list) {
    return std::ranges::any_of(list, [&](const auto& name) { return ends_as(module, name); });
  };
  if (among(excluded)) return false;
  if (!targets) return true;
  if (!among(*targets)) return false;
  if (!layers) return true;
  // The last number of the name, as in "model.layers.3.mlp.up_proj".
  std::optional<std::uint64_t> layer;
  for (std::size_t begin = 0; begin < module.size();) {
    const std::size_t end = std::min(module.find('.', begin), module.size());
    const std::string_view part = module.substr(begin, end - begin);
    const bool digits = std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; });
    if (digits && !part.empty() && part.size() < 10) layer = std::stoull(std::string(part));
    begin = end + 1;
  }
  return layer && std::ranges::find(*layers, *layer) != layers->end();
}

PeftConfig parse_peft_config(std::string_view json, const std::string& where) {
  return Reader(json, where).read();
}

std::string peft_config_json(const PeftConfig& config) {
  const auto note = [&](const char* name, Json otherwise) -> Json {
    const auto found = config.notes.find(name);
    if (found == config.notes.end()) return otherwise;
    Json value = Json::parse(found->second, nullptr, false);
    return value.is_discarded() ? otherwise : value;
  };
  const Json json = {{"auto_mapping", nullptr},
                     {"base_model_name_or_path", note("base_model_name_or_path", nullptr)},
                     {"bias", "none"},
                     {"exclude_modules", nullptr},
                     {"fan_in_fan_out", false},
                     {"inference_mode", true},
                     {"init_lora_weights", true},
                     {"layers_pattern", nullptr},
                     {"layers_to_transform", nullptr},
                     {"lora_alpha", written(config.alpha)},
                     {"lora_dropout", note("lora_dropout", 0.0)},
                     {"modules_to_save", nullptr},
                     {"peft_type", "LORA"},
                     {"r", config.rank},
                     {"rank_pattern", Json::object()},
                     {"alpha_pattern", Json::object()},
                     {"revision", note("revision", nullptr)},
                     {"target_modules", config.targets.value_or(std::vector<std::string>())},
                     {"task_type", note("task_type", nullptr)},
                     {"use_dora", config.dora},
                     {"use_rslora", config.rank_stabilized}};
  return json.dump(2) + "\n";
}

}  // namespace palinode::rbl
