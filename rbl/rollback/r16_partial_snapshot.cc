// R16: a part of theta is kept, what changed most, and put back: safety alignment was found to come
// back with few weights (arXiv:2504.09757).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "rbl/rollback/arms.h"
#include "rbl/rollback/values.h"
#include "rbl/rollback/words.h"
#include "tensor/error.h"
#include "tensor/kernels/change.h"

namespace palinode::rbl {
namespace {

struct Moved {
  double size;
  std::uint32_t entry, element;
};

// The largest first; equal ones in the order of the store.
void sort_by_size(std::vector<Moved>& moved) {
  std::ranges::stable_sort(moved, [](const Moved& a, const Moved& b) { return a.size > b.size; });
}

class Partial : public Rollback {
 public:
  Partial(double share, Grain grain) : Rollback("R16"), share_(share), grain_(grain) {
    if (share >= 0 && share <= 1) return;
    throw Error(fmt::format("R16: the share is between 0 and 1, got {}", share));
  }

  std::string variant() const override {
    return fmt::format("{}-{:g}", grain_ == Grain::kElement ? "elements" : "tensors", share_);
  }

  void before(const Store& theta) override { origin_ = values_of(theta); }

  void after(const Store& theta) override {
    tensors_.clear();
    words_.clear();
    const auto budget =
        static_cast<std::size_t>(std::nearbyint(share_ * static_cast<double>(theta.elements())));
    if (grain_ == Grain::kElement) {
      keep_elements(values_of(theta), budget);
    } else {
      keep_tensors(values_of(theta), budget);
    }
    origin_.clear();
  }

  // A word is kept with its index (4 bytes) in its parameter, whose number is kept once.
  std::uint64_t bytes_kept() const override {
    std::uint64_t bytes = 0;
    for (const auto& [entry, value] : tensors_) bytes += sizeof entry + value.bytes();
    for (const auto& [entry, words] : words_) bytes += sizeof entry + words.bytes();
    return bytes;
  }

 protected:
  void roll_back(Subject& subject) override {
    const Store& theta = subject.theta();
    Values values = values_of(theta);
    for (const auto& [entry, value] : tensors_) values.at(entry) = value;
    for (const auto& [entry, words] : words_) values.at(entry) = patched(values.at(entry), words);
    subject.ledger().commit(replace(theta, values, Reason::kRestore, "partial-snapshot"));
  }

 private:
  void keep_elements(const Values& now, std::size_t budget) {
    std::vector<Moved> moved;
    for (std::uint32_t e = 0; e < now.size(); ++e) {
      with_float(now[e].dtype(), "R16", [&]<class T>() {
        const std::span<const T> a = origin_[e].values<T>(), b = now[e].values<T>();
        for (std::uint32_t i = 0; i < a.size(); ++i) {
          moved.push_back({std::abs(static_cast<double>(b[i]) - static_cast<double>(a[i])), e, i});
        }
      });
    }
    sort_by_size(moved);
    std::map<std::uint32_t, std::vector<std::uint32_t>> chosen;
    for (std::size_t k = 0; k < budget; ++k) chosen[moved[k].entry].push_back(moved[k].element);
    for (auto& [entry, index] : chosen) {
      std::ranges::sort(index);
      words_[entry] = pick(origin_[entry], std::move(index));
    }
  }

  void keep_tensors(const Values& now, std::size_t budget) {
    std::vector<Moved> moved;
    for (std::uint32_t e = 0; e < now.size(); ++e) {
      const double l2 = with_float(now[e].dtype(), "R16", [&]<class T>() {
        return kernels::change<T>(origin_[e].values<T>(), now[e].values<T>()).l2;
      });
      moved.push_back({l2 * l2 / static_cast<double>(now[e].elements()), e, 0});
    }
    sort_by_size(moved);
    for (const Moved& each : moved) {
      const Tensor& value = origin_[each.entry];
      if (value.elements() > budget) continue;
      budget -= value.elements();
      tensors_[each.entry] = value;
    }
  }

  double share_;
  Grain grain_;
  Values origin_;
  std::map<std::uint32_t, Tensor> tensors_;  // by place in the store
  std::map<std::uint32_t, Words> words_;
};

}  // namespace

std::unique_ptr<Rollback> partial_snapshot(double share, Grain grain) {
  return std::make_unique<Partial>(share, grain);
}

}  // namespace palinode::rbl
