/* Files inside the program as read-only data, named in embedded.h. Paths are from the root. */

.macro embed name, path
  .globl palinode_embedded_\name
  .balign 16
palinode_embedded_\name:
  .incbin "\path"
.Lend_of_\name:
  .byte 0
  .globl palinode_embedded_\name\()_size
  .balign 8
palinode_embedded_\name\()_size:
  .quad .Lend_of_\name - palinode_embedded_\name
.endm

.section .rodata

embed digits_csv_gz, "experiments/data/digits.csv.gz"
embed austen_txt_zst, "experiments/data/austen.txt.zst"
embed kjv_txt_zst, "experiments/data/kjv.txt.zst"
embed devil_txt_zst, "experiments/data/devil.txt.zst"
embed lande_safetensors, "experiments/data/lande.safetensors"
embed digests_json, "experiments/digests.json"
embed costs_json, "experiments/costs.json"
embed austen_gpt_safetensors, "experiments/identity/austen_gpt.safetensors"
embed report_html, "experiments/report/page.html"
embed precision_html, "experiments/precision/page.html"
embed report_css, "experiments/report/page.css"
embed report_js, "experiments/report/page.js"
embed vega_js, "experiments/report/vendor/vega.min.js"
embed vega_lite_js, "experiments/report/vendor/vega-lite.min.js"
embed vega_embed_js, "experiments/report/vendor/vega-embed.min.js"

/* The training configurations, each ended by a zero byte. */
.globl palinode_embedded_configs_toml
palinode_embedded_configs_toml:
.irp name, digits_mlp, mnist_mlp, mnist_cnn, fashion_cnn, austen_gpt, austen_llama
  .incbin "experiments/configs/\name\().toml"
  .byte 0
.endr
.Lend_of_configs:
.globl palinode_embedded_configs_toml_size
.balign 8
palinode_embedded_configs_toml_size:
  .quad .Lend_of_configs - palinode_embedded_configs_toml

.section .note.GNU-stack, "", %progbits
