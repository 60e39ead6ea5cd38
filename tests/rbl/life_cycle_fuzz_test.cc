// Thousands of random operations of a life cycle, allowed and not. After each one the identity has
// its fingerprint, and the units that the runtime reports as active are those whose effect its
// outputs show. One that throws has changed nothing.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>

#include "nn/mlp.h"
#include "optim/adam.h"
#include "rbl/attach.h"
#include "rbl/runtime.h"
#include "tensor/checkpoint.h"
#include "tensor/ledger_file.h"

namespace palinode::rbl {
namespace {

constexpr std::size_t kMostAttached = 4;

// A life of some hundred operations over one identity, its ledger in a file.
class Life {
 public:
  Life(std::uint64_t seed, std::string folder)
      : rng_(Rng(seed).stream("life")),
        path_(folder + "/ledger.jsonl"),
        saved_(folder + "/saved.safetensors"),
        x_(rng_.stream("x").normal({3, 4}, Dtype::kF32)) {
    std::filesystem::create_directories(folder);
    ledger_.emplace(Ledger::Level::kDigest, path_);
    build_model();
    ledger_->commit(model_->init(rng_.stream("init")));
    theta_print_ = ledger_->freeze(*theta_);
    plain_ = nn::evaluate(*model_, x_);
    runtime_.emplace(*ledger_, *model_);
  }

  void run(std::size_t operations) {
    for (std::size_t i = 0; i < operations && !testing::Test::HasFailure(); ++i) {
      SCOPED_TRACE(testing::Message() << "operation " << i);
      operate();
      check();
    }
    EXPECT_TRUE(verify_ledger(path_).intact);
  }

  std::size_t allowed() const { return allowed_; }
  std::size_t refused() const { return refused_; }

 private:
  using States = std::map<std::string, State>;

  std::size_t draw(std::size_t below) { return rng_.stream("draw").below(drawn_++, below); }

  void build_model() {
    theta_ = &ledger_->open("theta", Role::kIdentity);
    model_.emplace(*theta_, nn::MlpConfig{.sizes = {4, 5, 3}});
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
    if (!now || !next(*now, event)) return false;
    const auto roster = runtime_->roster();
    const bool pinned = roster->at(unit).pinned.has_value();
    const bool changes =
        event == Event::kTrain || event == Event::kRestore || event == Event::kDestroy;
    if (pinned && changes) return false;
    return event != Event::kDestroy || roster->copies_of(unit).empty();
  }

  // Runs it; it has to throw exactly if it is not allowed.
  void attempt(const char* what, bool allowed, const std::function<void()>& operation) {
    SCOPED_TRACE(what);
    const States before = states();
    const std::vector<std::string> stack = runtime_->roster()->stack;
    const Tensor output = nn::evaluate(runtime_->function(), x_);
    const Sha256Digest head = ledger_->head();
    try {
      operation();
      EXPECT_TRUE(allowed);
      ++allowed_;
    } catch (const Error& error) {
      EXPECT_FALSE(allowed) << error.what();
      EXPECT_EQ(states(), before);
      EXPECT_EQ(runtime_->roster()->stack, stack);
      EXPECT_TRUE(same_bits(nn::evaluate(runtime_->function(), x_), output));
      EXPECT_EQ(ledger_->head(), head);
      ++refused_;
    }
  }

  void create() {
    const std::vector<std::string> kinds = {"lora", "dense", "bias", "adapter", "ia3", "dora"};
    const std::string name = "u" + std::to_string(made_++);
    runtime_->create(name, {.kind = kinds[draw(kinds.size())]}, rng_.stream(name));
    noise(name);
    ++allowed_;
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
      const Var loss = cross_entropy(y, Tensor::full<std::int32_t>({3}, 1));
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
      EXPECT_FALSE(same_bits(nn::evaluate(*merged, x_), plain_));
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
    const States before = states();
    const auto active = runtime_->active();
    runtime_.reset();
    runtime_.emplace(*ledger_, *model_, RuntimeOptions{}, read_ledger(path_));
    EXPECT_EQ(states(), before);
    EXPECT_EQ(runtime_->active(), active);
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
    runtime_.reset();
    model_.reset();
    ledger_.reset();
    ledger_.emplace(load_checkpoint(saved_), path_);
    build_model();
    runtime_.emplace(*ledger_, *model_, RuntimeOptions{}, read_ledger(path_));
    EXPECT_EQ(states(), at_save_->states);
    EXPECT_EQ(runtime_->active(), at_save_->active);
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
    EXPECT_EQ(runtime_->roster()->stack, stack);
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
                       [&] { runtime_->quarantine(unit, "fuzz", "test"); });
      case 11:
      case 12:
        return attempt("release", may(unit, Event::kRelease),
                       [&] { runtime_->release(unit, "test"); });
      case 13:
        return attempt("destroy", may(unit, Event::kDestroy),
                       [&] { runtime_->destroy(unit, "fuzz", "test"); });
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
                       [&] { runtime_->sign(unit, KeyPair::from_seed({7})); });
      case 7:
        return draw(8) == 0 ? save() : crash();
      case 8:
        return draw(8) == 0 ? power_cut() : crash();
      default:
        if (draw(4) != 0) return;
        return attempt("kill", true, [&] { runtime_->kill("fuzz", "test"); });
    }
  }

  // Which units of the stack are in effect, from outputs alone.
  std::vector<std::vector<std::string>> effective() const {
    const auto roster = runtime_->roster();
    const Tensor output = nn::evaluate(runtime_->function(), x_);
    std::vector<std::vector<std::string>> found;
    for (std::size_t set = 0; set < std::size_t{1} << roster->stack.size(); ++set) {
      std::vector<std::string> names;
      std::vector<std::unique_ptr<Attached>> functions;
      const nn::Model* top = &*model_;
      for (std::size_t i = 0; i < roster->stack.size(); ++i) {
        if ((set >> i & 1) == 0) continue;
        names.push_back(roster->stack[i]);
        functions.push_back(
            std::make_unique<Attached>(attach(*top, roster->at(names.back()).behavior)));
        top = functions.back().get();
      }
      if (same_bits(nn::evaluate(*top, x_), output)) found.push_back(names);
    }
    return found;
  }

  void check() const {
    EXPECT_EQ(fingerprint(*theta_), theta_print_);
    EXPECT_TRUE(same_bits(nn::evaluate(*model_, x_), plain_));
    const std::vector<std::vector<std::string>> reported = {runtime_->active()};
    EXPECT_EQ(effective(), reported);
    for (const auto& [name, unit] : runtime_->roster()->units) {
      if (unit->state != State::kDestroyed) continue;
      EXPECT_EQ(unit->phi().bytes(), 0U) << name;
    }
  }

  Rng rng_;
  std::string path_, saved_;
  std::uint64_t drawn_ = 0;
  Tensor x_;
  std::optional<Ledger> ledger_;
  const Store* theta_ = nullptr;
  std::optional<nn::Mlp> model_;
  Sha256Digest theta_print_{};
  Tensor plain_;
  std::optional<Runtime> runtime_;
  std::vector<std::string> open_copies_;
  std::size_t made_ = 0, copies_ = 0;
  std::size_t allowed_ = 0, refused_ = 0;
  std::optional<Saved> at_save_;
};

TEST(LifeCycleFuzz, NoOperationReachesTheIdentityOrLiesAboutWhatIsActive) {
  constexpr std::size_t kOperations = 500;
  const bool exhaustive = std::getenv("PALINODE_EXHAUSTIVE") != nullptr;
  const std::uint64_t lives = exhaustive ? 200 : 20;
  const std::string folder = testing::TempDir() + "palinode_fuzz_" + std::to_string(::getpid());
  std::size_t allowed = 0, refused = 0;
  for (std::uint64_t seed = 1; seed <= lives && !HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Life life(seed, folder);
    life.run(kOperations);
    allowed += life.allowed();
    refused += life.refused();
    std::filesystem::remove_all(folder);
  }
  EXPECT_GT(allowed, lives * kOperations / 4);
  EXPECT_GT(refused, lives * kOperations / 8);
}

}  // namespace
}  // namespace palinode::rbl
