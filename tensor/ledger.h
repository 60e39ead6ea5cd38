// Ledger: the one door. Only Ledger::commit changes a parameter, and it leaves a record of every
// change.
//
//   const Store& theta = ledger.open("theta", Role::kIdentity);
//   ledger.commit(model.init(rng));  // a Proposal: what should change, computed by somebody else
//   ledger.freeze(theta);            // from here a write throws, and its pages are read-only
//
// Records form a hash chain: a link is the SHA-256 of the chain before it and of a commit, at the
// level journal of one record, so a changed, missing or moved record is found by verify_ledger
// (ledger_file.h). A chain cannot show that its tail was cut off or that all of it was written
// anew: for that its head must be kept elsewhere. At the level journal every write can also be
// undone (undo.h), replayed and asked about (ledger_replay.h). One thread uses a ledger at a time.
// Files: docs/ledger.md.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/arena.h"
#include "tensor/digest.h"
#include "tensor/proposal.h"
#include "tensor/store.h"

namespace palinode {

class DifferenceEncoder;  // difference.h
class LedgerOutput;       // ledger_output.h
class LedgerReader;       // ledger_file.h
struct Checkpoint;        // checkpoint.h
struct LedgerMemory;      // ledger_memory.h
struct Note;              // note.h
struct Records;           // ledger_records.h
struct Written;           // write_pass.h

class Ledger {
 public:
  enum class Level : std::uint8_t {
    kOff,      // no records
    kSummary,  // who, why, how many elements, how far
    kDigest,   // and the XXH3-128 of the old and the new bits
    kJournal,  // and the difference of their words, from which the write can be undone exactly
  };

  explicit Ledger(Level level = Level::kDigest);
  // Streams records to a file, one JSON object a line; at the level journal the differences go to
  // PATH.journal. Files that are there are replaced. Throws EnvironmentError naming the file if it
  // can't.
  Ledger(Level level, const std::string& path);
  // Continues the run the checkpoint was taken of, with its stores, their numbers and its chain.
  // The second goes on in the ledger's file as well: what was recorded after the checkpoint is cut
  // off, a torn last line too, and the finished file is that of a run that never stopped. The
  // values do not come through commit; they are checked against its records. Throws, with the file
  // as it was,
  //   FormatError       naming file and line: a broken chain, fewer records than the checkpoint was
  //                     taken with, another chain or level, or another last write to a parameter
  //   NameError         a checkpoint that names something badly or twice
  //   EnvironmentError  the file cannot be written
  explicit Ledger(const Checkpoint& checkpoint);
  Ledger(const Checkpoint& checkpoint, const std::string& path);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // A new, empty store; in a ledger made from a checkpoint, the store of that name as it was, for
  // the first who asks. Throws NameError if the name is taken, was kept with another role, or is
  // not made of [A-Za-z0-9._/-].
  const Store& open(std::string name, Role role);

  // Applies all of the proposal, or throws and applies none. The values are made in memory of the
  // ledger's own; their records are in the file before the first value changes. Throws
  //   FrozenError       a store is frozen; names parameter, freeze and proposer
  //   NameError         an unknown, repeated, wrongly created or badly formed name, or a store of
  //                     another ledger
  //   ShapeError, DtypeError   not those of the value replaced, or of the gradient's parameter
  //   NameError         a removal of an entry that is not its store's newest, or a write to it
  //   NonFiniteError    if finite_only asks for it; names the first gradient that is not finite, or
  //                     the value
  //   StaleReadError    a step's parameter has been written since its gradient's value was read
  //   EnvironmentError  the records cannot be written (names the file), or the calling thread
  //                     flushes subnormal numbers or rounds another way
  // and std::bad_alloc.
  void commit(const Proposal& proposal);

  // Records an event that is no write. Throws NameError for a badly formed name of the event or of
  // a field, EnvironmentError as commit does.
  void note(const Note& note);

  // Removes every entry of the store, recorded as zeros for the reason destroy, and overwrites the
  // memory they were in. A value that somebody else holds a handle to keeps its bytes until that
  // handle goes: `held` counts them. A journal keeps its differences all the same. Throws as commit
  // does.
  struct Wiped {
    std::size_t entries = 0, bytes = 0;
    std::size_t held = 0;
  };
  Wiped wipe(const Store& store);
  // The first entry whose value somebody else holds a handle to: a tape, a checkpoint. Or none.
  static const Entry* held(const Store& store);

  // Every store, in the order of their creation.
  std::vector<const Store*> stores() const;

  // Puts the files on the disk, as far as they are written. Throws EnvironmentError if it can't.
  void sync() const;

  // The records from the first on; of a journal without a file that was made from a checkpoint,
  // those since then. Throws Error if this ledger keeps none to read: it has no file, and its level
  // is below journal.
  LedgerReader read() const;

  // Moves the store's values to read-only pages (arena.h) behind the strongest guard the system has
  // up to `strongest`, which Store::guard() then tells; refuses commits to it from now on, and
  // returns its fingerprint. Freezing twice returns the same fingerprint. Throws EnvironmentError,
  // with the store as it was, if there are no such pages.
  Sha256Digest freeze(const Store& store, Guard strongest = Guard::kSealed);

  Level level() const { return level_; }
  // Records so far; without records, as many as there would be.
  std::uint64_t sequence() const { return sequence_; }
  // The head of the chain. Kept elsewhere, it also convicts a ledger whose tail was cut off.
  const Sha256Digest& head() const { return head_; }

 private:
  void start();
  void restore(const Checkpoint& checkpoint);
  Store& add(std::string name, Role role);
  struct Pages {
    std::vector<Entry> entries;  // their values in read-only pages
    Guard guard;
  };
  static Pages read_only(const Store& store, Guard strongest);
  static void protect(Store& store, const Pages& pages, std::uint64_t since);
  Store& mine(const Store* store);
  void start_journal();
  struct Target;
  struct Counts;
  struct Staged;
  static void check_name(std::string_view what, std::string_view name);
  static Target existing(const Proposal& proposal, Store& store, std::size_t place,
                         const Tensor& like, std::string_view what, const Counts& counts);
  static Target fresh(const Proposal& proposal, Store& store, std::string_view name,
                      const Tensor& like, Counts& counts);
  static Target gone(const Proposal& proposal, Store& store, std::string_view name, Counts& counts);
  void add_step(const Proposal& proposal, const Step& step, Counts& counts,
                PoolVector<Target>& found);
  PoolVector<Target> targets(const Proposal& proposal);
  PoolVector<Written> make_values(const Proposal& proposal, std::span<const Target> targets) const;
  PoolVector<Staged> stage(const Proposal& proposal);
  void describe(const Proposal& proposal, std::span<const Staged> staged, Records& records);
  void describe_difference(const Staged& staged, std::uint64_t first, std::uint64_t last,
                           Records& records);
  void apply(Staged& staged);
  void append(const Records& records);
  void append(std::string_view body);

  Level level_;
  std::uint64_t sequence_ = 0;
  Sha256Digest head_{};
  Sha256 sha_;
  std::string path_;
  std::unique_ptr<LedgerOutput> output_;        // if there is a path
  std::unique_ptr<LedgerMemory> memory_;        // of a journal without a path
  std::unique_ptr<DifferenceEncoder> encoder_;  // of a journal
  std::deque<std::unique_ptr<Store>> stores_;
};

std::string_view level_name(Ledger::Level level);  // "off", "summary", "digest", "journal"
std::optional<Ledger::Level> level_named(std::string_view name);

// A proposal that copies every entry of `from` into the empty or equal-named store `to`. Reason:
// load.
Proposal copy_of(const Store& from, const Store& to);

}  // namespace palinode
