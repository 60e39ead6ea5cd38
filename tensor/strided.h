// Strided arrays: how few axes describe one, and a copy from one to another.
#pragma once

#include <cstddef>

#include "tensor/inline_vector.h"
#include "tensor/shape.h"

namespace palinode {

// One axis of a copy: its extent, and the distances between neighbours in elements.
struct CopyAxis {
  std::size_t extent = 0;
  std::size_t from = 0;
  std::size_t to = 0;
};
using CopyAxes = InlineVector<CopyAxis, Shape::kMaxRank>;

// Adds an axis inside those there are: dropped if its extent is 1, and joined with the one before
// it if both arrays go through the two as through one long axis.
void add_axis(CopyAxes& axes, const CopyAxis& axis);

// Copies every element of an array, `size` bytes each, to its place in another that does not
// overlap it. Axes outermost first, built by add_axis; no extent is 0. Runs that both arrays keep
// together are copied whole, a transposition in square tiles; threads share the rest.
void copy_strided(const CopyAxes& axes, std::size_t size, const std::byte* from, std::byte* to);

}  // namespace palinode
