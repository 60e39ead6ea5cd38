// The paper's figures as marks of their own in the plots of what was measured here. The figures are
// those of results/paper.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "experiments/report/curves.h"
#include "experiments/report/html.h"

namespace palinode::experiments::report {

struct PaperMark {
  double at = 0, y = 0;  // its place in the plot
  std::string series;    // of the legend: "paper, 1.5B"
  std::string figure;    // as printed in the paper
  std::string note;      // what it is, and how it differs
};

// Of the plot of a divergence ("kl_adapt" or "js_adapt") against the intensity: both models.
std::vector<PaperMark> paper_intensities(const std::string& metric);

// Of E0's entropy, E2's KL against the share eliminated and E9's RF against the parameters; none of
// other curves.
std::vector<PaperMark> paper_marks(const CurveSet& set);

// The paper's RF of what a group of the ladder did, where the paper has one: R0 after noise (E3)
// and after fine-tuning (E4), and the unload (E4).
std::vector<PaperMark> paper_recoverability(const Json& group);

// A layer of a plot, with a legend under it. `x` and `y` are the encodings of the plot; the marks'
// places go to their fields.
Json paper_layer(const std::vector<PaperMark>& marks, const Json& x, const Json& y);

}  // namespace palinode::experiments::report
