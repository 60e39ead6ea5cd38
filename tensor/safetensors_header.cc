#include "tensor/safetensors_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "tensor/error.h"

namespace palinode {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxName = 1024;
constexpr std::array kDtypes = {std::pair{Dtype::kF32, std::string_view("F32")},
                                std::pair{Dtype::kF64, std::string_view("F64")},
                                std::pair{Dtype::kI32, std::string_view("I32")},
                                std::pair{Dtype::kBf16, std::string_view("BF16")},
                                std::pair{Dtype::kF16, std::string_view("F16")}};

// A name or value of a stranger for a message: quoted, and not longer than a line.
std::string shown(std::string_view text) {
  return text.size() <= 60 ? quoted(text) : quoted(text.substr(0, 60)) + "...";
}

// Follows the parser through the header. A handler of events and not a tree, because a tree keeps
// the last of two equal names without a word.
class HeaderReader final : public nlohmann::json_sax<json> {
 public:
  explicit HeaderReader(const std::string& path) : path_(path) {}

  SafetensorsHeader take() { return std::move(header_); }

  bool null() override { wrong_type(); }
  bool boolean(bool) override { wrong_type(); }
  bool number_integer(number_integer_t) override { wrong_type(); }
  bool number_float(number_float_t, const string_t&) override { wrong_type(); }
  bool binary(binary_t&) override { wrong_type(); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ == Place::kShape) {
      if (extents_.size() == Shape::kMaxRank) fail("more than 8 axes");
      extents_.push_back(value);
    } else if (place_ == Place::kOffsets) {
      if (offsets_.size() == 2) fail("more than two numbers");
      offsets_.push_back(value);
    } else {
      wrong_type();
    }
    return true;
  }

  bool string(string_t& value) override {
    if (place_ == Place::kMetadata) {
      header_.metadata[field_] = std::move(value);
    } else if (place_ == Place::kTensor && field_ == "dtype") {
      set_dtype(value);
    } else {
      wrong_type();
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::kStart) {
      place_ = Place::kTop;
    } else if (place_ == Place::kTop) {
      place_ = name_ == kSafetensorsMetadata ? Place::kMetadata : Place::kTensor;
      fields_.clear();
      extents_.clear();
      offsets_.clear();
    } else {
      wrong_type();
    }
    return true;
  }

  bool key(string_t& key) override {
    if (place_ == Place::kTop) {
      name_ = std::move(key);
      field_.clear();
      check_name();
      return true;
    }
    field_ = std::move(key);
    if (place_ == Place::kTensor && field_ != "dtype" && field_ != "shape" &&
        field_ != "data_offsets") {
      fail("not a field of a tensor");
    }
    if (!fields_.insert(field_).second) fail("repeated");
    return true;
  }

  bool end_object() override {
    field_.clear();
    if (place_ == Place::kTensor) finish_tensor();
    place_ = Place::kTop;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::kTensor || field_ == "dtype") wrong_type();
    place_ = field_ == "shape" ? Place::kShape : Place::kOffsets;
    return true;
  }

  bool end_array() override {
    place_ = Place::kTensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const json::exception&) override {
    throw FormatError(
        fmt::format("safetensors: {}: header: not JSON at byte {}", path_, 8 + position - 1));
  }

 private:
  enum class Place { kStart, kTop, kMetadata, kTensor, kShape, kOffsets };

  // Names the part of the header that the parser is in.
  [[noreturn]] void fail(std::string_view what) const {
    std::string where = name_ == kSafetensorsMetadata ? name_ : "tensor " + shown(name_);
    if (!field_.empty()) where += ": " + shown(field_);
    throw FormatError(fmt::format("safetensors: {}: {}: {}", path_, where, what));
  }

  [[noreturn]] void wrong_type() const {
    if (place_ == Place::kTop) fail("expected an object");
    if (place_ == Place::kMetadata || field_ == "dtype") fail("expected a string");
    if (place_ == Place::kTensor) fail("expected an array");
    fail("expected whole numbers below 2^64");
  }

  void check_name() {
    if (!names_.insert(name_).second) fail("repeated");
    if (name_.empty()) fail("an empty name");
    if (name_.size() > kMaxName) fail(fmt::format("a name of more than {} bytes", kMaxName));
    const auto control = [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; };
    if (std::ranges::any_of(name_, control)) fail("a name with control characters");
  }

  void set_dtype(std::string_view name) {
    const auto* const found =
        std::ranges::find_if(kDtypes, [&](const auto& known) { return known.second == name; });
    if (found == kDtypes.end()) {
      fail(fmt::format("{} is not supported; F32, F64, I32, BF16 and F16 are", shown(name)));
    }
    dtype_ = found->first;
  }

  Shape shape() const {
    try {
      return Shape(extents_);
    } catch (const ShapeError& error) {
      fail(error.what());
    }
  }

  void finish_tensor() {
    for (const char* field : {"dtype", "shape", "data_offsets"}) {
      if (!fields_.contains(field)) fail(fmt::format("\"{}\" is missing", field));
    }
    const Shape shape = this->shape();
    if (offsets_.size() != 2) fail("\"data_offsets\": fewer than two numbers");
    const std::size_t begin = offsets_[0], end = offsets_[1];
    if (begin > end)
      fail(fmt::format("\"data_offsets\": [{}, {}] ends before it begins", begin, end));
    const std::size_t bytes = shape.elements() * dtype_size(dtype_);  // below 2^63: see Shape
    if (end - begin != bytes) {
      fail(fmt::format("\"data_offsets\": [{}, {}] holds {} bytes, {} {} takes {}", begin, end,
                       end - begin, safetensors_dtype(dtype_), shape.to_string(), bytes));
    }
    header_.entries.push_back({name_, dtype_, shape, begin, end});
  }

  const std::string& path_;
  Place place_ = Place::kStart;
  std::string name_, field_;  // the keys on the way to where the parser is
  std::set<std::string> names_, fields_;
  Dtype dtype_ = Dtype::kF32;
  std::vector<std::size_t> extents_, offsets_;
  SafetensorsHeader header_;
};

// Every byte of the data belongs to exactly one tensor.
void check_cover(const SafetensorsHeader& header, std::size_t data_size, const std::string& path) {
  std::vector<const SafetensorsEntry*> order;
  for (const SafetensorsEntry& entry : header.entries) order.push_back(&entry);
  std::ranges::stable_sort(
      order, {}, [](const SafetensorsEntry* entry) { return std::pair(entry->begin, entry->end); });
  std::size_t covered = 0;
  for (const SafetensorsEntry* entry : order) {
    if (entry->begin != covered) {
      throw FormatError(
          fmt::format("safetensors: {}: tensor {}: data begins at {} and not at {}: {}", path,
                      shown(entry->name), entry->begin, covered,
                      entry->begin > covered ? "a hole" : "an overlap"));
    }
    covered = entry->end;
  }
  if (covered != data_size) {
    throw FormatError(
        fmt::format("safetensors: {}: data: the tensors take {} bytes, the file has {}", path,
                    covered, data_size));
  }
}

}  // namespace

std::string_view safetensors_dtype(Dtype dtype) {
  for (const auto& [known, name] : kDtypes) {
    if (known == dtype) return name;
  }
  PALINODE_ASSERT(false);
}

std::string quoted(std::string_view text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

SafetensorsHeader parse_safetensors_header(const std::string& path, std::string_view head,
                                           std::size_t file_size) {
  const auto fail = [&](const std::string& what) -> void {
    throw FormatError(fmt::format("safetensors: {}: header: {}", path, what));
  };
  if (head.size() < 8) fail(fmt::format("a file of {} bytes has no room for it", head.size()));
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(head[i]);
  if (length > kMaxSafetensorsHeader) {
    fail(fmt::format("of {} bytes, more than the limit of {}", length, kMaxSafetensorsHeader));
  }
  if (length > head.size() - 8) {
    fail(fmt::format("of {} bytes, but the file ends {} bytes after its length", length,
                     head.size() - 8));
  }
  const std::string_view text = head.substr(8, length);
  if (!text.starts_with('{')) fail("does not begin with {");
  // The parser would take a zero byte for the end and leave the rest unread.
  const std::size_t zero = text.find('\0');
  if (zero != text.npos) fail(fmt::format("not JSON at byte {}", 8 + zero));
  HeaderReader reader(path);
  json::sax_parse(text, &reader);
  SafetensorsHeader header = reader.take();
  header.data_begin = 8 + length;
  check_cover(header, file_size - header.data_begin, path);
  return header;
}

}  // namespace palinode
