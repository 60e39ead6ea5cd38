// The plots of the report as Vega-Lite specifications, and the order in which groups are shown.
#pragma once

#include <string>
#include <vector>

#include "experiments/report/html.h"

namespace palinode::experiments::report {

// The groups of one study on one model and data set: one plot each.
struct Panel {
  std::string study, model, data;
  std::vector<Json> groups;  // by mechanism as first seen, intensity, locus, rollback
};

// Panels in the order in which they first appear.
std::vector<Panel> panels(const Json& groups);

// The groups of a panel that have an intensity, one for each (locus, mechanism, intensity): what
// was done before any rollback does not depend on the rollback.
std::vector<Json> intensities(const Panel& panel);

// "R12" with its name, "R12 noise regenerated"; an unknown one stays as it is.
std::string rollback_title(const std::string& rollback);

// "noise on theta, alpha 0.01" in the plots' typography.
std::string mechanism_title(const Json& group);

// Mean recoverability factor and its interval, a line for each mechanism, intensity and rollback.
// Factors below -1 are drawn at -1 with an arrow and their value in words; undefined ones and those
// below the floor in words only.
Json ladder_spec(const Panel& panel);

// A divergence after adaptation against the intensity, both logarithmic; metric is "kl_adapt", or
// "js_adapt", which has its bound ln 2 drawn.
Json intensity_spec(const std::vector<Json>& groups, const std::string& metric);

}  // namespace palinode::experiments::report
