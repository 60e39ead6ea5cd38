#include "rbl/manifest.h"

#include <fmt/format.h>

namespace palinode::rbl {

std::string manifest(const Metadata& metadata) {
  std::string text = "palinode behavior manifest 1\n";
  for (const auto& [key, value] : metadata) {
    if (key == kManifest || key == kSignature || key == kPublicKey) continue;
    text += fmt::format("{} {}\n{}\n", key, value.size(), value);
  }
  return text;
}

std::string manifest_digest(const Metadata& metadata) { return hex(sha256(manifest(metadata))); }

}  // namespace palinode::rbl
