#include <fmt/format.h>

#include <array>

#include "rbl/rollback/info.h"
#include "tensor/error.h"

namespace palinode::rbl {
namespace {

constexpr std::array<std::string_view, 10> kNeedNames = {
    "theta",   "journal",         "original-data", "outputs", "adaptation-data",
    "batches", "optimizer-state", "seed",          "phi",     "siblings"};

using enum Need;

constexpr std::array<ArmInfo, 19> kArms = {{
    {"R0", "none", {}, false, false, "theta' stays as it is: the paper's reset"},
    {"R1", "snapshot", {kTheta}, true, true, "a full copy of theta is put back"},
    {"R2", "journal", {kJournal}, true, true, "the XOR of each write is taken back"},
    {"R3", "delta", {kTheta}, true, false, "theta' - theta, rounded, is subtracted"},
    {"R4", "lossy-delta", {kTheta}, true, false, "the same difference, noisy or quantized"},
    {"R5",
     "estimated-delta",
     {kAdaptationData},
     true,
     false,
     "the adaptation is done once more from theta', and what it moved is subtracted"},
    {"R6", "fine-tune-back", {kOriginalData}, true, false, "theta' is trained on original data"},
    {"R7",
     "distil-back",
     {kOriginalData, kOutputs},
     true,
     false,
     "theta' is trained towards stored answers of f0"},
    {"R8",
     "gradient-ascent",
     {kAdaptationData},
     true,
     false,
     "the loss of the adaptation is climbed"},
    {"R9",
     "reverse-sgd",
     {kBatches},
     true,
     false,
     "steps of gradient descent are inverted, each by a fixed point"},
    {"R10",
     "reverse-momentum",
     {kBatches, kOptimizerState},
     true,
     false,
     "steps with momentum are inverted by algebra, or exactly with the lost bits"},
    {"R11",
     "reverse-adam",
     {kBatches, kOptimizerState},
     true,
     false,
     "steps of Adam are inverted by algebra, or exactly with the lost bits"},
    {"R12", "seeded-noise", {kSeed}, true, false, "noise is drawn again and subtracted"},
    {"R13",
     "anchored",
     {kTheta},
     false,
     false,
     "a penalty holds theta' near theta during the adaptation; nothing is undone"},
    {"R14", "unmerge", {kPhi}, true, false, "a merged behavior is subtracted"},
    {"R15",
     "siblings",
     {kSiblings},
     true,
     false,
     "theta is what several merged models have in common"},
    {"R16",
     "partial-snapshot",
     {kTheta},
     true,
     false,
     "the words or tensors that changed most are put back"},
    {"R17", "unload", {kPhi}, true, true, "phi is detached; theta was never written"},
    {"R18", "retrain", {kSeed, kOriginalData}, true, true, "theta is trained again from its seed"},
}};

}  // namespace

std::string_view need_name(Need need) { return kNeedNames.at(static_cast<std::size_t>(need)); }

std::string Needs::to_string() const {
  std::string text;
  for (std::size_t i = 0; i < kNeedNames.size(); ++i) {
    if (!contains(static_cast<Need>(i))) continue;
    if (!text.empty()) text += ", ";
    text += kNeedNames[i];
  }
  return text.empty() ? "nothing" : text;
}

std::span<const ArmInfo> arms() { return kArms; }

const ArmInfo& arm_info(std::string_view id) {
  for (const ArmInfo& arm : kArms) {
    if (arm.id == id) return arm;
  }
  throw NameError(fmt::format("rollback: the arms are R0 to R18, got \"{}\"", id));
}

}  // namespace palinode::rbl
