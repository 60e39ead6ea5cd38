#include "experiments/subjects/subjects.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "tensor/error.h"

namespace palinode::experiments {

extern const std::vector<SubjectInfo> kDigitsSubjects, kDigitsBnSubjects, kImageSubjects,
    kTextSubjects, kByteSubjects, kDetectorSubjects;

std::span<const SubjectInfo> subject_infos() {
  static const std::vector<SubjectInfo> kAll = [] {
    std::vector<SubjectInfo> all;
    for (const std::vector<SubjectInfo>* part :
         {&kDigitsSubjects, &kDigitsBnSubjects, &kImageSubjects, &kTextSubjects, &kByteSubjects,
          &kDetectorSubjects}) {
      all.insert(all.end(), part->begin(), part->end());
    }
    return all;
  }();
  return kAll;
}

const SubjectInfo& subject_info(std::string_view name) {
  std::string known;
  for (const SubjectInfo& info : subject_infos()) {
    if (info.name == name) return info;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", info.name);
  }
  throw NameError(fmt::format("unknown model \"{}\"; there are {}", name, known));
}

bool is_subject(std::string_view name) {
  return std::ranges::find(subject_infos(), name, &SubjectInfo::name) != subject_infos().end();
}

std::string_view name_of(Scale scale) {
  constexpr std::string_view kNames[] = {"small", "medium", "large"};
  return kNames[static_cast<std::size_t>(scale)];
}

Scale scale_of(std::string_view name) {
  const auto found = std::ranges::find(subject_infos(), name, &SubjectInfo::name);
  return found == subject_infos().end() ? Scale::kSmall : found->scale;
}

const Identity& Subjects::get(std::string_view name, std::uint64_t seed) {
  const SubjectInfo& info = subject_info(name);
  Slot* slot = nullptr;
  {
    const std::scoped_lock lock(mutex_);
    slot = &slots_[{std::string(name), seed}];
  }
  std::call_once(slot->once, [&] { slot->identity = info.make(seed, options_); });
  return *slot->identity;
}

}  // namespace palinode::experiments
