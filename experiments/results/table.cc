// The terminal's view of a result.
#include <fmt/format.h>

#include "experiments/suite/suite.h"

namespace palinode::experiments {
namespace {

std::string paint(std::string_view text, std::string_view code, bool color) {
  return color ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

std::string_view verdict_color(std::string_view verdict) {
  if (verdict == "exact") return "32";
  if (verdict == "function, not bits" || verdict == "partial") return "33";
  return verdict == "nothing" || verdict == "worse" ? "31" : "2";
}

// Exact zeros and ones stay recognizable: they are findings, not roundings.
std::string figure(double x) {
  if (x == 0) return "0";
  return std::abs(x) >= 0.001 && std::abs(x) < 1e5 ? fmt::format("{:.4f}", x)
                                                   : fmt::format("{:.2e}", x);
}

// A figure with its interval; one that is 1 but for rounding as what is missing to 1.
std::string interval_text(const Summary& rf) {
  if (rf.lo == rf.hi) return fmt::format("{:g}", rf.mean);
  const bool near_one = rf.lo > 0.999 && rf.hi <= 1;
  if (near_one) return fmt::format("1 - {:.1e}", 1 - rf.mean);
  const auto show = [&rf](const char* format) {
    return fmt::format(fmt::runtime(format), rf.mean, rf.lo, rf.hi);
  };
  const double size = std::abs(rf.mean);
  return show(size < 0.1   ? "{0:.3g} [{1:.3g}, {2:.3g}]"
              : size < 100 ? "{0:.3f} [{1:.3f}, {2:.3f}]"
              : size < 1e5 ? "{0:.0f} [{1:.0f}, {2:.0f}]"
                           : "{0:.0e} [{1:.0e}, {2:.0e}]");
}

std::string recoverability_text(const Group& group) {
  return group.rf ? interval_text(*group.rf) : std::string(rbl::state_name(group.rf_state));
}

std::string share_text(double share) {
  return share == 0 ? "0" : fmt::format("{:.1f} %", 100 * share);
}

std::string group_line(const Group& group, bool color) {
  const Row& row = group.first();
  const std::string mechanism =
      row.alpha ? fmt::format("{} {:.3g}", row.mechanism, *row.alpha) : row.mechanism;
  const std::string arm =
      row.variant.empty() ? row.rollback : fmt::format("{} {}", row.rollback, row.variant);
  const std::string plain = fmt::format(
      "{:<5} {:<19} {:<5} {:<21} {:<16} {:>9} {:>9}  {:<24} {:>9}  ", row.study, row.model,
      row.locus, mechanism, arm, figure(group.kl_adapt.mean), figure(group.kl_rec.mean),
      recoverability_text(group), share_text(group.words_changed_share.mean));
  return plain + paint(group.verdict, verdict_color(group.verdict), color) + "\n";
}

std::string_view verdict_color(Verdict verdict) {
  return verdict == Verdict::kSupported ? "32" : verdict == Verdict::kRefuted ? "31" : "33";
}

std::string claim_line(const Claim& claim, bool color) {
  std::string figure_text = claim.rule;
  if (claim.figure) {
    const double figure = *claim.figure;
    figure_text = fmt::format(
        "{}: {}", claim.figure_is,
        interval_text({figure, figure, claim.lo.value_or(figure), claim.hi.value_or(figure)}));
  }
  const std::string again =
      claim.command.empty() ? "" : fmt::format("               {}\n", claim.command);
  return fmt::format(
      "{:<4} {} {}\n               {}\n{}", claim.id,
      paint(fmt::format("{:<9}", verdict_name(claim.verdict)), verdict_color(claim.verdict), color),
      claim.claim, figure_text, again);
}

std::string judgement_line(const Judgement& judgement, bool color) {
  const std::string count = count_text(judgement);
  return fmt::format("{:<4} {} {}{}\n", judgement.study,
                     paint(fmt::format("{:<9}", verdict_name(judgement.verdict)),
                           verdict_color(judgement.verdict), color),
                     judgement.statement, count.empty() ? "" : " (" + count + ")");
}

std::string digest_text(const SuiteResult& result, bool color) {
  if (!result.outside_contract.empty()) {
    return paint("digests not compared: " + result.outside_contract, "33", color) + "\n";
  }
  std::size_t published = 0, matching = 0;
  std::string lines;
  for (const auto& [study, check] : result.digests) {
    if (!check.published) continue;
    ++published;
    if (!check.mismatch()) {
      ++matching;
      continue;
    }
    lines +=
        fmt::format("  {}: computed {}, published {}\n", study, check.computed, *check.published);
  }
  if (published < result.digests.size()) {
    lines += fmt::format(
        "digests: {} of {} studies are not the published run, so their digests have nothing to "
        "match\n",
        result.digests.size() - published, result.digests.size());
  }
  if (published == 0) return lines;
  return lines +
         paint(fmt::format("digests: {}/{} match", matching, published),
               matching == published ? "32" : "31", color) +
         "\n";
}

}  // namespace

std::string results_text(const SuiteResult& result, bool color) {
  std::string text = fmt::format(
      "Means over seeds; D is KL in nats from the identity; RF = 1 - D_rec / D_adapt with its 95 % "
      "interval.\n\n{:<5} {:<19} {:<5} {:<21} {:<16} {:>9} {:>9}  {:<24} {:>9}  verdict\n",
      "study", "model", "locus", "mechanism", "arm", "D_adapt", "D_rec", "RF", "words");
  for (const Group& group : result.groups) text += group_line(group, color);
  text += "\nClaims of the paper:\n";
  for (const Claim& claim : result.claims) text += claim_line(claim, color);
  text += "\nThe studies, by their rules (what decides: palinode findings, report.html):\n";
  for (const Judgement& judgement : result.judgements) text += judgement_line(judgement, color);
  text += "\n";
  if (result.certificate) text += to_text(*result.certificate) + "\n";
  for (const std::string& fault : result.faults) {
    text += paint("check of the instruments failed: " + fault, "31", color) + "\n";
  }
  if (!result.unload_fault.empty()) {
    text += paint("unload not exact: " + result.unload_fault, "31", color) + "\n";
  }
  if (result.ledger.records > 0) {
    text += fmt::format("ledger:  {} records, head {}\n", result.ledger.records,
                        hex(result.ledger.head));
  }
  return text + digest_text(result, color);
}

}  // namespace palinode::experiments
