// LoRA: a low-rank behavior. At each of its sites the layer returns y + (alpha / rank) * (x A) B
// instead of y.
//   A [in, rank] starts uniform in (-1/sqrt(in), 1/sqrt(in)), B [rank, out] at zero, so a fresh
//   unit changes nothing (Hu et al., arXiv:2106.09685, section 4.1; the start of A as in PEFT).
#pragma once

#include <string>
#include <vector>

#include "nn/run.h"
#include "tensor/ledger.h"
#include "tensor/rng.h"

namespace palinode::rbl {

struct LoraConfig {
  std::vector<std::string> sites;  // layers of the identity, by name
  std::size_t rank = 4;
  double alpha = 8.0;
};

// phi of a frozen theta: reads `<site>.lora_A` and `<site>.lora_B` from its own store.
class Lora : public nn::Seam {
 public:
  // Takes each site's size from theta's `<site>.weight` [in, out]. Throws NameError for a site
  // theta lacks or a store without the role behavior, ShapeError for rank 0.
  Lora(const Store& phi, const Store& theta, const LoraConfig& config);

  Proposal init(const Rng& rng) const;
  Var at(nn::Run& run, std::string_view name, Var input, Var output) const override;
  Sha256Digest key() const override;

  const Store& phi() const { return *phi_; }

 private:
  struct Site {
    std::string name, a, b;
    std::size_t in, out;
  };

  const Store* phi_;
  std::vector<Site> sites_;
  std::size_t rank_;
  double scaling_;
  Dtype dtype_ = Dtype::kF32;
};

}  // namespace palinode::rbl
