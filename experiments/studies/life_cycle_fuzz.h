// Random operations of a life cycle, allowed and not, through one runtime. After each one the
// identity has its fingerprint, and the units that the runtime reports as active are those whose
// effect its outputs show; one that throws has changed nothing. What is not so is counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "nn/network.h"
#include "rbl/runtime.h"

namespace palinode::experiments {

struct FuzzSubject {
  std::function<std::unique_ptr<nn::Network>(const Store& theta)> build;
  std::function<Proposal(const nn::Network& network, const Store& theta)> fill;  // theta's values
  Tensor inputs;  // on which outputs are compared; a classifier's, of at least two classes
};

struct FuzzResult {
  std::uint64_t operations = 0, allowed = 0, refused = 0, crashes = 0, power_cuts = 0;
  // By what was violated:
  //   identity    a bit of theta, or of what the plain model computes, is another
  //   effect      what is reported as active is not what the outputs show
  //   permission  something was refused that the table allows, or the other way round
  //   refusal     an operation that threw has changed something
  //   residue     a destroyed unit still has values
  //   recovery    after a crash the runtime is another than before
  //   ledger      the file of records is not intact
  std::map<std::string, std::uint64_t> violations = {};
  std::string first;  // the first violation in words, with the operation's number

  std::uint64_t violated() const;
  FuzzResult& operator+=(const FuzzResult& other);
};

// One life over a fresh identity; its ledger and checkpoints are files in a folder of the system's
// temporary one, removed in the end. Depends on the subject, the stream and the count alone.
FuzzResult fuzz_life_cycle(const FuzzSubject& subject, const Rng& rng, std::size_t operations);

}  // namespace palinode::experiments
