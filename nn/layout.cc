#include "nn/layout.h"

#include "tensor/error.h"

namespace palinode::nn {

Shape shape_in_file(const Parameter& parameter) {
  const Shape& s = parameter.shape;
  switch (parameter.layout) {
    case Layout::kSame:
      return s;
    case Layout::kLinear:
      return {s[1], s[0]};
    case Layout::kConv:
      return {s[3], s[2], s[0], s[1]};
  }
  PALINODE_ASSERT(false);
}

Tensor to_file(const Tensor& value, Layout layout) {
  switch (layout) {
    case Layout::kSame:
      return value;
    case Layout::kLinear:
      return value.transpose().compact();
    case Layout::kConv:
      return value.permute({3, 2, 0, 1}).compact();
  }
  PALINODE_ASSERT(false);
}

Tensor from_file(const Tensor& value, Layout layout) {
  switch (layout) {
    case Layout::kSame:
      return value;
    case Layout::kLinear:
      return value.transpose().compact();
    case Layout::kConv:
      return value.permute({2, 3, 1, 0}).compact();
  }
  PALINODE_ASSERT(false);
}

}  // namespace palinode::nn
