#include "experiments/studies/life_cycle_fuzz.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "autograd/ops.h"
#include "optim/adam.h"
#include "rbl/attach.h"
#include "tensor/checkpoint.h"
#include "tensor/error.h"
#include "tensor/ledger_file.h"

namespace palinode::experiments {
namespace {

using rbl::Event;
using rbl::Runtime;
using rbl::State;

constexpr std::size_t kMostAttached = 4;

// A folder of this process that goes with the object.
class Folder {
 public:
  Folder() {
    static std::atomic<std::uint64_t> count = 0;
    path_ = std::filesystem::temp_directory_path() /
            fmt::format("palinode_fuzz_{}_{}", ::getpid(), count++);
    std::filesystem::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;  // nothing depends on its being gone
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string operator/(const char* name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

// A life of some hundred operations over one identity, its ledger in a file.
class Life {
 public:
  Life(const FuzzSubject& subject, const Rng& rng)
      : subject_(&subject), rng_(rng), x_(subject.inputs) {
    ledger_.emplace(Ledger::Level::kDigest, path_);
    build_model();
    ledger_->commit(subject.fill(*model_, *theta_));
    theta_print_ = ledger_->freeze(*theta_);
    plain_ = nn::evaluate(*model_, x_);
    runtime_.emplace(*ledger_, *model_);
  }

  FuzzResult run(std::size_t operations) {
    for (std::size_t i = 0; i < operations; ++i) {
      what_ = "?";
      operate();
      check();
      ++result_.operations;
    }
    expect(verify_ledger(path_).intact, "ledger");
    return result_;
  }

 private:
  using States = std::map<std::string, State>;

  void expect(bool holds, const char* kind) {
    if (holds) return;
    ++result_.violations[kind];
    if (result_.first.empty()) {
      result_.first = fmt::format("operation {} ({}): {}", result_.operations, what_, kind);
    }
  }

  std::size_t draw(std::size_t below) { return rng_.stream("draw").below(drawn_++, below); }

  void build_model() {
    theta_ = &ledger_->open("theta", Role::kIdentity);
    model_ = subject_->build(*theta_);
  }

  std::string any() {
    const std::size_t made = made_;
    const std::size_t first = made > 6 ? made - 6 : 0;
    return "u" + std::to_string(first + draw(made - first + 1));  // now and then one there is not
  }
  std::optional<State> state(const std::string& unit) const {
    const auto roster = runtime_->roster();
    const auto found = roster->units.find(unit);
    return found == roster->units.end() ? std::nullopt : std::optional(found->second->state);
  }
  States states() const {
    States all;
    for (const auto& [name, unit] : runtime_->roster()->units) all[name] = unit->state;
    return all;
  }
  // What the table says, and the rules beside it.
  bool may(const std::string& unit, Event event) const {
    const auto now = state(unit);
    if (!now || !rbl::next(*now, event)) return false;
    const auto roster = runtime_->roster();
    const bool pinned = roster->at(unit).pinned.has_value();
    const bool changes =
        event == Event::kTrain || event == Event::kRestore || event == Event::kDestroy;
    if (pinned && changes) return false;
    return event != Event::kDestroy || roster->copies_of(unit).empty();
  }

  // Runs it; it has to throw exactly if it is not allowed.
  void attempt(const char* what, bool allowed, const std::function<void()>& operation) {
    what_ = what;
    const States before = states();
    const std::vector<std::string> stack = runtime_->roster()->stack;
    const Tensor output = nn::evaluate(runtime_->function(), x_);
    const Sha256Digest head = ledger_->head();
    try {
      operation();
      expect(allowed, "permission");
      ++result_.allowed;
    } catch (const Error&) {
      expect(!allowed, "permission");
      expect(states() == before && runtime_->roster()->stack == stack && ledger_->head() == head &&
                 rbl::same_bits(nn::evaluate(runtime_->function(), x_), output),
             "refusal");
      ++result_.refused;
    }
  }

  void create() {
    what_ = "create";
    const std::vector<std::string> kinds = {"lora", "dense", "bias", "adapter", "ia3", "dora"};
    const std::string name = "u" + std::to_string(made_++);
    runtime_->create(name, {.kind = kinds[draw(kinds.size())]}, rng_.stream(name));
    noise(name);
    ++result_.allowed;
  }
  void noise(const std::string& unit) {
    runtime_->train(unit, [&](const nn::Model&, const Store& phi) {
      Proposal proposal{.reason = Reason::kNoise, .proposer = "fuzz"};
      for (const Entry& entry : phi.entries()) {
        const Rng rng = rng_.stream(entry.name).stream(drawn_++);
        proposal.writes.push_back({&phi, entry.name, rng.normal(entry.value.shape(), Dtype::kF32)});
      }
      return proposal;
    });
  }
  void adam(const std::string& unit) {
    const std::string name = unit + ".adam";
    const Store* moments = nullptr;
    for (const Store* store : ledger_->stores()) {
      if (store->name() == name) moments = store;
    }
    if (moments == nullptr) moments = &ledger_->open(name, Role::kOptimizer);
    runtime_->train(unit, [&](const nn::Model& function, const Store& phi) {
      Tape tape;
      nn::Run run(tape);
      const Var y = function.forward(run, tape.constant(x_));
      const Var loss = cross_entropy(y, Tensor::full<std::int32_t>({y.shape()[0]}, 1));
      return optim::Adam(*moments, phi, {.lr = 0.01}).propose(backward(loss));
    });
  }

  void merge() {
    const std::string unit = any();
    const std::string name = "copy" + std::to_string(copies_++);
    const auto now = state(unit);
    bool good = now && *now != State::kDestroyed && *now != State::kQuarantined;
    if (good) {
      const std::string kind(runtime_->roster()->at(unit).behavior->kind());
      good = kind == "lora" || kind == "dense" || kind == "bias";
    }
    attempt("merge", good, [&] { runtime_->merge(name, {unit}); });
    if (!good) return;
    const auto merged = runtime_->merged(name);
    if (*now != State::kEnabled) {
      expect(!rbl::same_bits(nn::evaluate(*merged, x_), plain_), "effect");
    }
    open_copies_.push_back(name);
  }
  void discard() {
    const std::size_t at = draw(open_copies_.size() + 1);
    const std::string name = at == open_copies_.size() ? "none" : open_copies_[at];
    attempt("discard", name != "none", [&] { runtime_->discard(name); });
    std::erase(open_copies_, name);
  }

  void crash() {
    what_ = "crash";
    ++result_.crashes;
    const States before = states();
    const auto active = runtime_->active();
    runtime_.reset();
    runtime_.emplace(*ledger_, *model_, rbl::RuntimeOptions{}, read_ledger(path_));
    expect(states() == before && runtime_->active() == active, "recovery");
  }
  struct Saved {
    States states;
    std::vector<std::string> active, copies;
    std::size_t made, copies_made;
  };
  void save() {
    save_checkpoint(saved_, *ledger_);
    at_save_ = Saved{states(), runtime_->active(), open_copies_, made_, copies_};
  }
  // The process is gone; what there is are the checkpoint and the file.
  void power_cut() {
    if (!at_save_) return;
    what_ = "power cut";
    ++result_.power_cuts;
    runtime_.reset();
    model_.reset();
    ledger_.reset();
    ledger_.emplace(load_checkpoint(saved_), path_);
    build_model();
    runtime_.emplace(*ledger_, *model_, rbl::RuntimeOptions{}, read_ledger(path_));
    expect(states() == at_save_->states && runtime_->active() == at_save_->active, "recovery");
    open_copies_ = at_save_->copies;
    made_ = at_save_->made;
    copies_ = at_save_->copies_made;
  }

  void attach_somewhere(const std::string& unit) {
    std::vector<std::string> stack = runtime_->roster()->stack;
    const std::size_t place = draw(stack.size() + 1);
    const bool allowed = may(unit, Event::kAttach);
    attempt("attach", allowed, [&] { runtime_->attach(unit, {.place = place}); });
    if (allowed) stack.insert(stack.begin() + static_cast<std::ptrdiff_t>(place), unit);
    expect(runtime_->roster()->stack == stack, "effect");
  }

  void operate() {
    const std::string unit = any();
    const bool room = runtime_->roster()->stack.size() < kMostAttached;
    switch (draw(24)) {
      case 0:
      case 1:
        return create();
      case 2:
      case 3:
      case 4:
        if (!room && may(unit, Event::kAttach)) return;
        return attach_somewhere(unit);
      case 5:
        return attempt("detach", may(unit, Event::kDetach), [&] { runtime_->detach(unit); });
      case 6:
        return attempt("enable", may(unit, Event::kEnable), [&] { runtime_->enable(unit); });
      case 7:
        return attempt("disable", may(unit, Event::kDisable), [&] { runtime_->disable(unit); });
      case 8:
      case 9: {
        const std::string other = any();
        return attempt("swap", may(other, Event::kDetach) && may(unit, Event::kAttach),
                       [&] { runtime_->swap(other, unit); });
      }
      case 10:
        return attempt("quarantine", may(unit, Event::kQuarantine),
                       [&] { runtime_->quarantine(unit, "fuzz", "fuzz"); });
      case 11:
      case 12:
        return attempt("release", may(unit, Event::kRelease),
                       [&] { runtime_->release(unit, "fuzz"); });
      case 13:
        return attempt("destroy", may(unit, Event::kDestroy),
                       [&] { runtime_->destroy(unit, "fuzz", "fuzz"); });
      case 14:
        return attempt("noise", may(unit, Event::kTrain), [&] { noise(unit); });
      case 15:
        return attempt("adam", may(unit, Event::kTrain), [&] { adam(unit); });
      default:
        return operate_rarely(unit);
    }
  }

  void operate_rarely(const std::string& unit) {
    const auto now = state(unit);
    const bool alive = now && *now != State::kDestroyed;
    const auto roster = runtime_->roster();
    switch (draw(10)) {
      case 0:
        return merge();
      case 1:
        return discard();
      case 2: {
        const bool kept = alive && *now != State::kQuarantined &&
                          roster->at(unit).find(roster->at(unit).version) == nullptr;
        return attempt("keep", kept, [&] { runtime_->keep(unit); });
      }
      case 3: {
        const bool there = may(unit, Event::kRestore) && roster->at(unit).find(1) != nullptr;
        return attempt("restore", there, [&] { runtime_->restore(unit, 1); });
      }
      case 4:
        return attempt("pin", alive, [&] { runtime_->pin(unit); });
      case 5:
        return attempt("unpin", alive && roster->at(unit).pinned.has_value(),
                       [&] { runtime_->unpin(unit); });
      case 6:
        return attempt("sign", may(unit, Event::kSign),
                       [&] { runtime_->sign(unit, rbl::KeyPair::from_seed({7})); });
      case 7:
        return draw(8) == 0 ? save() : crash();
      case 8:
        return draw(8) == 0 ? power_cut() : crash();
      default:
        if (draw(4) != 0) return;
        return attempt("kill", true, [&] { runtime_->kill("fuzz", "fuzz"); });
    }
  }

  // Which units of the stack are in effect, from outputs alone.
  std::vector<std::vector<std::string>> effective() const {
    const auto roster = runtime_->roster();
    const Tensor output = nn::evaluate(runtime_->function(), x_);
    std::vector<std::vector<std::string>> found;
    for (std::size_t set = 0; set < std::size_t{1} << roster->stack.size(); ++set) {
      std::vector<std::string> names;
      std::vector<std::unique_ptr<rbl::Attached>> functions;
      const nn::Model* top = &*model_;
      for (std::size_t i = 0; i < roster->stack.size(); ++i) {
        if ((set >> i & 1) == 0) continue;
        names.push_back(roster->stack[i]);
        functions.push_back(
            std::make_unique<rbl::Attached>(rbl::attach(*top, roster->at(names.back()).behavior)));
        top = functions.back().get();
      }
      if (rbl::same_bits(nn::evaluate(*top, x_), output)) found.push_back(names);
    }
    return found;
  }

  void check() {
    expect(
        fingerprint(*theta_) == theta_print_ && rbl::same_bits(nn::evaluate(*model_, x_), plain_),
        "identity");
    const std::vector<std::vector<std::string>> reported = {runtime_->active()};
    expect(effective() == reported, "effect");
    for (const auto& [name, unit] : runtime_->roster()->units) {
      if (unit->state == State::kDestroyed) expect(unit->phi().bytes() == 0, "residue");
    }
  }

  const FuzzSubject* subject_;
  Folder folder_;
  Rng rng_;
  std::string path_ = folder_ / "ledger.jsonl", saved_ = folder_ / "saved.safetensors";
  std::uint64_t drawn_ = 0;
  Tensor x_;
  std::optional<Ledger> ledger_;
  const Store* theta_ = nullptr;
  std::unique_ptr<nn::Network> model_;
  Sha256Digest theta_print_{};
  Tensor plain_;
  std::optional<Runtime> runtime_;
  std::vector<std::string> open_copies_;
  std::size_t made_ = 0, copies_ = 0;
  const char* what_ = "?";
  FuzzResult result_;
  std::optional<Saved> at_save_;
};

}  // namespace

std::uint64_t FuzzResult::violated() const {
  std::uint64_t sum = 0;
  for (const auto& [kind, count] : violations) sum += count;
  return sum;
}

FuzzResult& FuzzResult::operator+=(const FuzzResult& other) {
  operations += other.operations;
  allowed += other.allowed;
  refused += other.refused;
  crashes += other.crashes;
  power_cuts += other.power_cuts;
  for (const auto& [kind, count] : other.violations) violations[kind] += count;
  if (first.empty()) first = other.first;
  return *this;
}

FuzzResult fuzz_life_cycle(const FuzzSubject& subject, const Rng& rng, std::size_t operations) {
  return Life(subject, rng).run(operations);
}

}  // namespace palinode::experiments
