#include "experiments/train/position.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <string_view>

#include "tensor/error.h"

namespace palinode::experiments::train {
namespace {

std::string text_of(const Evaluation& e) {
  return fmt::format("{} {} {} {}", e.loss, e.accuracy, e.labels, e.bytes);
}

// The numbers of one note, separated by single spaces.
class Reader {
 public:
  Reader(const Notes& notes, const std::string& key, const std::string& path)
      : what_(fmt::format("{}: the checkpoint's note \"{}\"", path, key)) {
    const auto found = notes.find(key);
    if (found == notes.end()) throw FormatError(what_ + " is missing");
    text_ = rest_ = found->second;
  }

  template <class T>
  void next(T& value) {
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc()) fail();
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    if (!rest_.empty() && rest_.front() != ' ') fail();
    if (!rest_.empty()) rest_.remove_prefix(1);
  }

  void end() const {
    if (!rest_.empty()) fail();
  }

 private:
  [[noreturn]] void fail() const {
    throw FormatError(fmt::format("{} is not a row of numbers: \"{}\"", what_, text_));
  }

  std::string what_;
  std::string_view text_, rest_;
};

Evaluation evaluation_of(const Notes& notes, const std::string& key, const std::string& path) {
  Evaluation evaluation;
  Reader reader(notes, key, path);
  reader.next(evaluation.loss);
  reader.next(evaluation.accuracy);
  reader.next(evaluation.labels);
  reader.next(evaluation.bytes);
  reader.end();
  return evaluation;
}

}  // namespace

Notes notes_of(const Position& position) {
  return {{"position",
           fmt::format("{} {} {}", position.step, position.best_step, position.looks_since_best)},
          {"last", text_of(position.last)},
          {"best", text_of(position.best)}};
}

Position position_of(const Notes& notes, const std::string& path) {
  Position position;
  Reader reader(notes, "position", path);
  reader.next(position.step);
  reader.next(position.best_step);
  reader.next(position.looks_since_best);
  reader.end();
  position.last = evaluation_of(notes, "last", path);
  position.best = evaluation_of(notes, "best", path);
  return position;
}

}  // namespace palinode::experiments::train
