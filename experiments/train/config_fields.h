// The table of settings behind config.h.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "experiments/train/config.h"

namespace palinode::experiments::train {

template <class T>
using Ref = std::reference_wrapper<T>;

struct Field {
  std::string_view key;  // "optimizer.lr"
  std::variant<Ref<bool>, Ref<std::uint64_t>, Ref<double>, Ref<std::string>,
               Ref<std::vector<std::uint64_t>>, Ref<std::vector<double>>>
      value;
  std::string_view meaning;
  // Of numbers and the elements of lists: both ends belong to the range.
  double low = 0, high = 0;
  std::size_t count = 0;                       // how long a list must be; 0: 1 to 64 elements
  std::vector<std::string_view> choices = {};  // of strings; empty: any
  std::string_view kind = {};                  // "model.kind" or "optimizer.kind" ...
  std::vector<std::string_view> kinds = {};    // ... and which of them have the setting
  bool applies = true;                         // to the kinds that this config names
};

// Every setting, with references into `config`, in the order of the file.
std::vector<Field> fields(Config& config);

// What a field takes: "an integer from 1 to 64", "one of sgd, adam", ...
std::string expected(const Field& field);

// A field's value as TOML.
std::string toml_value(const Field& field);
std::string toml_string(std::string_view text);

}  // namespace palinode::experiments::train
