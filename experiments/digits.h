// The 1,797 handwritten 8x8 digits of the UCI optical digits set (experiments/data/README.md),
// embedded in the program.
#pragma once

#include <string>
#include <string_view>

#include "experiments/data_sets/labelled.h"
#include "tensor/tensor.h"

namespace palinode::experiments {

struct Digits {
  Labelled train, held_out;              // the identity's task: which digit is it
  Labelled shifted_train, shifted_test;  // the adaptation's: rotated images, permuted labels
  Tensor probes;                         // f32 [512, 64]: 256 training and 256 held-out inputs
  std::string digest;                    // SHA-256 of the rows as read
};

// Pixels 0..16 become x f32 [n, 64] as pixel / 8 - 1 (exact), classes y i32 [n], 0..9.
//
// Parses rows of 64 pixels and a label, comma-separated, plain or gzip. `name` is for messages.
// Throws FormatError with name and line for a wrong field count, a value out of range, a truncated
// stream, or fewer than 1,000 rows.
Labelled parse_digits(std::string_view bytes, const std::string& name);

// The embedded set, or a file of the same format. Throws FormatError if the file cannot be read.
Labelled embedded_digits();
Labelled read_digits(const std::string& path);

// Splits by a fixed permutation, the same for every seed: two thirds train, the rest is held out.
// The adaptation task takes every second training image and all held-out ones, turned 90 degrees
// clockwise, label (y + 3) mod 10.
Digits make_tasks(const Labelled& all);

}  // namespace palinode::experiments
