#include "experiments/report/page.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

#include "experiments/embedded.h"
#include "tensor/digest.h"
#include "tensor/error.h"

namespace palinode::experiments::report {
namespace {

// Browsers with their tools open would ask for the source map beside the page, where there is none.
std::string without_source_map(std::string_view script) {
  return std::string(script.substr(0, script.rfind("//# sourceMappingURL=")));
}

// 'sha256-...' as a content security policy wants it.
std::string policy_hash(std::string_view content) {
  const Sha256Digest digest = sha256(content);
  std::array<unsigned char, 45> base64{};  // 32 bytes in base64, and a zero
  const int size = EVP_EncodeBlock(base64.data(), digest.data(), static_cast<int>(digest.size()));
  return "'sha256-" + std::string(base64.begin(), base64.begin() + size) + "'";
}

}  // namespace

std::string fill(std::string_view page, const Places& places) {
  std::string out;
  while (true) {
    const std::size_t open = page.find("{{");
    out += page.substr(0, open);
    if (open == std::string_view::npos) return out;
    const std::size_t close = page.find("}}", open);
    PALINODE_ASSERT(close != std::string_view::npos);
    const auto found = places.find(page.substr(open + 2, close - open - 2));
    PALINODE_ASSERT(found != places.end());
    out += found->second;
    page.remove_prefix(close + 2);
  }
}

void add_assets(Places& places) {
  places["style"] = embedded::report_css();
  places["vega"] = without_source_map(embedded::vega_js());
  places["vega_lite"] = without_source_map(embedded::vega_lite_js());
  places["vega_embed"] = without_source_map(embedded::vega_embed_js());
  places["script"] = embedded::report_js();
  std::string scripts;
  for (const char* name : {"vega", "vega_lite", "vega_embed", "script"}) {
    scripts += " " + policy_hash(places[name]);
  }
  places["policy"] = fmt::format(
      "default-src 'none'; script-src{}; style-src {}; img-src data:; base-uri 'none'; form-action "
      "'none'",
      scripts, policy_hash(places["style"]));
}

std::string chart(const std::string& id, const Json& spec, Places& places) {
  places["specs"] += fmt::format(
      "<script type=\"application/json\" data-chart=\"{}\">{}</script>\n", id, script_json(spec));
  return fmt::format(
      "<div class=\"chart\" role=\"img\" aria-label=\"{}\"><div id=\"{}\" "
      "aria-hidden=\"true\"></div></div>\n",
      escape(text(spec, "description")), id);
}

}  // namespace palinode::experiments::report
