#include "tensor/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/little_endian.h"

namespace palinode {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMaxHeader = 65535;
constexpr std::size_t kMaxFile = std::size_t{1} << 36;
constexpr std::size_t kAlignment = 64;  // of the data in files that NumPy writes
constexpr std::array kDescr = {std::pair{Dtype::kF32, std::string_view("<f4")},
                               std::pair{Dtype::kF64, std::string_view("<f8")},
                               std::pair{Dtype::kI32, std::string_view("<i4")},
                               std::pair{Dtype::kF16, std::string_view("<f2")}};

// Reads the Python dictionary of the header, and nothing else that Python would understand.
class HeaderReader {
 public:
  HeaderReader(std::string_view text, std::size_t begin, const std::string& file)
      : text_(text), begin_(begin), file_(file) {}

  void read() {
    expect('{');
    while (!accept('}')) {
      const std::string_view key = string();
      expect(':');
      if (key == "descr") {
        once(key, dtype_.has_value());
        dtype_ = dtype();
      } else if (key == "fortran_order") {
        once(key, fortran_order_.has_value());
        fortran_order_ = boolean();
      } else if (key == "shape") {
        once(key, shape_.has_value());
        shape_ = shape();
      } else {
        fail(fmt::format("{} is not a key of a header", shown(key)));
      }
      if (accept(',')) continue;
      expect('}');
      break;
    }
    accept('\n');
    if (at_ != text_.size()) fail(fmt::format("more than a dictionary at byte {}", begin_ + at_));
    if (!dtype_) fail("'descr' is missing");
    if (!fortran_order_) fail("'fortran_order' is missing");
    if (!shape_) fail("'shape' is missing");
  }

  Dtype element_type() const { return *dtype_; }
  bool column_major() const { return *fortran_order_; }
  const Shape& extents() const { return *shape_; }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw FormatError(fmt::format("npy: {}: header: {}", file_, what));
  }

  [[noreturn]] void fail_here(std::string_view expected) const {
    fail(fmt::format("expected {} at byte {}", expected, begin_ + at_));
  }

  // The text of a stranger for a message.
  static std::string shown(std::string_view text) {
    std::string result = "'";
    for (const char c : text.substr(0, 40)) result += c >= 0x20 && c < 0x7f ? c : '?';
    return result + (text.size() > 40 ? "'..." : "'");
  }

  void once(std::string_view key, bool seen) const {
    if (seen) fail(fmt::format("{} is repeated", shown(key)));
  }

  bool accept(char c) {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    return true;
  }

  void expect(char c) {
    if (!accept(c)) fail_here(fmt::format("{}", c));
  }

  bool accept_word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  std::string_view string() {
    const std::size_t end = at_ < text_.size() && (text_[at_] == '\'' || text_[at_] == '"')
                                ? text_.find(text_[at_], at_ + 1)
                                : text_.npos;
    if (end == text_.npos) fail_here("a string");
    const std::string_view value = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return value;
  }

  Dtype dtype() {
    const std::string_view descr = string();
    for (const auto& [dtype, name] : kDescr) {
      if (name == descr) return dtype;
    }
    if (descr.starts_with('>')) fail(fmt::format("'descr': {} is big-endian", shown(descr)));
    fail(fmt::format("'descr': {} is not supported; '<f4', '<f8', '<i4' and '<f2' are",
                     shown(descr)));
  }

  bool boolean() {
    if (accept_word("True")) return true;
    if (accept_word("False")) return false;
    fail_here("True or False");
  }

  std::size_t extent() {
    std::size_t value = 0;
    const char* const begin = text_.data() + at_;
    const auto result = std::from_chars(begin, text_.data() + text_.size(), value);
    const auto length = static_cast<std::size_t>(result.ptr - begin);
    if (result.ec != std::errc() || (length > 1 && *begin == '0')) {
      fail_here("a whole number below 2^64");
    }
    at_ += length;
    return value;
  }

  Shape shape() {
    std::vector<std::size_t> extents;
    bool comma = true;
    for (expect('('); !accept(')');) {
      if (!comma) fail_here("a comma or )");
      if (extents.size() == Shape::kMaxRank) fail("'shape': more than 8 axes");
      extents.push_back(extent());
      comma = accept(',');
    }
    // To Python (3) is a number and not a tuple.
    if (extents.size() == 1 && !comma) fail("'shape': not a tuple");
    try {
      return Shape(extents);
    } catch (const ShapeError& error) {
      fail(error.what());
    }
  }

  std::string_view text_;
  std::size_t begin_;  // of the text, from the start of the file
  const std::string& file_;
  std::size_t at_ = 0;
  std::optional<Dtype> dtype_;
  std::optional<bool> fortran_order_;
  std::optional<Shape> shape_;
};

Shape reversed(const Shape& shape) {
  std::vector<std::size_t> extents(shape.extents().begin(), shape.extents().end());
  std::ranges::reverse(extents);
  return Shape(extents);
}

Tensor axes_reversed(Tensor x) {
  for (std::size_t a = 0, b = x.shape().rank(); a + 1 < b; ++a) x = x.transpose(a, --b);
  return x.compact();
}

}  // namespace

Tensor parse_npy(std::string_view bytes, const std::string& name) {
  const auto fail = [&](const std::string& what) {
    throw FormatError(fmt::format("npy: {}: {}", name, what));
  };
  if (!bytes.starts_with(kMagic)) fail("does not begin like an npy file");
  if (bytes.size() < kMagic.size() + 2) fail("ends before the version");
  const int major = static_cast<unsigned char>(bytes[6]),
            minor = static_cast<unsigned char>(bytes[7]);
  if (minor != 0 || (major != 1 && major != 2)) {
    fail(fmt::format("version {}.{} is not supported; 1.0 and 2.0 are", major, minor));
  }
  const std::size_t length_size = major == 1 ? 2 : 4, begin = 8 + length_size;
  if (bytes.size() < begin) fail("ends before the length of the header");
  const std::size_t length = unsigned_of(bytes.substr(8, length_size));
  if (length > kMaxHeader) {
    fail(fmt::format("a header of {} bytes, more than the limit of {}", length, kMaxHeader));
  }
  if (length > bytes.size() - begin) {
    fail(fmt::format("a header of {} bytes, but the file ends {} bytes after its length", length,
                     bytes.size() - begin));
  }
  HeaderReader header(bytes.substr(begin, length), begin, name);
  header.read();
  const std::string_view data = bytes.substr(begin + length);
  const Shape& shape = header.extents();
  const std::size_t size = shape.elements() * dtype_size(header.element_type());
  if (data.size() != size) {
    fail(fmt::format("data: {} {} takes {} bytes, the file has {}",
                     dtype_name(header.element_type()), shape.to_string(), size, data.size()));
  }
  if (!header.column_major()) return tensor_of(data, shape, header.element_type());
  return axes_reversed(tensor_of(data, reversed(shape), header.element_type()));
}

std::string npy_bytes(const Tensor& tensor) {
  const auto* const type = std::ranges::find_if(
      kDescr, [&](const auto& known) { return known.first == tensor.dtype(); });
  if (type == kDescr.end()) {
    throw DtypeError(
        fmt::format("npy: has no type for {}; convert it with to()", tensor.describe()));
  }
  const Shape& shape = tensor.shape();
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", type->second,
                  fmt::join(shape.extents(), ", "), shape.rank() == 1 ? "," : "");
  const std::size_t before = kMagic.size() + 4;
  const std::size_t end = (before + header.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;
  header.resize(end - before - 1, ' ');
  header += '\n';
  std::string bytes(kMagic);
  bytes.reserve(end + tensor.bytes());
  append_unsigned(bytes, 1, 1);
  append_unsigned(bytes, 0, 1);
  append_unsigned(bytes, header.size(), 2);
  bytes += header;
  append_values(bytes, tensor);
  return bytes;
}

Tensor read_npy(const std::string& path) { return parse_npy(read_file(path, kMaxFile), path); }

void write_npy(const std::string& path, const Tensor& tensor) {
  write_file_atomically(path, npy_bytes(tensor));
}

}  // namespace palinode
