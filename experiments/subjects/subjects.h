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

struct SubjectInfo {
  std::string_view name;   // "fashion-cnn"
  std::string_view model;  // "cnn-32-64-128"
  std::string_view data;   // "fashion-mnist"
  std::string_view what;   // one line
  bool large;              // takes more than seconds to train or adapt
  std::unique_ptr<Identity> (*make)(std::uint64_t seed, const Options& options);
  // Loads what it needs from outside the program, so that a run fails before it begins; none for a
  // model that needs nothing.
  void (*prepare)() = nullptr;
};

std::span<const SubjectInfo> subject_infos();
// Throws NameError listing them.
const SubjectInfo& subject_info(std::string_view name);

// Whether the table has it: a study may have models of its own. And whether it is large.
bool is_subject(std::string_view name);
bool is_large(std::string_view name);

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
