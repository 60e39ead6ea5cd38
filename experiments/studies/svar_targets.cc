#include "experiments/studies/svar_targets.h"

#include <optional>
#include <utility>

#include "tensor/error.h"

namespace palinode::experiments {
namespace {

// A function of values of its own.
class Owned : public nn::Model {
 public:
  Owned(const rbl::Family& family, const rbl::NamedValues& values)
      : scratch_(family, Role::kIdentity, values, Reason::kLoad) {}
  Var forward(nn::Run& run, Var x) const override { return scratch_.function().forward(run, x); }

 private:
  rbl::Scratch scratch_;
};

// One behavior over another, or over the identity.
class Stacked : public nn::Model {
 public:
  Stacked(const nn::Model& model, rbl::BehaviorPointer inner, rbl::BehaviorPointer outer)
      : inner_(std::make_unique<const rbl::Attached>(rbl::attach(model, std::move(inner)))),
        outer_(rbl::attach(*inner_, std::move(outer))) {}
  Var forward(nn::Run& run, Var x) const override { return outer_.forward(run, x); }

 private:
  std::unique_ptr<const rbl::Attached> inner_;
  rbl::Attached outer_;
};

// a + factor * b, element by element in f32; a factor of 1 or -1 is exact.
rbl::NamedValues combined(const rbl::NamedValues& a, float factor, const rbl::NamedValues& b) {
  rbl::NamedValues result = a;
  for (std::size_t k = 0; k < a.size(); ++k) {
    const std::span<const float> x = a[k].value.values<float>(), y = b[k].value.values<float>();
    std::vector<float> values(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) values[i] = x[i] + factor * y[i];
    result[k].value = Tensor::from<float>(values, a[k].value.shape());
  }
  return result;
}

Adapted train_second(Ledger& ledger, const Store& target, const nn::Model& function,
                     const Identity& identity, const Rng& stream, std::uint64_t steps) {
  const Task& task = identity.shifted();
  const double lr = rate_of(identity, Mechanism::kAdam, target);
  return adapt(ledger, target, function, identity, task,
               course_of(identity, task, Mechanism::kAdam, lr, stream),
               {.score = std::nullopt, .most_steps = steps});
}

class ThetaTarget : public SvarTarget {
 public:
  ThetaTarget(const Identity& identity, const Rng& stream, std::uint64_t second_steps)
      : identity_(&identity), first_(identity) {
    for (const Entry& entry : identity.theta->entries()) {
      if (entry.value.dtype() == Dtype::kF32) continue;
      throw DtypeError("svar: theta's " + std::string(entry.name) + " is not f32");
    }
    adapted_ = adapt(first_.ledger(), first_.store(), first_.function(), identity,
                     identity.shifted(), Mechanism::kAdam, stream.stream("first"));
    ThetaCopy second(identity);
    train_second(second.ledger(), second.store(), second.function(), identity,
                 stream.stream("second"), second_steps);
    const rbl::NamedValues base = rbl::named_values(*identity.theta);
    deltas_ = {combined(rbl::named_values(first_.store()), -1, base),
               combined(rbl::named_values(second.store()), -1, base)};
  }

  std::string locus() const override { return "theta"; }
  const Store& store() const override { return first_.store(); }
  const nn::Model& function() const override { return first_.function(); }
  rbl::Family family() const override { return theta_family(*identity_); }

  rbl::Compose compose() const override {
    return [this](std::span<const std::size_t> order) -> std::unique_ptr<nn::Model> {
      rbl::NamedValues values = rbl::named_values(*identity_->theta);
      for (const std::size_t k : order) values = combined(values, 1, deltas_[k]);
      return std::make_unique<Owned>(family(), values);
    };
  }

  rbl::Lifecycle lifecycle() const override {
    struct State {
      rbl::NamedValues values;
      bool loaded = true;
      std::unique_ptr<Owned> function;
    };
    const auto state = std::make_shared<State>();
    state->values = rbl::named_values(store());
    const auto go = [this, state](bool load) -> const nn::Model& {
      if (state->loaded != load) {
        state->values = combined(state->values, load ? 1.0F : -1.0F, deltas_[0]);
        state->loaded = load;
        state->function.reset();
      }
      if (!state->function) state->function = std::make_unique<Owned>(family(), state->values);
      return *state->function;
    };
    return {[go]() -> const nn::Model& { return go(true); },
            [go]() -> const nn::Model& { return go(false); }};
  }

 private:
  const Identity* identity_;
  ThetaCopy first_;
  std::vector<rbl::NamedValues> deltas_;
};

class PhiTarget : public SvarTarget {
 public:
  PhiTarget(const Identity& identity, const Rng& stream, std::uint64_t second_steps)
      : identity_(&identity),
        first_(identity, stream.stream("lora")),
        second_(identity, stream.stream("ia3"), {.kind = "ia3"}) {
    adapted_ = adapt(first_.ledger(), first_.store(), first_.function(), identity,
                     identity.shifted(), Mechanism::kAdam, stream.stream("first"));
    train_second(second_.ledger(), second_.store(), second_.function(), identity,
                 stream.stream("second"), second_steps);
  }

  std::string locus() const override { return "phi"; }
  const Store& store() const override { return first_.store(); }
  const nn::Model& function() const override { return first_.function(); }
  rbl::Family family() const override { return phi_family(*identity_, lora_config()); }

  rbl::Compose compose() const override {
    return [this](std::span<const std::size_t> order) -> std::unique_ptr<nn::Model> {
      PALINODE_ASSERT(order.size() == 2);
      const rbl::BehaviorPointer units[] = {first_.behavior(), second_.behavior()};
      return std::make_unique<Stacked>(*identity_->network, units[order[0]], units[order[1]]);
    };
  }

  rbl::Lifecycle lifecycle() const override {
    const auto attached = std::make_shared<std::optional<rbl::Attached>>(
        rbl::attach(*identity_->network, first_.behavior()));
    return {[this, attached]() -> const nn::Model& {
              if (!*attached)
                attached->emplace(rbl::attach(*identity_->network, first_.behavior()));
              return **attached;
            },
            [this, attached]() -> const nn::Model& {
              if (*attached) rbl::detach(*std::exchange(*attached, std::nullopt));
              return *identity_->network;
            }};
  }

 private:
  const Identity* identity_;
  PhiUnit first_, second_;
};

}  // namespace

std::unique_ptr<SvarTarget> svar_of_theta(const Identity& identity, const Rng& stream,
                                          std::uint64_t second_steps) {
  return std::make_unique<ThetaTarget>(identity, stream, second_steps);
}

std::unique_ptr<SvarTarget> svar_of_phi(const Identity& identity, const Rng& stream,
                                        std::uint64_t second_steps) {
  return std::make_unique<PhiTarget>(identity, stream, second_steps);
}

}  // namespace palinode::experiments
