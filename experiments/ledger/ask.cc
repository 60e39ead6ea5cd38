// `palinode ledger why` and `report`.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "experiments/ledger/command.h"
#include "experiments/usage_error.h"
#include "tensor/ledger_history.h"
#include "tensor/ledger_report.h"

namespace palinode::experiments::ledger {
namespace {

using nlohmann::ordered_json;

Element element_of(const std::string& text) {
  try {
    return parse_element(text);
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
}

// A value of an element, or that there is none.
std::string shown(const ElementWrite& write, std::uint64_t word, bool is_there) {
  if (!is_there) return "nothing";
  return fmt::format("{} ({})", decimal(write.dtype, word), hexadecimal(write.dtype, word));
}

std::string element_line(const ElementWrite& write) {
  const Record& record = write.record;
  const std::string before = shown(write, write.before, !record.created());
  const std::string after = shown(write, write.after, !record.removed);
  return fmt::format("{:>8}  {:<8} by {} step {}  {}{}\n", record.seq, record.reason,
                     record.proposer, record.step, before,
                     before == after ? "  unchanged" : " -> " + after);
}

std::string tensor_line(const Record& record) {
  return fmt::format("{:>8}  {:<8} by {} step {}  {} of {} changed, at most {:.4g}, l2 {:.4g}{}\n",
                     record.seq, record.reason, record.proposer, record.step, record.changed,
                     record.elements, record.max_abs, record.l2, record.removed ? "  removed" : "");
}

ordered_json json_of(const ElementWrite& write, bool element) {
  const Record& record = write.record;
  ordered_json j = {
      {"seq", record.seq},       {"store", record.store},       {"name", record.name},
      {"reason", record.reason}, {"by", record.proposer},       {"seed", record.seed},
      {"step", record.step},     {"elements", record.elements}, {"changed", record.changed}};
  if (!element) return j;
  const auto word = [&](std::uint64_t bits, bool is_there) -> ordered_json {
    if (!is_there) return nullptr;
    return {{"value", decimal(write.dtype, bits)}, {"bits", hexadecimal(write.dtype, bits)}};
  };
  j["before"] = word(write.before, !record.created());
  j["after"] = word(write.after, !record.removed);
  return j;
}

bool changed(const ElementWrite& write, bool element) {
  if (!element) return write.record.changed > 0;
  return write.before != write.after || write.record.created() || write.record.removed;
}

ordered_json json_of(const Operation& operation) {
  ordered_json j = {{"reason", operation.reason},         {"by", operation.proposer},
                    {"first", operation.first},           {"last", operation.last},
                    {"first_step", operation.first_step}, {"last_step", operation.last_step},
                    {"changes", ordered_json::array()},   {"unchanged", operation.unchanged}};
  for (const TensorChange& change : operation.changes) {
    ordered_json each = {
        {"store", change.store},   {"name", change.name},       {"elements", change.elements},
        {"writes", change.writes}, {"changed", change.changed}, {"max_abs", change.max_abs},
        {"l2", change.l2},         {"removed", change.removed}};
    if (change.net) {
      each["net"] = {{"changed", change.net->elements_changed},
                     {"max_abs", change.net->max_abs},
                     {"l2", change.net->l2}};
    }
    j["changes"].push_back(std::move(each));
  }
  return j;
}

std::string text_of(const TensorChange& change) {
  std::string line =
      fmt::format("  {:<28} {:>6} write{}  {:>9} of {} changed  at most {:.4g}  l2 {:.4g}",
                  change.store + "/" + change.name, change.writes, change.writes == 1 ? " " : "s",
                  change.changed, change.writes * change.elements, change.max_abs, change.l2);
  if (change.net) {
    line += fmt::format("  net: {} of {}, at most {:.4g}, l2 {:.4g}", change.net->elements_changed,
                        change.elements, change.net->max_abs, change.net->l2);
  }
  return line + (change.removed ? "  removed\n" : change.created ? "  created\n" : "\n");
}

std::string text_of(const Operation& operation) {
  if (operation.reason == "freeze") {
    return fmt::format("{} freeze of {}\n", operation.first, operation.proposer);
  }
  std::string text =
      fmt::format("{} to {}  {} by {}, steps {} to {}\n", operation.first, operation.last,
                  operation.reason, operation.proposer, operation.first_step, operation.last_step);
  for (const TensorChange& change : operation.changes) text += text_of(change);
  std::string names;
  for (const std::string& name : operation.unchanged) names += " " + name;
  return text + fmt::format("  not changed:{}\n", names.empty() ? " none" : names);
}

}  // namespace

int why(const WhyOptions& options) {
  const Element element = element_of(options.element);
  const History history = history_of(options.source.file(), element, options.source.journal);
  const bool knows = history.journaled && !element.places.empty();
  ordered_json all = ordered_json::array();
  std::uint64_t shown = 0;
  for (const ElementWrite& write : history.writes) {
    if (options.changed && !changed(write, knows)) continue;
    ++shown;
    if (options.json) {
      all.push_back(json_of(write, knows));
    } else {
      print(knows ? element_line(write) : tensor_line(write.record));
    }
  }
  if (options.json) {
    print(all.dump(1) + "\n");
  } else {
    print(fmt::format("{}/{}: {} write{}\n", history.store, history.name, shown,
                      shown == 1 ? "" : "s"));
  }
  if (!knows && !element.places.empty()) {
    fmt::print(stderr,
               "palinode: these are the writes to the whole tensor; what became of one element "
               "needs a ledger of the level journal\n");
  }
  return kDone;
}

int report(const ReportOptions& options) {
  const std::vector<Operation> operations =
      report_ledger(options.source.file(), options.commits ? Grouping::kCommits : Grouping::kRuns,
                    options.source.journal);
  ordered_json all = ordered_json::array();
  for (const Operation& operation : operations) {
    if (options.json) {
      all.push_back(json_of(operation));
    } else {
      print(text_of(operation));
    }
  }
  if (options.json) print(all.dump(1) + "\n");
  return kDone;
}

}  // namespace palinode::experiments::ledger
