// E16: lives of units under random operations: attaching, training, swapping, merging, quarantine,
// destruction, crashes and power cuts, allowed or not, over a copy of the identity
// (life_cycle_fuzz.h says what is checked after each).
//
// Paper: the section on governance, of which its code has no run-time.
#include <fmt/format.h>

#include <algorithm>

#include "experiments/studies/life_cycle_fuzz.h"
#include "experiments/studies/study.h"

namespace palinode::experiments {
namespace {

const std::vector<Knob> kKnobs =
    with_subjects({"digits-mlp"}, {"digits-mlp"},
                  {{"operations", "of all lives together", 1000.0, 10000.0},
                   {"life", "operations of one life", 250.0, 500.0}});

constexpr const char* kKinds[] = {"identity", "effect",   "permission", "refusal",
                                  "residue",  "recovery", "ledger"};

Outcome run(const Cell& cell) {
  const Identity& identity = cell.identity();
  constexpr std::size_t kInputs = 3;
  const FuzzSubject subject{
      .build = identity.build,
      .fill = [&](const nn::Network&,
                  const Store& theta) { return copy_of(*identity.theta, theta); },
      .inputs = identity.probes.rows(0, kInputs)};
  const std::uint64_t operations = cell.settings().count("operations"),
                      life = std::max<std::uint64_t>(1, cell.settings().count("life"));
  FuzzResult all;
  for (std::uint64_t number = 0; all.operations < operations; ++number) {
    all += fuzz_life_cycle(subject, cell.rng().stream("e16/life").stream(number),
                           std::min(life, operations - all.operations));
  }
  Outcome outcome;
  const auto add = [&](const char* series, const char* quantity, std::uint64_t value) {
    outcome.points.push_back(
        cell.point(series, "", 0, quantity, static_cast<double>(value), identity.data));
  };
  add("all", "operations", all.operations);
  add("all", "allowed", all.allowed);
  add("all", "refused", all.refused);
  add("all", "crashes", all.crashes);
  add("all", "power-cuts", all.power_cuts);
  for (const char* kind : kKinds) {
    const auto found = all.violations.find(kind);
    add(kind, "violations", found == all.violations.end() ? 0 : found->second);
  }
  return outcome;
}

std::string fault(std::span<const Row> /*rows*/, std::span<const Point> points) {
  for (const Point& point : points) {
    if (point.study != "E16" || point.quantity != "violations" || point.value == 0) continue;
    return fmt::format("E16 seed {}: {:g} violations of {}", point.seed, point.value, point.series);
  }
  return "";
}

std::vector<Judgement> judge(const Evidence& evidence) {
  const char* statement = "over all operations nothing is violated";
  double operations = 0;
  for (const CurvePoint* curve : curves_like(evidence.curves, "E16", "all", "operations")) {
    for (const Point* p : curve->points) operations = operations + p->value;
  }
  if (operations == 0) return {open_for(statement, "this run has no operations")};
  Tally holds(statement, "kinds and runs");
  add_equal(holds, curves_like(evidence.curves, "E16", "", "violations"), 0);
  return {holds.judgement()};
}

}  // namespace

extern const Study kLifeCycle = {
    "E16",
    "life-cycle",
    "governance",
    "does any order of operations reach the identity, or make the runtime report what is not so",
    "holds if over all operations and seeds nothing is violated",
    kKnobs,
    run,
    judge,
    fault};

}  // namespace palinode::experiments
