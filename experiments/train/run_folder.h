// The folder of a run.
//
//   config.toml              the effective settings, complete
//   metrics.jsonl            a line a step (metrics.h)
//   ledger.jsonl             a record a write (tensor/ledger.h)
//   ledger.jsonl.journal     and what it takes to undo it, at the level journal
//   checkpoint.safetensors   the last checkpoint (tensor/checkpoint.h): all a resumed run needs
//   model.safetensors        the network, last or best, with the settings in its metadata
//   result.json              what the run came to
//   lock                     empty; the training that writes here holds it
#pragma once

#include <string>

#include "experiments/train/config.h"

namespace palinode::experiments::train {

class RunFolder {
 public:
  explicit RunFolder(std::string path);

  const std::string& path() const { return path_; }
  std::string config() const { return path_ + "/config.toml"; }
  std::string metrics() const { return path_ + "/metrics.jsonl"; }
  std::string ledger() const { return path_ + "/ledger.jsonl"; }
  std::string journal() const { return ledger() + ".journal"; }
  std::string checkpoint() const { return path_ + "/checkpoint.safetensors"; }
  std::string model() const { return path_ + "/model.safetensors"; }
  std::string result() const { return path_ + "/result.json"; }

  bool holds_run() const;         // there is a config.toml
  bool holds_checkpoint() const;  // and a checkpoint.safetensors

  // Makes the folder, removes the files of an earlier run, and writes config.toml last of all.
  // Throws EnvironmentError if it cannot.
  void start(const Config& config) const;

  // The settings of the run. Throws FormatError if there is no run, or its config.toml is not one.
  Config read_config() const;

 private:
  std::string path_;
};

// While it lives, nobody else can hold the folder: two trainings would write into one another's
// files. It ends with the process, however that ends.
class RunLock {
 public:
  // Makes the folder if there is none. Throws EnvironmentError naming it if it cannot, or if
  // another training holds it.
  explicit RunLock(const std::string& folder);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace palinode::experiments::train
