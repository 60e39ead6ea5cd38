// Golden values: what PyTorch computed in f64, written by tests/golden/make_golden.py.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "autograd/tape.h"
#include "tensor/safetensors.h"

namespace palinode::golden {

// A file of tests/golden: where it is, and its content.
std::string path(const std::string& name);
SafetensorsFile read(const std::string& name);

// The different beginnings of names, up to slash number `depth`.
inline std::set<std::string> prefixes(const SafetensorsFile& file, int depth) {
  std::set<std::string> found;
  for (const Named& each : file.tensors) {
    std::size_t end = 0;
    for (int i = 0; i < depth; ++i) end = each.name.find('/', end + (i > 0 ? 1 : 0));
    found.insert(each.name.substr(0, end));
  }
  return found;
}

// Each value within a relative and an absolute difference of `tolerance`.
inline void expect_near(const Tensor& got, const Tensor& want, double tolerance,
                        std::string_view what) {
  ASSERT_EQ(got.shape(), want.shape()) << what;
  const Tensor values = got.compact();
  for (std::size_t i = 0; i < want.elements(); ++i) {
    const double w = want.values<double>()[i];
    ASSERT_NEAR(values.values<double>()[i], w, tolerance * (1 + std::abs(w)))
        << what << ", element " << i;
  }
}

// One case of a file: the tensors whose names begin with "NAME/".
class Case {
 public:
  Case(const SafetensorsFile& file, std::string name) : file_(&file), name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  bool has(std::string_view tensor) const { return find(tensor) != nullptr; }
  // Throws NameError for an unknown name.
  const Tensor& tensor(std::string_view tensor) const { return file_->at(full(tensor)); }
  double number(std::string_view tensor) const { return this->tensor(tensor).item(); }
  double number(std::string_view tensor, double otherwise) const {
    return has(tensor) ? number(tensor) : otherwise;
  }
  std::vector<std::size_t> sizes(std::string_view tensor) const {
    std::vector<std::size_t> all;
    for (const std::int32_t n : this->tensor(tensor).values<std::int32_t>()) {
      all.push_back(static_cast<std::size_t>(n));
    }
    return all;
  }
  std::size_t size(std::string_view tensor) const { return sizes(tensor)[0]; }

 private:
  std::string full(std::string_view tensor) const { return name_ + "/" + std::string(tensor); }
  const Tensor* find(std::string_view tensor) const {
    for (const Named& each : file_->tensors) {
      if (each.name == full(tensor)) return &each.value;
    }
    return nullptr;
  }

  const SafetensorsFile* file_;
  std::string name_;
};

}  // namespace palinode::golden
