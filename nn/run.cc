#include "nn/run.h"

#include <utility>

#include "tensor/error.h"

namespace palinode::nn {

Var Seam::parameter(Run&, const Store&, std::string_view, Var stored) const { return stored; }
Var Seam::before(Run&, std::string_view, Var input) const { return input; }
Var Seam::at(Run&, std::string_view, Var, Var output) const { return output; }
std::optional<LowRankChange> Seam::low_rank(Run&, std::string_view) const { return std::nullopt; }
std::optional<Prefix> Seam::prefix(Run&, std::string_view) const { return std::nullopt; }
std::optional<Var> Seam::prompt(Run&) const { return std::nullopt; }
const Store* Seam::buffers(std::string_view) const { return nullptr; }

Run::Run(Tape& tape, const RunConfig& config)
    : tape_(&tape), settings_{{}, config.mode, config.rng, config.cache, config.shard} {
  if (config.seam != nullptr) settings_.seams.push_back(config.seam);
}

Run::Run(Run& outer, const Seam& inner)
    : tape_(outer.tape_),
      settings_{{},
                outer.settings_.mode,
                outer.settings_.rng,
                outer.settings_.cache,
                outer.settings_.shard},
      found_(outer.found_),
      segment_(outer.segment_) {
  const PoolVector<const Seam*>& others = outer.settings_.seams;
  settings_.seams.reserve(others.size() + 1);
  settings_.seams.push_back(&inner);
  settings_.seams.insert(settings_.seams.end(), others.begin(), others.end());
}

Run::Run(const Settings& settings, Tape& tape)
    : tape_(&tape), settings_(settings), segment_(true) {}

const Store& Run::buffers(std::string_view site, const Store& own) const {
  for (const Seam* seam : settings_.seams) {
    if (const Store* const routed = seam->buffers(site)) return *routed;
  }
  return own;
}

std::optional<Prefix> Run::prefix(std::string_view site) {
  std::optional<Prefix> all;
  for (const Seam* seam : settings_.seams) {
    const std::optional<Prefix> more = seam->prefix(*this, site);
    if (!more) continue;
    if (all) {
      const Var keys = concat({all->keys, more->keys}, 0);
      const Var values = concat({all->values, more->values}, 0);
      all = {keys, values};
    } else {
      all = more;
    }
  }
  return all;
}

std::optional<Var> Run::prompt() {
  std::optional<Var> all;
  for (const Seam* seam : settings_.seams) {
    const std::optional<Var> more = seam->prompt(*this);
    if (more) all = all ? concat({*all, *more}, 0) : *more;
  }
  return all;
}

void Run::write_buffer(const Store& store, std::string_view name, Tensor value) {
  PALINODE_ASSERT(!segment_);  // it runs twice, and would write twice
  found_->push_back({&store, store.index(name), std::move(value)});
}

void Run::add_buffers(Proposal& proposal) const {
  for (const BufferWrite& write : *found_) {
    proposal.writes.push_back({write.store, write.store->entries()[write.entry].name, write.value});
  }
}

Tensor evaluate(const Model& model, const Tensor& x) {
  Tape tape;
  Run run(tape);
  return model.forward(run, tape.constant(x)).value();
}

}  // namespace palinode::nn
