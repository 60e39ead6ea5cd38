// ONNX's own node tests (Debian's libonnx-testdata 1.12.0), as an oracle: one operation, its
// inputs and its outputs, computed with NumPy by the authors of the standard.
//
// Reads the few messages of onnx.proto3 that such a test is made of. A length beyond the end, a
// field of an unknown kind or a wrong number of values is a FormatError.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace palinode::onnx {

// An attribute holds one of these.
struct Attribute {
  float number = 0;
  std::int64_t integer = 0;
  std::string text;
  std::vector<std::int64_t> integers;
};

struct NodeTest {
  std::string op;
  std::map<std::string, Attribute> attributes;
  std::vector<std::string> operands;  // names of the node's inputs; "" for one that is left out
  std::map<std::string, Tensor> in;   // by name
  std::vector<Tensor> out;            // in the order of the node's outputs

  bool has(std::size_t operand) const {
    return operand < operands.size() && in.contains(operands[operand]);
  }
  const Tensor& at(std::size_t operand) const { return in.at(operands.at(operand)); }

  double number(const std::string& name, double otherwise) const;
  std::int64_t integer(const std::string& name, std::int64_t otherwise) const;
  std::string text(const std::string& name, const std::string& otherwise) const;
  std::vector<std::size_t> sizes(const std::string& name,
                                 const std::vector<std::size_t>& otherwise) const;
};

// The folders of node tests; none where the package is not installed.
std::vector<std::string> node_tests();

// Reads folder FOLDER/model.onnx and FOLDER/test_data_set_0. int64 tensors become i32. Throws
// FormatError, also for a type that no tensor here has and for more than one node.
NodeTest read_node_test(const std::string& name);

}  // namespace palinode::onnx
