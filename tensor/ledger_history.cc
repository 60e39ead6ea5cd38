#include "tensor/ledger_history.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <set>
#include <span>
#include <utility>

#include "tensor/difference.h"
#include "tensor/error.h"

namespace palinode {
namespace {

// The one entry that is meant, as store and name.
std::pair<std::string, std::string> entry_of(const std::string& path, const std::string& journal,
                                             const std::string& name) {
  std::set<std::pair<std::string, std::string>> found;
  LedgerReader reader(path, journal);
  while (reader.next()) {
    const std::string_view store = text_field(reader.body(), "store");
    const std::string_view entry = text_field(reader.body(), "name");
    if (entry.empty()) continue;
    if (entry == name || fmt::format("{}/{}", store, entry) == name) found.emplace(store, entry);
  }
  reader.require_no_fault();
  if (found.size() == 1) return *found.begin();
  if (found.empty()) throw Error(fmt::format("{}: nothing named {} was ever written", path, name));
  std::vector<std::string> all;
  for (const auto& [store, entry] : found) all.push_back(fmt::format("{}/{}", store, entry));
  throw Error(
      fmt::format("{}: {} is one of {}; give it with its store", path, name, fmt::join(all, ", ")));
}

// The row-major place of an element.
std::size_t place_in(const Shape& shape, const Element& element) {
  const auto refuse = [&] {
    throw Error(fmt::format("{}[{}]: there is no such element, its shape is {}", element.name,
                            fmt::join(element.places, ","), shape.to_string()));
  };
  std::size_t place = 0;
  if (element.places.size() == 1) {
    place = element.places[0];
    if (place >= shape.elements()) refuse();
    return place;
  }
  if (element.places.size() != shape.rank()) refuse();
  for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
    if (element.places[axis] >= shape[axis]) refuse();
    place = place * shape[axis] + element.places[axis];
  }
  return place;
}

std::uint64_t word_at(const Tensor& tensor, std::size_t place) {
  std::uint64_t word = 0;
  with_element(tensor.dtype(), [&]<class T>() {
    std::memcpy(&word, std::as_bytes(tensor.values<T>()).data() + place * sizeof(T), sizeof(T));
  });
  return word;
}

template <class T>
std::string widened(T half) {
  return fmt::to_string(Tensor::from<T>(std::span<const T>(&half, 1), {1}).to(Dtype::kF64).item());
}

// The value of one tensor, write by write.
class Follower {
 public:
  Follower(const LedgerReader& reader, const Element& element)
      : reader_(reader), element_(element) {}

  ElementWrite take(Record record) {
    if (record.created() == there_) {
      fail(record, there_ ? "it is created and was there" : "it is written and was not there");
    }
    there_ = !record.removed;
    if (record.created()) {
      value_ = Tensor::zeros(record.journal->shape, record.journal->dtype.value());
      if (!element_.places.empty()) place_ = place_in(value_.shape(), element_);
    }
    ElementWrite write{.record = {}, .dtype = value_.dtype()};
    if (!element_.places.empty()) write.before = word_at(value_, place_);
    try {
      value_ = decoder_.apply(reader_.payload(record, reader_.payload_offset()), value_);
    } catch (const FormatError& error) {
      fail(record, error.what());
    }
    if (!record.removed && hex(xxh3(value_)) != record.after) {
      fail(record, "its payload does not give the bits of its digest");
    }
    if (!element_.places.empty()) write.after = word_at(value_, place_);
    write.record = std::move(record);
    return write;
  }

 private:
  [[noreturn]] void fail(const Record& record, std::string_view what) const {
    throw FormatError(fmt::format("ledger: {} record {}, {}: {}", reader_.name(), record.seq,
                                  record.where(), what));
  }

  const LedgerReader& reader_;
  const Element& element_;
  DifferenceDecoder decoder_;
  Tensor value_;
  bool there_ = false;
  std::size_t place_ = 0;
};

}  // namespace

Element parse_element(std::string_view text) {
  const auto refuse = [text] {
    throw Error(fmt::format("expected NAME, NAME[i] or NAME[i,j,...], got \"{}\"", text));
  };
  const std::size_t open = text.find('[');
  Element element{std::string(text.substr(0, open)), {}};
  if (element.name.empty()) refuse();
  if (open == std::string_view::npos) return element;
  const char* at = text.data() + open + 1;
  const char* const end = text.data() + text.size();
  while (true) {
    std::uint64_t place = 0;
    const auto [next, error] = std::from_chars(at, end, place);
    if (error != std::errc() || next == end) refuse();
    element.places.push_back(place);
    at = next + 1;
    if (*next == ',') continue;
    if (*next != ']' || at != end) refuse();
    return element;
  }
}

History history_of(const std::string& path, const Element& element, const std::string& journal) {
  const auto [store, name] = entry_of(path, journal, element.name);
  LedgerReader reader(path, journal);
  History history{store, name, reader.level() == Ledger::Level::kJournal, {}};
  Follower follower(reader, element);
  while (reader.next()) {
    if (text_field(reader.body(), "store") != store || text_field(reader.body(), "name") != name) {
      continue;
    }
    Record record = reader.record();
    if (history.journaled) {
      history.writes.push_back(follower.take(std::move(record)));
    } else {
      history.writes.push_back({.record = std::move(record)});
    }
  }
  reader.require_no_fault();
  return history;
}

std::string decimal(Dtype dtype, std::uint64_t word) {
  switch (dtype) {
    case Dtype::kF32:
      return fmt::to_string(std::bit_cast<float>(static_cast<std::uint32_t>(word)));
    case Dtype::kF64:
      return fmt::to_string(std::bit_cast<double>(word));
    case Dtype::kI32:
      return fmt::to_string(std::bit_cast<std::int32_t>(static_cast<std::uint32_t>(word)));
    case Dtype::kBf16:
      return widened(BFloat16{static_cast<std::uint16_t>(word)});
    case Dtype::kF16:
      return widened(Float16{static_cast<std::uint16_t>(word)});
  }
  PALINODE_ASSERT(false);
}

std::string hexadecimal(Dtype dtype, std::uint64_t word) {
  return fmt::format("0x{:0{}x}", word, 2 * dtype_size(dtype));
}

}  // namespace palinode
