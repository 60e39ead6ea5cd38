#include "rbl/kinds/kinds.h"

namespace palinode::rbl::kinds {

std::vector<std::string> matrices(const nn::Network& identity) { return identity.sites(); }

// A weight with as many axes as a matrix or a convolution has belongs to a layer of its name; the
// tables of an embedding are read by no layer.
std::vector<std::string> layers(const nn::Network& identity) {
  std::vector<std::string> names;
  for (const nn::Parameter& each : identity.parameters()) {
    if (each.layout == nn::Layout::kSame || each.store != &identity.store()) continue;
    names.push_back(each.name.substr(0, each.name.rfind('.')));
  }
  return names;
}

std::vector<std::string> attentions(const nn::Network& identity) {
  std::vector<std::string> names;
  for (const nn::AttentionSite& site : identity.attentions()) names.push_back(site.name);
  return names;
}

std::vector<std::string> prompts(const nn::Network& identity) {
  if (identity.embedding_width() == 0) return {};
  return {"tokens"};
}

std::vector<std::string> vectors(const nn::Network& identity) {
  std::vector<std::string> names;
  for (const nn::Parameter& each : identity.parameters()) {
    if (each.store == &identity.store() && each.shape.rank() == 1) names.push_back(each.name);
  }
  return names;
}

std::vector<std::string> tensors(const nn::Network& identity) {
  std::vector<std::string> names;
  for (const nn::Parameter& each : identity.parameters()) {
    if (each.store == &identity.store()) names.push_back(each.name);
  }
  return names;
}

}  // namespace palinode::rbl::kinds
