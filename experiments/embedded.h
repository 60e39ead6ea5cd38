// Files that are part of the program, as views of its read-only memory (embedded.S puts them
// there), so that one binary runs every study and writes the report without looking for anything
// beside it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" {
extern const char palinode_embedded_digits_csv_gz[];
extern const std::uint64_t palinode_embedded_digits_csv_gz_size;
extern const char palinode_embedded_austen_txt_zst[];
extern const std::uint64_t palinode_embedded_austen_txt_zst_size;
extern const char palinode_embedded_kjv_txt_zst[];
extern const std::uint64_t palinode_embedded_kjv_txt_zst_size;
extern const char palinode_embedded_devil_txt_zst[];
extern const std::uint64_t palinode_embedded_devil_txt_zst_size;
extern const char palinode_embedded_lande_safetensors[];
extern const std::uint64_t palinode_embedded_lande_safetensors_size;
extern const char palinode_embedded_configs_toml[];
extern const std::uint64_t palinode_embedded_configs_toml_size;
extern const char palinode_embedded_digests_json[];
extern const std::uint64_t palinode_embedded_digests_json_size;
extern const char palinode_embedded_costs_json[];
extern const std::uint64_t palinode_embedded_costs_json_size;
extern const char palinode_embedded_austen_gpt_safetensors[];
extern const std::uint64_t palinode_embedded_austen_gpt_safetensors_size;
extern const char palinode_embedded_report_html[];
extern const std::uint64_t palinode_embedded_report_html_size;
extern const char palinode_embedded_precision_html[];
extern const std::uint64_t palinode_embedded_precision_html_size;
extern const char palinode_embedded_report_css[];
extern const std::uint64_t palinode_embedded_report_css_size;
extern const char palinode_embedded_report_js[];
extern const std::uint64_t palinode_embedded_report_js_size;
extern const char palinode_embedded_vega_js[];
extern const std::uint64_t palinode_embedded_vega_js_size;
extern const char palinode_embedded_vega_lite_js[];
extern const std::uint64_t palinode_embedded_vega_lite_js_size;
extern const char palinode_embedded_vega_embed_js[];
extern const std::uint64_t palinode_embedded_vega_embed_js_size;
}

namespace palinode::experiments::embedded {

// 1,797 handwritten digits, gzip of lines of 64 pixels (0 to 16) and a class
// (experiments/data/README.md).
inline std::string_view digits_csv_gz() {
  return {palinode_embedded_digits_csv_gz,
          static_cast<std::size_t>(palinode_embedded_digits_csv_gz_size)};
}

// Three texts, one zstd frame each (experiments/data/README.md).
inline std::string_view austen_txt_zst() {
  return {palinode_embedded_austen_txt_zst,
          static_cast<std::size_t>(palinode_embedded_austen_txt_zst_size)};
}
inline std::string_view kjv_txt_zst() {
  return {palinode_embedded_kjv_txt_zst,
          static_cast<std::size_t>(palinode_embedded_kjv_txt_zst_size)};
}
inline std::string_view devil_txt_zst() {
  return {palinode_embedded_devil_txt_zst,
          static_cast<std::size_t>(palinode_embedded_devil_txt_zst_size)};
}

// The language detector (experiments/lande/detector.h).
inline std::string_view lande_safetensors() {
  return {palinode_embedded_lande_safetensors,
          static_cast<std::size_t>(palinode_embedded_lande_safetensors_size)};
}

// Training configurations, each ended by a zero byte (experiments/train/configs.h).
inline std::string_view configs_toml() {
  return {palinode_embedded_configs_toml,
          static_cast<std::size_t>(palinode_embedded_configs_toml_size)};
}

// The language identity (experiments/identity/README.md).
inline std::string_view austen_gpt_safetensors() {
  return {palinode_embedded_austen_gpt_safetensors,
          static_cast<std::size_t>(palinode_embedded_austen_gpt_safetensors_size)};
}

// What the studies cost: {"quick": {"seconds": {"E4/digits-mlp": 1.5}, "memory": bytes}, "full"}.
inline std::string_view costs_json() {
  return {palinode_embedded_costs_json,
          static_cast<std::size_t>(palinode_embedded_costs_json_size)};
}

// The published digests: {"schema", "quick": {study: hex}, "full": {study: hex}}.
inline std::string_view digests_json() {
  return {palinode_embedded_digests_json,
          static_cast<std::size_t>(palinode_embedded_digests_json_size)};
}

// The report's page with {{places}} to fill, its style sheet and its script.
inline std::string_view report_html() {
  return {palinode_embedded_report_html,
          static_cast<std::size_t>(palinode_embedded_report_html_size)};
}
// The laboratory's page, with the same style sheet and script.
inline std::string_view precision_html() {
  return {palinode_embedded_precision_html,
          static_cast<std::size_t>(palinode_embedded_precision_html_size)};
}

inline std::string_view report_css() {
  return {palinode_embedded_report_css,
          static_cast<std::size_t>(palinode_embedded_report_css_size)};
}
inline std::string_view report_js() {
  return {palinode_embedded_report_js, static_cast<std::size_t>(palinode_embedded_report_js_size)};
}

// The plotting scripts (experiments/report/vendor/README.md).
inline std::string_view vega_js() {
  return {palinode_embedded_vega_js, static_cast<std::size_t>(palinode_embedded_vega_js_size)};
}
inline std::string_view vega_lite_js() {
  return {palinode_embedded_vega_lite_js,
          static_cast<std::size_t>(palinode_embedded_vega_lite_js_size)};
}
inline std::string_view vega_embed_js() {
  return {palinode_embedded_vega_embed_js,
          static_cast<std::size_t>(palinode_embedded_vega_embed_js_size)};
}

}  // namespace palinode::experiments::embedded
