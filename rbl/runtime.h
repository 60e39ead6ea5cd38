// Runtime: a frozen identity and the behaviors that live over it. It knows every unit by name,
// keeps its state (life_cycle.h), and records every step of its life in the ledger.
//
//   Runtime runtime(ledger, model);
//   runtime.create("polite", {.kind = "lora"}, rng);
//   runtime.train("polite", [&](const nn::Model& function, const Store& phi) { ... });
//   runtime.attach("polite");
//   nn::evaluate(runtime.function(), x);
//   const Receipt receipt = runtime.detach("polite");
//
// An operation checks everything, makes the next picture (roster.h), writes its record, and only
// then puts the picture in place: one that throws leaves units, function and identity as they were.
// The records are enough to make the runtime anew over the same ledger, after a crash too.
//
// One thread at a time operates; any thread may run the functions meanwhile. A pass sees the units
// of one moment from its beginning to its end. Values are another matter: nobody may train, restore
// or destroy a unit while a pass reads it.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nn/network.h"
#include "rbl/receipt.h"
#include "rbl/runtime/roster.h"
#include "tensor/ledger.h"
#include "tensor/note.h"

namespace palinode::rbl {

struct RuntimeOptions {
  bool signed_only = false;  // attach and enable only what a trusted key has signed
  std::vector<PublicKey> trusted = {};
  // Inputs on which every detachment is measured; empty: it is not, and costs no pass.
  Tensor probes = {};
  // Asked before a unit is attached or enabled; what it throws refuses that.
  std::function<void(Event, const Unit&)> permit = {};
};

// What a unit that was made elsewhere says of itself.
struct Origin {
  Sha256Digest identity{};
  std::uint64_t version = 1;
  std::optional<Sha256Digest> parent = {};
  std::optional<SignedBy> signature = {};
  std::string file = {};  // removed with the unit
};

// A change of one tensor between two versions.
struct VersionChange {
  std::string name;
  std::size_t elements = 0, changed = 0;
  double l2 = 0;
};

class Runtime {
 public:
  // The ledger and the identity outlive it. Throws FrozenError if theta is not frozen.
  Runtime(Ledger& ledger, const nn::Network& identity, RuntimeOptions options = {});
  // As the records tell it: the lines of the ledger's file (read_ledger). What a crash left undone
  // is done. Throws FormatError for records that are not a runtime's.
  Runtime(Ledger& ledger, const nn::Network& identity, RuntimeOptions options,
          std::span<const std::string> records);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // --- Making. NameError for a name that is taken.
  void create(const std::string& unit, const BehaviorConfig& config, const Rng& rng);
  // With values of its own: each parameter of its kind, and no other. NameError, ShapeError or
  // DtypeError for what does not fit.
  void adopt(const std::string& unit, const BehaviorConfig& config,
             const std::map<std::string, Tensor>& values, const Origin& origin);
  // One step: a proposal for phi and an optimizer's state, made with the function the unit is part
  // of, or over the identity alone if it is not attached. It may write nothing else; an optimizer's
  // store belongs to the unit until it is detached.
  using TrainStep = std::function<Proposal(const nn::Model& function, const Store& phi)>;
  void train(std::string_view unit, const TrainStep& step);
  void sign(std::string_view unit, const KeyPair& keys);
  // A file that holds the unit, to be removed with it.
  void bind_file(std::string_view unit, const std::string& path);

  // --- Versions.
  std::uint64_t keep(std::string_view unit);  // its values now, under their number
  void restore(std::string_view unit, std::uint64_t version);
  void pin(std::string_view unit);  // LifeCycleError for train, restore and destroy until unpin
  void unpin(std::string_view unit);
  // Of every tensor; 0 stands for the values now.
  std::vector<VersionChange> diff(std::string_view unit, std::uint64_t a, std::uint64_t b) const;

  // --- In and out. Attaching throws IdentityError for a unit of another identity unless `force`
  // says so, which is recorded; LifeCycleError for a signature that is missing, does not verify or
  // is not trusted.
  struct AttachOptions {
    std::size_t place = static_cast<std::size_t>(-1);  // in the stack; at most its size
    bool force = false;
  };
  void attach(std::string_view unit) { attach(unit, AttachOptions{}); }
  void attach(std::string_view unit, const AttachOptions& options);
  void enable(std::string_view unit);
  void disable(std::string_view unit);
  Receipt detach(std::string_view unit);
  Receipt swap(std::string_view out, std::string_view in);  // at its place, in one step
  Receipt quarantine(std::string_view unit, const std::string& reason, const std::string& by);
  void release(std::string_view unit, const std::string& by);
  // Zeros over phi, its versions and its moments, the file removed, a tombstone beside it. Refused
  // for a unit that is merged into a copy, and while somebody else holds one of its values.
  Tombstone destroy(std::string_view unit, const std::string& reason, const std::string& by);
  // Everything out at once, merged copies too.
  Receipt kill(const std::string& reason, const std::string& by);

  // --- Merging, onto a copy of theta only: "<copy>" is a store of its own. LifeCycleError for
  // kinds that are no sum with weights: lora, bias and dense are.
  void merge(const std::string& copy, const std::vector<std::string>& units);
  void discard(std::string_view copy);

  // --- Functions; they live as long as the runtime.
  // The identity with what is enabled at the moment of a pass; exactly the plain model if nothing
  // is.
  const nn::Model& function() const { return *function_; }
  // With these, in this order, enabled or not; a pass throws LifeCycleError once one is not
  // attached.
  std::unique_ptr<nn::Model> select(std::vector<std::string> units) const;
  // The copy with what is enabled. A pass throws LifeCycleError if the copy was discarded or
  // stopped, has a unit under quarantine, or one that is enabled as well.
  std::unique_ptr<nn::Model> merged(std::string copy) const;

  std::shared_ptr<const Roster> roster() const { return roster_.load(); }
  std::vector<std::string> active() const;  // what is enabled, in the order of the stack
  const Sha256Digest& identity() const { return fingerprint_; }

 private:
  using Fields = std::vector<std::pair<std::string, std::string>>;
  std::unique_ptr<nn::Model> live() const;
  Roster fresh(std::string_view unit) const;
  void publish(Roster next, const Note& note);
  Roster advanced(Roster roster, const Note& note) const;
  void apply(Roster& roster, Unit& unit, Event event, const Note& note) const;
  void apply_other(Unit& unit, const Note& note) const;
  void add_unit(Roster& roster, const Note& note) const;
  void add_copy(Roster& roster, const Note& note) const;
  void make(const std::string& unit, const BehaviorConfig& config, const Origin& origin,
            const std::function<Proposal(const Behavior&)>& values);
  void step(std::string_view unit, std::string_view event, Fields fields = {});
  Note note_of(std::string_view event, const Unit& unit, Fields fields) const;
  void check_signature(const Unit& unit) const;
  void check_attachable(const Unit& unit, Event event, bool force) const;
  std::vector<std::string> moments_of(const Unit& unit, const Proposal& proposal) const;
  const Store& store_for(const std::string& name, Role role);
  const Store* find_store(std::string_view name) const;
  Receipt take_out(Roster next, const Note& note, std::vector<std::string> units);
  std::vector<Dropped> sweep();
  Tombstone tombstone_of(const Unit& unit) const;
  static void bury(const Tombstone& tombstone);

  Ledger* ledger_;
  const nn::Network* identity_;
  RuntimeOptions options_;
  Sha256Digest fingerprint_;
  std::optional<Observation> plain_;  // of the probes, before anything was attached
  std::atomic<std::shared_ptr<const Roster>> roster_;
  std::unique_ptr<nn::Model> function_;
};

}  // namespace palinode::rbl
