// The report: one HTML page that needs no network and runs no script but its own (enforced by the
// page's content security policy, which names the SHA-256 of each script). Tables carry every
// number and stand without scripts; the plots are Vega-Lite specifications written here.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace palinode::experiments {

// results is the object of results.json (schema 2). The same results give the same bytes. A missing
// or null figure is shown as missing, a recoverability that is undefined or below the floor as
// such, never as a number. Throws FormatError if results is not an object of schema 2.
std::string render_report(const nlohmann::json& results);

}  // namespace palinode::experiments
