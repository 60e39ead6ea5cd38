#include "experiments/train/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <toml++/toml.h>
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <sstream>

#include "experiments/train/config_fields.h"

namespace palinode::experiments::train {
namespace {

// Where each setting that was given stands, by its key.
using Places = std::map<std::string, std::string, std::less<>>;

std::string shown(const toml::node& node) {
  if (node.is_table()) return "a table";
  if (const auto* array = node.as_array()) {
    std::string text;
    for (const toml::node& element : *array) text += (text.empty() ? "" : ", ") + shown(element);
    return "[" + text + "]";
  }
  if (const auto* string = node.as_string()) return toml_string(string->get());
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
  std::ostringstream text;
  node.visit([&](const auto& value) { text << value; });
  return text.str();
}

std::optional<double> number_of(const toml::node& node) {
  if (const auto* value = node.as_floating_point()) {
    return std::isfinite(value->get()) ? std::optional(value->get()) : std::nullopt;
  }
  if (const auto* value = node.as_integer()) return static_cast<double>(value->get());
  return std::nullopt;
}

template <class T>
bool read_number(const toml::node& node, const Field& field, T& to) {
  if constexpr (std::is_same_v<T, std::uint64_t>) {
    if (!node.is_integer()) return false;
  }
  const std::optional<double> value = number_of(node);
  if (!value || *value < field.low || *value > field.high) return false;
  if constexpr (std::is_same_v<T, std::uint64_t>) {
    to = static_cast<std::uint64_t>(node.as_integer()->get());
  } else {
    to = *value;
  }
  return true;
}

bool read(const toml::node& node, const Field&, bool& to) {
  if (const auto* value = node.as_boolean()) to = value->get();
  return node.is_boolean();
}

bool read(const toml::node& node, const Field& field, std::string& to) {
  const auto* value = node.as_string();
  if (value == nullptr) return false;
  const auto& choices = field.choices;
  if (!choices.empty() && std::ranges::find(choices, value->get()) == choices.end()) return false;
  to = value->get();
  return true;
}

bool read(const toml::node& node, const Field& field, double& to) {
  return read_number(node, field, to);
}

bool read(const toml::node& node, const Field& field, std::uint64_t& to) {
  return read_number(node, field, to);
}

template <class T>
bool read(const toml::node& node, const Field& field, std::vector<T>& to) {
  const auto* array = node.as_array();
  if (array == nullptr) return false;
  const std::size_t count = array->size();
  if (field.count == 0 ? count < 1 || count > 64 : count != field.count) return false;
  std::vector<T> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (!read_number(array->at(i), field, values[i])) return false;
  }
  to = std::move(values);
  return true;
}

// `where` ends in ": " or is empty.
void assign(const Field& field, const toml::node& node, const std::string& where) {
  const bool good =
      std::visit([&](const auto& value) { return read(node, field, value.get()); }, field.value);
  if (good) return;
  throw ConfigError(
      fmt::format("{}{}: expected {}, got {}", where, field.key, expected(field), shown(node)));
}

class Reader {
 public:
  explicit Reader(Config& config, std::string_view foreign = {})
      : fields_(fields(config)), foreign_(foreign) {}

  void read_file(std::string_view text, const std::string& name) {
    try {
      read_table(toml::parse(text), "", name);
    } catch (const toml::parse_error& error) {
      const toml::source_position at = error.source().begin;
      throw ConfigError(fmt::format("{}:{}:{}: not TOML: {}", name, at.line, at.column,
                                    std::string(error.description())));
    }
  }

  void read_override(const std::string& text) {
    const std::string where = fmt::format("--set {}: ", text);
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw ConfigError(where + "expected section.key=value");
    }
    const std::string key = text.substr(0, equals), value = text.substr(equals + 1);
    const Field& field = find(key, where);
    const toml::table table = value_of(field, value);
    assign(field, *table.get("value"), where);
    places_[key] = where;
  }

  const Places& places() const { return places_; }

 private:
  void read_table(const toml::table& table, const std::string& prefix, const std::string& name) {
    for (const auto& [toml_key, node] : table) {
      const std::string key = prefix + std::string(toml_key.str());
      const auto begin = toml_key.source().begin;
      const std::string where = fmt::format("{}:{}:{}: ", name, begin.line, begin.column);
      if (!foreign_.empty() && key == foreign_) continue;
      if (is_section(key)) {
        if (!node.is_table()) {
          throw ConfigError(
              fmt::format("{}{}: expected a table [{}], got {}", where, key, key, shown(node)));
        }
        read_table(*node.as_table(), key + ".", name);
        continue;
      }
      assign(find(key, where), node, where);
      places_[key] = where;
    }
  }

  bool is_section(std::string_view key) const {
    return std::ranges::any_of(fields_, [&](const Field& field) {
      return field.key.size() > key.size() && field.key.starts_with(key) &&
             field.key[key.size()] == '.';
    });
  }

  const Field& find(std::string_view key, const std::string& where) const {
    for (const Field& field : fields_) {
      if (field.key == key) return field;
    }
    std::vector<std::string_view> known = names_in(key.substr(0, key.rfind('.') + 1));
    if (known.empty()) known = names_in("");
    throw ConfigError(
        fmt::format("{}{}: unknown key; expected one of {}", where, key, fmt::join(known, ", ")));
  }

  // The settings of a section ("optimizer."), or at the top ("") also the sections.
  std::vector<std::string_view> names_in(std::string_view section) const {
    std::vector<std::string_view> names;
    for (const Field& field : fields_) {
      if (!field.key.starts_with(section)) continue;
      const std::string_view rest = field.key.substr(section.size());
      const std::string_view name = rest.substr(0, rest.find('.'));
      if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    }
    return names;
  }

  // A table with the override's value: TOML, or for a setting that is a string the text itself.
  static toml::table value_of(const Field& field, const std::string& text) {
    const bool is_string = std::holds_alternative<Ref<std::string>>(field.value);
    try {
      toml::table table = toml::parse("value = " + text + "\n");
      const toml::node* value = table.get("value");
      if (value != nullptr && table.size() == 1 && (!is_string || value->is_string())) return table;
    } catch (const toml::parse_error&) {  // then it is text
    }
    toml::table table;
    table.insert("value", text);
    return table;
  }

  std::vector<Field> fields_;
  std::string_view foreign_;
  Places places_;
};

// Contradictions between settings, each named where one of the two was given.
void check(Config& config, const std::string& name, const Places& places) {
  const auto fail = [&](std::string_view key, const std::string& what) {
    const auto place = places.find(key);
    throw ConfigError(
        fmt::format("{}{}: {}", place == places.end() ? name + ": " : place->second, key, what));
  };
  for (const Field& field : fields(config)) {
    if (field.applies || !places.contains(field.key)) continue;
    const std::string& kind =
        field.kind == "model.kind" ? config.model.kind : config.optimizer.kind;
    fail(field.key, fmt::format("{} = {} has no such setting; {} have it", field.kind,
                                toml_string(kind), fmt::join(field.kinds, ", ")));
  }
  const LoopConfig& train = config.train;
  if ((train.steps == 0) == (train.epochs == 0)) {
    fail(train.steps == 0 ? "train" : "train.epochs", "expected train.steps or train.epochs");
  }
  if (train.patience > 0 && train.eval_every == 0) {
    fail("train.patience", "needs train.eval_every");
  }
  if (train.batch % train.shards != 0) {
    fail("train.shards",
         fmt::format("expected a divisor of train.batch, {}, got {}", train.batch, train.shards));
  }
  if (train.shards > 1 && config.model.batch_norm) {
    fail("train.shards",
         fmt::format("expected 1 with model.batch_norm, whose statistics are of the whole batch, "
                     "got {}",
                     train.shards));
  }
  const OptimizerConfig& optimizer = config.optimizer;
  if (optimizer.schedule == "constant" && places.contains("optimizer.min_lr")) {
    fail("optimizer.min_lr", "needs optimizer.schedule = \"cosine\"");
  }
  if (optimizer.min_lr > optimizer.lr) {
    fail("optimizer.min_lr",
         fmt::format("expected at most optimizer.lr, {}, got {}", optimizer.lr, optimizer.min_lr));
  }
  if (optimizer.nesterov && optimizer.momentum == 0) {
    fail("optimizer.nesterov", "needs optimizer.momentum");
  }
  if (train.steps > 0 && optimizer.warmup >= train.steps) {
    fail("optimizer.warmup",
         fmt::format("expected fewer than train.steps, {}, got {}", train.steps, optimizer.warmup));
  }
  if (!config.language_model()) return;
  const ModelConfig& model = config.model;
  if (model.width % model.heads != 0) {
    fail("model.heads",
         fmt::format("expected a divisor of model.width, {}, got {}", model.width, model.heads));
  }
  if (model.kind == "llama" && model.heads % model.kv_heads != 0) {
    fail("model.kv_heads",
         fmt::format("expected a divisor of model.heads, {}, got {}", model.heads, model.kv_heads));
  }
}

}  // namespace

Config parse_config(std::string_view text, const std::string& name,
                    std::span<const std::string> overrides) {
  return parse_config(text, name, overrides, Config{}, {});
}

Config parse_config(std::string_view text, const std::string& name,
                    std::span<const std::string> overrides, const Config& start,
                    std::string_view foreign_table) {
  Config config = start;
  Reader reader(config, foreign_table);
  reader.read_file(text, name);
  for (const std::string& override_text : overrides) reader.read_override(override_text);
  check(config, name, reader.places());
  return config;
}

std::string to_toml(const Config& config) {
  Config copy = config;
  std::string text, section;
  for (const Field& field : fields(copy)) {
    if (!field.applies) continue;
    // A rate without a cosine to end has no meaning to write down.
    if (field.key == "optimizer.min_lr" && copy.optimizer.schedule == "constant") continue;
    // Files of runs from before there were shards say nothing of them.
    if (field.key == "train.shards" && copy.train.shards == 1) continue;
    const std::size_t dot = field.key.find('.');
    if (dot != std::string_view::npos && field.key.substr(0, dot) != section) {
      section = field.key.substr(0, dot);
      text += fmt::format("\n[{}]\n", section);
    }
    text += fmt::format("{} = {}\n",
                        dot == std::string_view::npos ? field.key : field.key.substr(dot + 1),
                        toml_value(field));
  }
  return text;
}

void check_same(const Config& kept, const Config& asked, const std::string& name) {
  Config a = kept, b = asked;
  const std::vector<Field> ours = fields(a), theirs = fields(b);
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const std::string mine = toml_value(ours[i]), other = toml_value(theirs[i]);
    if (!ours[i].applies || mine == other) continue;
    throw ConfigError(fmt::format("{}: {} is {}, the command asks for {}; a run keeps its settings",
                                  name, ours[i].key, mine, other));
  }
}

std::string config_reference() {
  Config defaults;
  std::string text = "| setting | of | default | takes | meaning |\n|---|---|---|---|---|\n";
  for (const Field& field : fields(defaults)) {
    text += fmt::format("| `{}` | {} | `{}` | {} | {} |\n", field.key, fmt::join(field.kinds, ", "),
                        toml_value(field), expected(field), field.meaning);
  }
  return text;
}

}  // namespace palinode::experiments::train
