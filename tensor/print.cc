#include "tensor/print.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <concepts>
#include <limits>
#include <ostream>
#include <string_view>
#include <vector>

#include "tensor/kernels/convert.h"

namespace palinode {
namespace {

// A finite number as text, in parts: "-12" "." "5" and, in exponent form, "e" "-05".
struct Number {
  std::string whole, fraction, exponent;
};

template <std::floating_point T>
std::string text_of(T x, std::chars_format format, int precision) {
  // The longest is the largest f64 in positional form, with its digits after the point.
  std::string text(static_cast<std::size_t>(std::numeric_limits<double>::max_exponent10 + 8 +
                                            std::max(precision, 32)),
                   '\0');
  char* const end = text.data() + text.size();
  const auto result = precision < 0 ? std::to_chars(text.data(), end, x, format)
                                    : std::to_chars(text.data(), end, x, format, precision);
  PALINODE_ASSERT(result.ec == std::errc());
  text.resize(static_cast<std::size_t>(result.ptr - text.data()));
  return text;
}

Number parts_of(std::string_view text) {
  Number number;
  const std::size_t e = std::min(text.find('e'), text.size());
  if (e < text.size()) number.exponent = text.substr(e + 1);
  text = text.substr(0, e);
  const std::size_t point = std::min(text.find('.'), text.size());
  number.whole = text.substr(0, point);
  if (point < text.size()) number.fraction = text.substr(point + 1);
  number.fraction.resize(number.fraction.find_last_not_of('0') + 1);
  return number;
}

template <std::floating_point T>
Number number_of(T x, std::chars_format format, std::size_t precision) {
  Number number = parts_of(text_of(x, format, -1));
  if (number.fraction.size() <= precision) return number;
  return parts_of(text_of(x, format, static_cast<int>(precision)));
}

template <std::floating_point T>
bool needs_exponents(std::span<const T> values) {
  T largest = 0, smallest = std::numeric_limits<T>::infinity();
  for (const T x : values) {
    const T size = x < 0 ? -x : x;
    if (!is_finite(x) || x == 0) continue;
    largest = std::max(largest, size);
    smallest = std::min(smallest, size);
  }
  return largest != 0 && (largest >= static_cast<T>(1e8) || smallest < static_cast<T>(1e-4) ||
                          largest / smallest > T{1000});
}

// All values in one width.
template <std::floating_point T>
std::vector<std::string> words_of(std::span<const T> values, std::size_t precision) {
  const bool exponents = needs_exponents(values);
  const auto format = exponents ? std::chars_format::scientific : std::chars_format::fixed;
  std::vector<Number> numbers;
  std::size_t whole = 0, fraction = 0, exponent = 0, special = 0;
  for (const T x : values) {
    if (!is_finite(x)) {
      special = std::max<std::size_t>(special, x < 0 ? 4 : 3);
      continue;
    }
    numbers.push_back(number_of(x, format, precision));
    whole = std::max(whole, numbers.back().whole.size());
    fraction = std::max(fraction, numbers.back().fraction.size());
    exponent = std::max(exponent, numbers.back().exponent.size());
  }
  const std::size_t width =
      std::max(special, whole + 1 + fraction + (exponents ? 1 + exponent : 0));
  std::vector<std::string> words;
  std::size_t next = 0;
  for (const T x : values) {
    std::string word;
    if (is_finite(x)) {
      Number& number = numbers[next++];
      number.fraction.resize(fraction, exponents ? '0' : ' ');
      word = number.whole + "." + number.fraction;
      if (exponents) {
        const std::string zeros(exponent - number.exponent.size(), '0');
        word += "e" + number.exponent.substr(0, 1) + zeros + number.exponent.substr(1);
      }
    } else {
      word = is_nan(x) ? "nan" : x < 0 ? "-inf" : "inf";
    }
    words.push_back(std::string(width - word.size(), ' ') + word);
  }
  return words;
}

std::vector<std::string> words_of(std::span<const std::int32_t> values, std::size_t) {
  std::vector<std::string> words;
  std::size_t width = 0;
  for (const std::int32_t value : values) {
    words.push_back(std::to_string(value));
    width = std::max(width, words.back().size());
  }
  for (std::string& word : words) word.insert(0, width - word.size(), ' ');
  return words;
}

template <Half T>
std::vector<std::string> words_of(std::span<const T> values, std::size_t precision) {
  std::vector<float> wide(values.size());
  kernels::widen(values, std::span(wide));
  return words_of(std::span<const float>(wide), precision);
}

// Builds the text from the outermost axis inwards.
class Printer {
 public:
  Printer(const Tensor& tensor, const PrintOptions& options)
      : tensor_(tensor), options_(options), elides_(tensor.elements() > options.threshold) {
    options_.edge = std::max<std::size_t>(options.edge, 1);
    with_element(tensor.dtype(), [&]<class T>() {
      std::vector<T> shown;
      collect(tensor.extent<T>(), 0, 0, shown);
      words_ = words_of(std::span<const T>(shown), options.precision);
    });
  }

  std::string text() { return tensor_.empty() ? "[]" : block(0, " ", options_.width); }

 private:
  bool elided(std::size_t axis) const {
    return elides_ && tensor_.shape()[axis] > 2 * options_.edge;
  }

  // Calls visit(place) for the places of an axis that are shown, and gap() between the two ends.
  template <class Visit, class Gap>
  void for_each_shown(std::size_t axis, const Visit& visit, const Gap& gap) const {
    const std::size_t extent = tensor_.shape()[axis];
    for (std::size_t i = 0; i < extent; ++i) {
      if (elided(axis) && i == options_.edge) {
        gap();
        i = extent - options_.edge;
      }
      visit(i);
    }
  }

  template <class T>
  void collect(std::span<const T> extent, std::size_t axis, std::size_t offset,
               std::vector<T>& shown) const {
    if (tensor_.empty()) return;
    if (axis == tensor_.shape().rank()) return shown.push_back(extent[offset]);
    for_each_shown(
        axis,
        [&](std::size_t i) { collect(extent, axis + 1, offset + i * tensor_.stride(axis), shown); },
        [] {});
  }

  // The tensor's part at one place of all axes before `axis`; lines after the first begin with
  // `indent`, and are as long as `width` with the brackets that will close them.
  std::string block(std::size_t axis, const std::string& indent, std::size_t width) {
    const std::size_t left = tensor_.shape().rank() - axis;
    if (left == 0) return words_[next_++];
    if (left == 1) return row(axis, indent, width == 0 ? 0 : width - 1);
    std::string result;
    const auto add = [&](const std::string& part) {
      if (!result.empty()) result += std::string(left - 1, '\n') + indent;
      result += part;
    };
    for_each_shown(
        axis, [&](std::size_t) { add(block(axis + 1, indent + " ", width == 0 ? 0 : width - 1)); },
        [&] { add("..."); });
    return "[" + result + "]";
  }

  std::string row(std::size_t axis, const std::string& indent, std::size_t width) {
    std::string lines, line = indent;
    const auto add = [&](const std::string& word) {
      const bool first = line.size() == indent.size();
      if (!first && line.size() + 1 + word.size() > width) {
        lines += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
        line = indent;
      } else if (!first) {
        line += " ";
      }
      line += word;
    };
    for_each_shown(
        axis, [&](std::size_t) { add(words_[next_++]); }, [&] { add("..."); });
    return "[" + (lines + line).substr(indent.size()) + "]";
  }

  const Tensor& tensor_;
  PrintOptions options_;
  bool elides_;
  std::vector<std::string> words_;  // of the elements shown, in row-major order
  std::size_t next_ = 0;
};

}  // namespace

std::string to_string(const Tensor& tensor, const PrintOptions& options) {
  std::string text = Printer(tensor, options).text();
  if (tensor.dtype() != Dtype::kF32) text += fmt::format(" {}", dtype_name(tensor.dtype()));
  return text;
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) {
  return out << to_string(tensor);
}

}  // namespace palinode
