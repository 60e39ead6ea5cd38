// What a study is, what it yields, and the list of all studies.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/results/judgement.h"
#include "experiments/results/point.h"
#include "experiments/results/row.h"
#include "experiments/studies/knobs.h"
#include "experiments/subjects/subjects.h"
#include "rbl/certificate.h"

namespace palinode::experiments {

// What a cell found, in a fixed order.
struct Outcome {
  std::vector<Row> rows;
  std::vector<Point> points;
  std::optional<rbl::Certificate> certificate;

  void add(std::vector<Row> more) {
    for (Row& row : more) rows.push_back(std::move(row));
  }
};

struct Study;

// The unit of work: one study on one model with one seed. It depends on nothing else, so cells run
// in any order, on any number of threads and processes.
class Cell {
 public:
  Cell(const Study& study, const Settings& settings, std::string model, std::uint64_t seed,
       Subjects& subjects)
      : study_(&study),
        settings_(&settings),
        model_(std::move(model)),
        seed_(seed),
        subjects_(&subjects) {}

  const Study& study() const { return *study_; }
  const Settings& settings() const { return *settings_; }
  const std::string& model() const { return model_; }
  std::uint64_t seed() const { return seed_; }
  Rng rng() const { return Rng(seed_); }
  const Options& options() const { return subjects_->options(); }
  // The frozen identity of this model and seed, or of another model with this seed.
  const Identity& identity() const { return subjects_->get(model_, seed_); }
  const Identity& identity(std::string_view model) const { return subjects_->get(model, seed_); }
  // A point of this cell; `data` is the identity's, or what a study says.
  Point point(std::string series, std::string variable, double at, std::string quantity,
              double value, std::string data) const;

 private:
  const Study* study_;
  const Settings* settings_;
  std::string model_;
  std::uint64_t seed_;
  Subjects* subjects_;
};

// What a study is judged by: groups and curves of the whole run, for a rule may compare with
// another study's, and the settings it ran with.
struct Evidence {
  std::span<const Group> groups;
  std::span<const CurvePoint> curves;
  const Settings& settings;
};

struct Study {
  std::string_view id;        // "E4"
  std::string_view name;      // "fine-tuning"
  std::string_view object;    // what of the paper it reproduces
  std::string_view question;  // what it asks
  std::string_view rule;      // the verdict rule, written before the run
  std::vector<Knob> knobs;
  Outcome (*run)(const Cell& cell);
  // The rule as code: a verdict on each of its statements, open where this run lacks the data.
  std::vector<Judgement> (*judge)(const Evidence& evidence);
  // What is wrong with the outcome as an instrument's check, or nothing; none for a study that has
  // no such check.
  std::string (*fault)(std::span<const Row> rows, std::span<const Point> points) = nullptr;
};

std::span<const Study> studies();  // in the order of their numbers

// The study's verdicts, with its id.
std::vector<Judgement> judge(const Study& study, const Evidence& evidence);

// By id or name, in any case. Throws NameError listing the studies.
const Study& find_study(std::string_view id_or_name);

// Which unload (R17) did not bring every bit back, or nothing.
std::string unload_fault(std::span<const Row> rows);

}  // namespace palinode::experiments
