#include "tests/support/onnx.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

#include "tensor/error.h"

namespace palinode::onnx {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = "/usr/share/libonnx-testdata/data/node";

[[noreturn]] void fail(const std::string& what) { throw FormatError("onnx: " + what); }

// One field of a message: a number (varint or fixed) or bytes.
struct Field {
  std::uint64_t number = 0;
  std::uint64_t value = 0;
  std::string_view bytes = {};
  bool has_bytes = false;
};

// Protocol buffers' wire format: https://protobuf.dev/programming-guides/encoding.
class Message {
 public:
  explicit Message(std::string_view bytes) : rest_(bytes) {}

  bool done() const { return rest_.empty(); }

  bool next(Field& field) {
    if (done()) return false;
    const std::uint64_t key = varint();
    field = {.number = key >> 3, .has_bytes = (key & 7U) == 2};
    switch (key & 7U) {
      case 0:
        field.value = varint();
        return true;
      case 1:
        field.value = fixed(8);
        return true;
      case 2:
        field.bytes = take(varint());
        return true;
      case 5:
        field.value = fixed(4);
        return true;
      default:
        fail("a field of an unknown kind");
    }
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80U) return value;
    }
    fail("a number of more than 64 bits");
  }

 private:
  std::string_view take(std::uint64_t count) {
    if (count > rest_.size()) fail("the file ends too early");
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  std::uint64_t fixed(std::size_t size) {
    std::uint64_t value = 0;  // little-endian, as the machines that are supported
    std::memcpy(&value, take(size).data(), size);
    return value;
  }

  std::string_view rest_;
};

// A repeated integer: packed, or one field each.
void append(std::vector<std::int64_t>& values, const Field& field) {
  if (!field.has_bytes) return values.push_back(static_cast<std::int64_t>(field.value));
  Message packed(field.bytes);
  while (!packed.done()) values.push_back(static_cast<std::int64_t>(packed.varint()));
}

template <class T>
std::vector<T> values_of(std::string_view raw, std::size_t count) {
  if (raw.size() != count * sizeof(T)) fail("the values do not fill the shape");
  std::vector<T> values(count);
  std::memcpy(values.data(), raw.data(), raw.size());
  return values;
}

std::vector<std::int32_t> narrowed(std::span<const std::int64_t> wide) {
  std::vector<std::int32_t> values;
  for (const std::int64_t value : wide) {
    if (value != static_cast<std::int32_t>(value)) fail("an integer beyond 32 bits");
    values.push_back(static_cast<std::int32_t>(value));
  }
  return values;
}

enum TensorType : std::uint64_t { kFloat = 1, kInt32 = 6, kInt64 = 7, kDouble = 11 };

// TensorProto: dims 1, data_type 2, float_data 4, int64_data 7, name 8, raw_data 9.
Tensor tensor_of(std::string_view bytes, std::string& name) {
  std::vector<std::int64_t> dims, integers;
  std::uint64_t type = 0;
  std::string raw;
  Field field;
  for (Message message(bytes); message.next(field);) {
    if (field.number == 1) append(dims, field);
    if (field.number == 2) type = field.value;
    if (field.number == 4 && field.has_bytes) raw.append(field.bytes);
    if (field.number == 4 && !field.has_bytes) {
      raw.append(reinterpret_cast<const char*>(&field.value), 4);
    }
    if (field.number == 7) append(integers, field);
    if (field.number == 8) name = field.bytes;
    if (field.number == 9) raw = field.bytes;
  }
  if (dims.size() > Shape::kMaxRank) fail("a tensor of " + std::to_string(dims.size()) + " axes");
  std::vector<std::size_t> extents;
  for (const std::int64_t extent : dims) {
    if (extent < 0) fail("a negative extent");
    extents.push_back(static_cast<std::size_t>(extent));
  }
  const Shape shape(extents);
  const std::size_t n = shape.elements();
  if (type == kFloat) return Tensor::from<float>(values_of<float>(raw, n), shape);
  if (type == kDouble) return Tensor::from<double>(values_of<double>(raw, n), shape);
  if (type == kInt32) return Tensor::from<std::int32_t>(values_of<std::int32_t>(raw, n), shape);
  if (type != kInt64) fail("a tensor of type " + std::to_string(type));
  if (integers.empty()) integers = values_of<std::int64_t>(raw, n);
  return Tensor::from<std::int32_t>(narrowed(integers), shape);
}

// AttributeProto: name 1, f 2, i 3, s 4, ints 8.
void read_attribute(std::string_view bytes, NodeTest& test) {
  Attribute attribute;
  std::string name;
  Field field;
  for (Message message(bytes); message.next(field);) {
    if (field.number == 1) name = field.bytes;
    if (field.number == 2) {
      attribute.number = std::bit_cast<float>(static_cast<std::uint32_t>(field.value));
    }
    if (field.number == 3) attribute.integer = static_cast<std::int64_t>(field.value);
    if (field.number == 4) attribute.text = field.bytes;
    if (field.number == 8) append(attribute.integers, field);
  }
  test.attributes[name] = attribute;
}

// NodeProto: input 1, output 2, op_type 4, attribute 5.
void read_node(std::string_view bytes, NodeTest& test, std::size_t& outputs) {
  Field field;
  for (Message message(bytes); message.next(field);) {
    if (field.number == 1) test.operands.emplace_back(field.bytes);
    if (field.number == 2) ++outputs;
    if (field.number == 4) test.op = field.bytes;
    if (field.number == 5) read_attribute(field.bytes, test);
  }
}

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

double NodeTest::number(const std::string& name, double otherwise) const {
  const auto found = attributes.find(name);
  return found == attributes.end() ? otherwise : static_cast<double>(found->second.number);
}

std::int64_t NodeTest::integer(const std::string& name, std::int64_t otherwise) const {
  const auto found = attributes.find(name);
  return found == attributes.end() ? otherwise : found->second.integer;
}

std::string NodeTest::text(const std::string& name, const std::string& otherwise) const {
  const auto found = attributes.find(name);
  return found == attributes.end() ? otherwise : found->second.text;
}

std::vector<std::size_t> NodeTest::sizes(const std::string& name,
                                         const std::vector<std::size_t>& otherwise) const {
  const auto found = attributes.find(name);
  if (found == attributes.end()) return otherwise;
  const std::vector<std::int64_t>& all = found->second.integers;
  return {all.begin(), all.end()};
}

std::vector<std::string> node_tests() {
  std::vector<std::string> names;
  if (!fs::exists(kFolder)) return names;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

// ModelProto: graph 7. GraphProto: node 1.
NodeTest read_node_test(const std::string& name) {
  NodeTest test;
  std::size_t nodes = 0, outputs = 0;
  const std::string model = content_of(kFolder / name / "model.onnx");
  Field part, field;
  for (Message message(model); message.next(part);) {
    if (part.number != 7) continue;
    for (Message graph(part.bytes); graph.next(field);) {
      if (field.number != 1) continue;
      read_node(field.bytes, test, outputs);
      ++nodes;
    }
  }
  if (nodes != 1) fail(name + " has " + std::to_string(nodes) + " nodes");
  const fs::path data = kFolder / name / "test_data_set_0";
  std::string tensor_name;
  for (std::size_t i = 0;; ++i) {
    const fs::path path = data / ("input_" + std::to_string(i) + ".pb");
    if (!fs::exists(path)) break;
    const Tensor value = tensor_of(content_of(path), tensor_name);
    test.in[tensor_name] = value;
  }
  for (std::size_t i = 0; i < outputs; ++i) {
    const std::string file = content_of(data / ("output_" + std::to_string(i) + ".pb"));
    test.out.push_back(tensor_of(file, tensor_name));
  }
  return test;
}

}  // namespace palinode::onnx
