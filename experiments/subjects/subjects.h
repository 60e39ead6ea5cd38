// The models the studies run on, by name, each trained once for a seed however many studies ask.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "experiments/subjects/identity.h"
#include "experiments/tokenizer/tokenizer.h"
#include "tensor/digest.h"

namespace palinode::experiments {

// How a run is to be made; nothing in it but the data can change a result.
struct Options {
  Ledger::Level level = Ledger::Level::kDigest;
  std::string ledger_path = {};  // where the ledger of `ledger_seed`'s digits-mlp goes; or nowhere
  std::uint64_t ledger_seed = 1;
  std::string digits_path = {};  // in place of the embedded digits
};

// How long a model takes to train or adapt, which decides how many seeds it has and whether a study
// uses its shorter lists of settings, those named _large.
enum class Scale : std::uint8_t {
  kSmall,   // less than a second
  kMedium,  // an MLP of wide layers
  kLarge,   // a CNN of 28 x 28 images, a GPT
};
std::string_view name_of(Scale scale);  // "small", "medium", "large"

struct SubjectInfo {
  std::string_view name;   // "fashion-cnn"
  std::string_view model;  // "cnn-32-64-128"
  std::string_view data;   // "fashion-mnist"
  std::string_view what;   // one line
  Scale scale;
  std::unique_ptr<Identity> (*make)(std::uint64_t seed, const Options& options);
  // Loads what it needs from outside the program, so that a run fails before it begins; none for a
  // model that needs nothing.
  void (*prepare)() = nullptr;
};

std::span<const SubjectInfo> subject_infos();
// Throws NameError listing them.
const SubjectInfo& subject_info(std::string_view name);

// Whether the table has it: a study may have models of its own, which are small.
bool is_subject(std::string_view name);
Scale scale_of(std::string_view name);

// Of austen-gpt and tied-gpt: the bytes of Austen's novels.
const Tokenizer& austen_tokenizer();

class Subjects {
 public:
  explicit Subjects(Options options) : options_(std::move(options)) {}

  const Options& options() const { return options_; }
  // Trained by the first who asks; whoever asks meanwhile waits. Throws as make does.
  const Identity& get(std::string_view name, std::uint64_t seed);

 private:
  struct Slot {
    std::once_flag once;
    std::unique_ptr<Identity> identity;
  };
  Options options_;
  std::mutex mutex_;
  std::map<std::pair<std::string, std::uint64_t>, Slot> slots_;
};

}  // namespace palinode::experiments
