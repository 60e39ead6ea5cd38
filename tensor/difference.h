// The difference of two versions of a value, as a journal keeps it: from one of them it gives the
// other, bit for bit.
//
// The words of both are combined by exclusive or. Then all their lowest bytes come first, then all
// of the next, and so on to those with sign and exponent, which hardly change in a step of training
// and are nearly free; each of these planes is a block of its own in one zstd frame. A difference
// that zstd cannot make smaller is kept as it is: it has as many bytes as the value.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "tensor/pool.h"
#include "tensor/tensor.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace palinode {

class DifferenceEncoder {
 public:
  DifferenceEncoder();
  // Appends the difference of two tensors of one shape and dtype to `out` and returns its bytes.
  std::size_t append(const Tensor& before, const Tensor& after, PoolVector<char>& out);

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
};

class DifferenceDecoder {
 public:
  DifferenceDecoder();
  // The other version. Throws FormatError saying what is wrong with a difference that is not one of
  // a value of this shape and dtype.
  Tensor apply(std::string_view difference, const Tensor& value);

 private:
  struct Free {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_DCtx_s, Free> context_;
};

}  // namespace palinode
