// npy files: one array, as numpy.save writes it.
//
//   "\x93NUMPY", version (two bytes), header length (u16 in version 1.0, u32 in 2.0, little-endian)
//   header     {'descr': '<f4', 'fortran_order': False, 'shape': (64, 10), }, spaces, newline
//   data       the values, row-major or, in Fortran order, column-major
//
// Source: NumPy's description of the format, numpy.lib.format.
//
// Reads versions 1.0 and 2.0 in both orders. f32, f64, i32 and f16 are '<f4', '<f8', '<i4' and
// '<f2'; other types are refused by name, and so is a header beyond 65,535 bytes, a key that is
// repeated, missing or unknown, and data that are not exactly those of the shape. Nothing is
// allocated before the size of the file has been found to fit.
#pragma once

#include <string>
#include <string_view>

#include "tensor/tensor.h"

namespace palinode {

// Throw FormatError naming the file and the place; the second reads a file that is in memory, of
// this name in messages. The tensor is row-major whatever the order in the file.
Tensor read_npy(const std::string& path);
Tensor parse_npy(std::string_view bytes, const std::string& name);

// Version 1.0, row-major, the header padded so that the data begin at a multiple of 64 bytes. The
// file is replaced whole or not at all (tensor/file.h). Throws DtypeError for bf16, which NumPy
// does not have; EnvironmentError if the file cannot be written. The second gives the bytes of the
// file.
void write_npy(const std::string& path, const Tensor& tensor);
std::string npy_bytes(const Tensor& tensor);

}  // namespace palinode
