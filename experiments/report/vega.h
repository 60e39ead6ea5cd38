// Pieces that the Vega-Lite specifications share.
#pragma once

#include <initializer_list>
#include <utility>

#include "experiments/report/html.h"

namespace palinode::experiments::report {

// The fields a mark shows when pointed at, as they are.
Json tooltip(std::initializer_list<const char*> fields);

// Color by locus; the page's script sets the two colors.
Json locus_color();

// Two on a wide screen, one on a phone, where names would run out of the plot.
Json legend_columns();

// base with some of its keys set anew.
Json with(Json base, std::initializer_list<std::pair<const char*, Json>> changes);

}  // namespace palinode::experiments::report
