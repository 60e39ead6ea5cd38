// Images and their classes.
#pragma once

#include "experiments/data_sets/data_set.h"
#include "experiments/train/task.h"

namespace palinode::experiments::train {

// `data.validation` images are held out of the training set, the last ones of its permutation by
// stream "validation"; without any the validation set is the test set.
Task image_task(const Config& config, const DataSet& set);

// Images x f32 [n, h, w, c], each moved by (dy, dx) pixels, where the places that come free are 0:
// image i of batch b moves by below(2 j, 2 most + 1) - most down and below(2 j + 1, ...) - most to
// the right, j = n b + i.
Tensor shifted(const Tensor& x, const Rng& stream, std::uint64_t batch, std::uint64_t most);

}  // namespace palinode::experiments::train
