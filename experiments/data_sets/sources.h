// The rows of the table of data sets, one file a source.
#pragma once

#include "experiments/data_sets/data_set.h"

namespace palinode::experiments {

extern const DataSet kDigits, kFashionMnist, kMnist;  // images
extern const DataSet kAusten, kKjv, kDevil;           // texts

}  // namespace palinode::experiments
