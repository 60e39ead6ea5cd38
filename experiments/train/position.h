// A position as the notes of a checkpoint.
#pragma once

#include <string>

#include "experiments/train/trainer.h"
#include "tensor/checkpoint.h"

namespace palinode::experiments::train {

// "position": step, step of the best look, looks since; "last" and "best": loss, accuracy, labels,
// bytes. Numbers are written so that they are read back as they were.
Notes notes_of(const Position& position);

// Throws FormatError naming `path` for notes of another form.
Position position_of(const Notes& notes, const std::string& path);

}  // namespace palinode::experiments::train
