#include "tensor/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/safetensors_header.h"

namespace palinode {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::size_t kMaxFile = std::size_t{1} << 36;

Tensor tensor_of(const SafetensorsEntry& entry, std::string_view data) {
  TensorBuilder builder(entry.shape, entry.dtype);
  with_element(entry.dtype, [&]<class T>() {
    const std::span<T> values = builder.values<T>();
    if (!values.empty()) std::memcpy(values.data(), data.data() + entry.begin, values.size_bytes());
  });
  return std::move(builder).build();
}

void append(std::string& bytes, const Tensor& tensor) {
  const Tensor source = tensor.compact();
  with_element(source.dtype(), [&]<class T>() {
    const auto values = std::as_bytes(source.values<T>());
    if (!values.empty()) bytes.append(reinterpret_cast<const char*>(values.data()), values.size());
  });
}

std::string header_of(std::span<const Named* const> by_name, std::span<const Named* const> by_data,
                      const std::map<std::string, std::string>& metadata) {
  std::map<const Named*, std::size_t> begins;
  std::size_t data = 0;
  for (const Named* tensor : by_data) {
    begins[tensor] = data;
    data += tensor->value.bytes();
  }
  std::string header;
  for (const auto& [key, value] : metadata) {
    header += fmt::format("{}{}:{}", header.empty() ? "" : ",", quoted(key), quoted(value));
  }
  if (!metadata.empty()) header = "\"__metadata__\":{" + header + "}";
  for (const Named* tensor : by_name) {
    const Shape& shape = tensor->value.shape();
    const std::size_t begin = begins[tensor];
    header += fmt::format(R"({}{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                          header.empty() ? "" : ",", quoted(tensor->name),
                          safetensors_dtype(tensor->value.dtype()), fmt::join(shape.extents(), ","),
                          begin, begin + tensor->value.bytes());
  }
  header = "{" + header + "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  return header;
}

// That the header just made reads back as what it was made from.
void check(const SafetensorsHeader& header, std::span<const Named* const> by_name,
           const SafetensorsFile& content, const std::string& path) {
  const auto same = [](const SafetensorsEntry& entry, const Named* tensor) {
    return entry.name == tensor->name && entry.dtype == tensor->value.dtype() &&
           entry.shape == tensor->value.shape();
  };
  if (header.metadata != content.metadata || !std::ranges::equal(header.entries, by_name, same)) {
    throw FormatError(fmt::format("safetensors: {}: a name or metadata that is not UTF-8", path));
  }
}

}  // namespace

const Tensor& SafetensorsFile::at(std::string_view name) const {
  const auto found = std::ranges::find(tensors, name, &Named::name);
  if (found == tensors.end()) {
    throw NameError(fmt::format("safetensors: there is no tensor {}", quoted(name)));
  }
  return found->value;
}

SafetensorsFile parse_safetensors(std::string_view bytes, const std::string& name) {
  SafetensorsHeader header = parse_safetensors_header(name, bytes, bytes.size());
  const std::string_view data = bytes.substr(header.data_begin);
  SafetensorsFile content{std::move(header.metadata), {}};
  content.tensors.reserve(header.entries.size());
  for (SafetensorsEntry& entry : header.entries) {
    Tensor value = tensor_of(entry, data);
    content.tensors.push_back({std::move(entry.name), std::move(value)});
  }
  return content;
}

std::string safetensors_bytes(const SafetensorsFile& content, const std::string& name) {
  std::vector<const Named*> by_name;
  std::size_t data_size = 0;
  for (const Named& tensor : content.tensors) {
    if (tensor.name == kSafetensorsMetadata) {
      throw FormatError(
          fmt::format("safetensors: {}: tensor {}: the name is taken", name, quoted(tensor.name)));
    }
    by_name.push_back(&tensor);
    data_size += tensor.value.bytes();
  }
  std::ranges::stable_sort(by_name, {}, &Named::name);
  std::vector<const Named*> by_data = by_name;
  std::ranges::stable_sort(by_data, std::greater(),
                           [](const Named* tensor) { return dtype_size(tensor->value.dtype()); });

  const std::string header = header_of(by_name, by_data, content.metadata);
  std::string bytes;
  bytes.reserve(8 + header.size() + data_size);
  for (std::size_t i = 0; i < 8; ++i) {
    bytes += static_cast<char>(header.size() >> (8 * i) & 0xff);
  }
  bytes += header;
  check(parse_safetensors_header(name, bytes, bytes.size() + data_size), by_name, content, name);
  for (const Named* tensor : by_data) append(bytes, tensor->value);
  return bytes;
}

SafetensorsFile read_safetensors(const std::string& path) {
  return parse_safetensors(read_file(path, kMaxFile), path);
}

void write_safetensors(const std::string& path, const SafetensorsFile& content) {
  write_file_atomically(path, safetensors_bytes(content, path));
}

}  // namespace palinode
