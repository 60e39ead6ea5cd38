// A page that carries everything it needs: a template with {{places}}, style, scripts and plots.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "experiments/report/html.h"

namespace palinode::experiments::report {

using Places = std::map<std::string, std::string, std::less<>>;

// The template with its places filled, in one pass, so that a value that looks like a place is not
// filled in turn. Every place must be there.
std::string fill(std::string_view page, const Places& places);

// The places style, vega, vega_lite, vega_embed, script, and policy: a content security policy that
// allows these and nothing else.
void add_assets(Places& places);

// The place of a plot; its specification goes to the place specs.
std::string chart(const std::string& id, const Json& spec, Places& places);

}  // namespace palinode::experiments::report
