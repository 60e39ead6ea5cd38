// The results as one page (like the report's) and as docs/precision.md's tables.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace palinode::experiments::precision {

// Everything the page needs is in it: plots of precision against speed for each function, of errors
// against the condition of a sum, and a table beside each. Works from the JSON alone.
std::string render_page(const nlohmann::ordered_json& results);

// The tables of the page as Markdown, with the machine before them.
std::string render_markdown(const nlohmann::ordered_json& results);

}  // namespace palinode::experiments::precision
