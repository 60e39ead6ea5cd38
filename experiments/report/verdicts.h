// Verdicts: of the claims and of the studies.
#pragma once

#include <string>

#include "experiments/report/html.h"

namespace palinode::experiments::report {

// "supported", "refuted" and "open", each in its color.
std::string verdict_chip(const std::string& verdict);

// The statements of a study's rule with their verdicts, "" if there are none.
std::string judgement_table(const Json& judgements, const std::string& study);

}  // namespace palinode::experiments::report
