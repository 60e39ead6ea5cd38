// What a runtime knows of its units: an immutable picture of one moment. An operation makes the
// next picture and puts it in place of this one; whoever reads one sees a whole moment.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rbl/behavior.h"
#include "rbl/compose.h"
#include "rbl/life_cycle.h"
#include "rbl/sign.h"
#include "rbl/statement.h"

namespace palinode::rbl {

struct SignedBy {
  PublicKey key{};
  Signature signature{};
};

// Values that were kept, in the store "<unit>.v<number>".
struct Version {
  std::uint64_t number = 1;
  std::optional<Sha256Digest> parent = {};
  Sha256Digest digest{};  // of its statement
  const Store* values = nullptr;
  std::optional<SignedBy> signature = {};
};

// Why something was done to a unit, and on whose word.
struct Order {
  std::string reason, by;
};

// A named behavior with its history.
struct Unit {
  std::string name;
  BehaviorPointer behavior;
  Sha256Digest identity{};  // the one it was made for
  State state = State::kCreated;
  // Of its values now: a kept version's, or, once they have changed, one more than the highest.
  std::uint64_t version = 1;
  std::optional<Sha256Digest> parent = {};
  std::vector<Version> versions = {};
  std::optional<SignedBy> signature = {};  // dropped when the values change
  std::optional<Order> quarantine = {}, destruction = {};
  std::optional<Sha256Digest> pinned = {};  // to the values of this digest
  std::vector<const Store*> moments = {};   // optimizers' stores, its own as long as it has them
  std::string file = {};                    // none: ""
  // Fingerprint of phi as of its newest write.
  Sha256Digest values{};
  std::uint64_t newest = 0;

  const Store& phi() const { return behavior->phi(); }
  Statement statement() const { return {behavior->config(), identity, version, parent, values}; }
  // None if that version was not kept; the second throws NameError.
  const Version* find(std::uint64_t number) const;
  const Version& at(std::uint64_t number) const;
};

using UnitPointer = std::shared_ptr<const Unit>;

// Theta with behaviors added to its weights, in a store of its own.
struct Copy {
  const Store* theta = nullptr;
  std::vector<std::string> units = {};  // in the order of merging
  SeamPointer seam = {};                // reads the copy in theta's place
  bool stopped = false;                 // by the kill switch
  bool discarded = false;               // its values are gone
};

struct Roster {
  std::map<std::string, UnitPointer, std::less<>> units = {};
  std::vector<std::string> stack = {};  // attached; a later one is given what the earlier return
  std::map<std::string, Copy, std::less<>> copies = {};
  std::vector<BehaviorPointer> active = {};  // the enabled ones of the stack
  std::vector<const Store*> gone = {};       // stores that are to be wiped

  // Throws NameError if there is none.
  const Unit& at(std::string_view unit) const;
  // The copies a unit is merged into, but for discarded ones.
  std::vector<std::string> copies_of(std::string_view unit) const;
};

}  // namespace palinode::rbl
