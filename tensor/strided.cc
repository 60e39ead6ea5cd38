#include "tensor/strided.h"

#include <algorithm>
#include <cstring>

#include "tensor/parallel.h"

namespace palinode {
namespace {

constexpr std::size_t kTile = 16;                                // a cache line of f32
constexpr std::size_t kMinBytesPerRange = std::size_t{1} << 18;  // below, a thread costs more

struct Offsets {
  std::size_t from = 0, to = 0;
};

// Goes through the positions of some axes in row-major order, from position `index` on.
class Walk {
 public:
  Walk(const CopyAxes& axes, std::size_t index) : axes_(axes), position_(axes.size()) {
    for (std::size_t i = axes.size(); i-- > 0;) {
      position_[i] = index % axes[i].extent;
      index /= axes[i].extent;
      at_.from += position_[i] * axes[i].from;
      at_.to += position_[i] * axes[i].to;
    }
  }

  const Offsets& at() const { return at_; }

  void next() {
    for (std::size_t i = axes_.size(); i-- > 0;) {
      const CopyAxis& axis = axes_[i];
      at_.from += axis.from;
      at_.to += axis.to;
      if (++position_[i] < axis.extent) return;
      at_.from -= axis.from * axis.extent;
      at_.to -= axis.to * axis.extent;
      position_[i] = 0;
    }
  }

 private:
  const CopyAxes& axes_;
  InlineVector<std::size_t, Shape::kMaxRank> position_;
  Offsets at_;
};

std::size_t positions(const CopyAxes& axes) {
  std::size_t count = 1;
  for (const CopyAxis& axis : axes) count *= axis.extent;
  return count;
}

CopyAxes without(const CopyAxes& axes, std::size_t left_out) {
  CopyAxes rest;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    if (i != left_out) rest.push_back(axes[i]);
  }
  return rest;
}

void copy_runs(const CopyAxes& axes, std::size_t size, const std::byte* from, std::byte* to) {
  const CopyAxes outer = without(axes, axes.size() - 1);
  const std::size_t run = axes[axes.size() - 1].extent * size;
  parallel_for(positions(outer), kMinBytesPerRange / run + 1,
               [&](std::size_t begin, std::size_t end) {
                 Walk walk(outer, begin);
                 for (std::size_t i = begin; i < end; ++i, walk.next()) {
                   std::memcpy(to + walk.at().to * size, from + walk.at().from * size, run);
                 }
               });
}

// A part of a plane of at most kTile rows, all columns, in tiles, so that the lines of both arrays
// are used up while they are in the cache.
template <std::size_t kSize>
void copy_strip(const CopyAxis& rows, const CopyAxis& cols, const std::byte* from, std::byte* to) {
  for (std::size_t begin = 0; begin < cols.extent; begin += kTile) {
    const std::size_t end = std::min(begin + kTile, cols.extent);
    for (std::size_t i = 0; i < rows.extent; ++i) {
      for (std::size_t j = begin; j < end; ++j) {
        std::memcpy(to + (i * rows.to + j * cols.to) * kSize,
                    from + (i * rows.from + j * cols.from) * kSize, kSize);
      }
    }
  }
}

template <std::size_t kSize>
void copy_planes(const CopyAxes& axes, const std::byte* from, std::byte* to) {
  // The columns are the last axis, where `to` is dense; the rows the axis where `from` is.
  const CopyAxis cols = axes[axes.size() - 1];
  CopyAxes outer = without(axes, axes.size() - 1);
  const CopyAxis* const dense = std::ranges::find(outer, std::size_t{1}, &CopyAxis::from);
  CopyAxis rows = {1, 0, 0};
  if (dense != outer.end()) {
    rows = *dense;
    outer = without(outer, static_cast<std::size_t>(dense - outer.begin()));
  }
  const std::size_t strips = (rows.extent + kTile - 1) / kTile;
  const std::size_t strip_bytes = std::min(rows.extent, kTile) * cols.extent * kSize;
  parallel_for(positions(outer) * strips, kMinBytesPerRange / strip_bytes + 1,
               [&](std::size_t begin, std::size_t end) {
                 for (std::size_t i = begin; i < end; ++i) {
                   const Offsets at = Walk(outer, i / strips).at();
                   const std::size_t row = i % strips * kTile;
                   const CopyAxis strip = {std::min(kTile, rows.extent - row), rows.from, rows.to};
                   copy_strip<kSize>(strip, cols, from + (at.from + row * rows.from) * kSize,
                                     to + (at.to + row * rows.to) * kSize);
                 }
               });
}

}  // namespace

void add_axis(CopyAxes& axes, const CopyAxis& axis) {
  if (axis.extent == 1) return;
  if (!axes.empty()) {
    CopyAxis& outer = axes[axes.size() - 1];
    if (outer.from == axis.extent * axis.from && outer.to == axis.extent * axis.to) {
      outer = {outer.extent * axis.extent, axis.from, axis.to};
      return;
    }
  }
  axes.push_back(axis);
}

void copy_strided(const CopyAxes& axes, std::size_t size, const std::byte* from, std::byte* to) {
  if (axes.empty()) {
    std::memcpy(to, from, size);
    return;
  }
  const CopyAxis& inner = axes[axes.size() - 1];
  if (inner.from == 1 && inner.to == 1) return copy_runs(axes, size, from, to);
  switch (size) {
    case 2:
      return copy_planes<2>(axes, from, to);
    case 4:
      return copy_planes<4>(axes, from, to);
    case 8:
      return copy_planes<8>(axes, from, to);
    default:
      PALINODE_ASSERT(false);
  }
}

}  // namespace palinode
