// NormStatistics: a behavior of BatchNorm statistics. Its layers use, and in train mode move,
// running means and variances of the behavior's own, so the statistics of a frozen identity stay
// what they are while the model adapts to other data (AdaBN: Li, Wang, Shi, Hou, Liu,
// arXiv:1603.04779). A fresh one holds the identity's and changes nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "nn/run.h"
#include "tensor/proposal.h"

namespace palinode::rbl {

class NormStatistics : public nn::Seam {
 public:
  // For these BatchNorm layers of the identity whose statistics `identity` holds; `own` takes
  // `<site>.running_mean` and `<site>.running_var`. Both outlive it. Throws NameError for a layer
  // that `identity` lacks, and unless `own` is another store with the role buffer.
  NormStatistics(const Store& own, const Store& identity, std::vector<std::string> sites);

  Proposal init() const;  // the identity's statistics
  const Store* buffers(std::string_view site) const override;
  Sha256Digest key() const override;

 private:
  const Store* own_;
  const Store* identity_;
  std::vector<std::string> sites_;
};

// The BatchNorm layers whose statistics a store holds, in the order of their creation.
std::vector<std::string> norm_sites(const Store& buffers);

}  // namespace palinode::rbl
