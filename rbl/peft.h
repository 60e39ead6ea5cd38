// LoRA and DoRA adapters in the format of Hugging Face's PEFT: a folder with adapter_config.json
// (peft_config.h) and adapter_model.safetensors, whose tensors are
//   base_model.model.<module>.lora_A.weight           [rank, in]
//   base_model.model.<module>.lora_B.weight           [out, rank]
//   base_model.model.<module>.lora_magnitude_vector   [out], of a DoRA
// (src/peft/utils/save_and_load.py and src/peft/tuners/lora in huggingface/peft).
//
// A unit has one rank and one scaling, and our attention packs queries, keys and values into one
// site. Modules of several ranks, and modules that are parts of a site, are put together exactly:
// their factors A side by side, their factors B on the diagonal of blocks, the rest zeros. Scalings
// may differ by powers of two, which go into B without rounding; others are refused.
//
// PEFT keeps the magnitude m of a DoRA column, a unit its difference d from |W|. Export gives the m
// that the unit computes with. Import looks for a d with |W| + d = m; there is one unless m is
// below |W| / 2 and has digits that |W| + d cannot hold: then d is the nearest, and
// PeftAdapter::magnitude_error says how far off m is.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "rbl/behavior_file.h"
#include "rbl/peft_names.h"

namespace palinode::rbl {

struct PeftAdapter {
  BehaviorConfig config;
  std::map<std::string, Tensor> values;  // phi's, by name
  double magnitude_error = 0;            // the largest |(|W| + d) - m|
  std::map<std::string, std::string> notes;
};

// 16-bit values widen to those of the identity, which loses nothing, and a note says so. Throws
// FormatError naming the file for a field or tensor that is missing, extra, of another shape or
// type, or that this cannot represent.
PeftAdapter read_peft(const std::string& folder, const nn::Network& identity,
                      PeftNames names = PeftNames::kOwn);

// Opens the store `name` and commits the adapter's values to it: reason load. PEFT records no
// fingerprint of the base model; one that we wrote does, and another identity is then refused
// (FormatError), or recorded, as load_behavior does.
LoadedBehavior load_peft(Ledger& ledger, const nn::Network& identity, const std::string& folder,
                         const std::string& name = "phi", PeftNames names = PeftNames::kOwn,
                         OtherIdentity other = OtherIdentity::kRefuse);

// Writes the folder, under our own names of the layers. The record's notes `peft.FIELD` become
// fields again. Throws NameError for a unit that is neither lora nor dora, EnvironmentError if the
// folder cannot be written.
void save_peft(const std::string& folder, const Behavior& unit, const BehaviorRecord& record);

}  // namespace palinode::rbl
