// The graph of a value, for reading and drawing: what each operation made, from what, how large it
// is and where gradients flow.
#pragma once

#include <cstdint>
#include <string>

#include "autograd/tape.h"

namespace palinode {

// A table; Graphviz's language (`dot -Tsvg`); Mermaid's flowchart, which Markdown pages draw.
enum class Format : std::uint8_t { kText, kDot, kMermaid };

// All nodes of the tape that `y` depends on, in the order in which they were recorded: the name of
// the operation or parameter, shape, type, bytes of the value (none of a view, whose memory is that
// of its operand) and of what is kept for the backward pass, operands, and whether a gradient
// reaches it; then the totals. A checkpoint is one node, whatever it does inside. The same graph
// gives the same text.
std::string explain(Var y, Format format = Format::kText);

}  // namespace palinode
