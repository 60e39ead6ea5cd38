// Findings: what the data support, refute and leave open, as a Markdown page made of results.json
// and nothing else.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace palinode::experiments {

// results is the object of results.json. The page has the claim ledger, the paper's tables beside
// ours, each study's rule with its rollbacks and its curves, and what the scale of the studies
// limits. The same results give the same bytes. Throws FormatError if results is not an object of
// this schema.
std::string render_findings(const nlohmann::ordered_json& results);

}  // namespace palinode::experiments
