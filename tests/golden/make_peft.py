#!/usr/bin/python3
"""Writes LoRA and DoRA adapters as Hugging Face's PEFT stores them, and what they compute.

    /usr/bin/python3 tests/golden/make_peft.py [FOLDER]     (Debian's python3-numpy)

Nothing of Palinode is used: two small language models with the parameters, and the names of layers,
of transformers' GPT2LMHeadModel and LlamaForCausalLM, run in float64 by the formulas of their papers
with unmerged adapters on them (y + scaling * B (A x); DoRA: its weight in full). Files:

gpt.safetensors, llama.safetensors   the models, packed as Palinode's model files have them
NAME/adapter_config.json             an adapter: fields, names and layouts as PEFT 0.15 writes them
NAME/adapter_model.safetensors
expected.safetensors                 tokens [2, 6]; gpt, llama, and for each NAME: logits
"""
import json
import math
import pathlib
import struct
import sys

import numpy as np

WIDTH, HEADS, KV_HEADS, LAYERS, VOCAB, CONTEXT, HIDDEN = 8, 2, 1, 2, 11, 8, 12
OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "peft")
TYPES = {np.dtype("float64"): "F64", np.dtype("int32"): "I32"}


def write(path, tensors, metadata):
    header, data = {"__metadata__": metadata}, b""
    for name in sorted(tensors):
        value = np.ascontiguousarray(tensors[name])
        begin = len(data)
        data += value.tobytes()
        header[name] = {"dtype": TYPES[value.dtype], "shape": list(value.shape),
                        "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attention(q, k, v):
    """[batch, time, heads * size] each; queries share keys and values if those have fewer heads."""
    b, t, _ = q.shape
    size = WIDTH // HEADS
    q, k, v = (x.reshape(b, t, -1, size).transpose(0, 2, 1, 3) for x in (q, k, v))
    k, v = (np.repeat(x, HEADS // x.shape[1], axis=1) for x in (k, v))
    scores = q @ k.transpose(0, 1, 3, 2) / math.sqrt(size)
    scores = np.where(np.tril(np.ones((t, t), bool)), scores, -np.inf)
    return (softmax(scores) @ v).transpose(0, 2, 1, 3).reshape(b, t, WIDTH)


class Model:
    """Weights by transformers' names, all [out, in], and adapters by the names of their modules."""

    def __init__(self, seed):
        self.random, self.weights, self.adapters = np.random.RandomState(seed), {}, {}

    def add(self, name, *shape, mean=0.0):
        self.weights[name] = mean + 0.3 * self.random.standard_normal(shape)

    def linear(self, name, x):
        w = self.weights[name + ".weight"]
        y = x @ w.T
        adapter = self.adapters.get(name)
        if adapter is not None and "m" in adapter:
            v = w + adapter["scaling"] * adapter["B"] @ adapter["A"]
            y = x @ (v * (adapter["m"] / np.sqrt((v * v).sum(1)))[:, None]).T
        elif adapter is not None:
            y = y + adapter["scaling"] * ((x @ adapter["A"].T) @ adapter["B"].T)
        return y + self.weights.get(name + ".bias", 0.0)


class Gpt(Model):
    def __init__(self):
        super().__init__(1)
        self.add("transformer.wte", VOCAB, WIDTH)
        self.add("transformer.wpe", CONTEXT, WIDTH)
        for i in range(LAYERS):
            h = f"transformer.h.{i}."
            for norm in ("ln_1", "ln_2"):
                self.add(h + norm + ".weight", WIDTH, mean=1.0)
                self.add(h + norm + ".bias", WIDTH)
            for name, out, wide in (("attn.c_attn", 3 * WIDTH, WIDTH), ("attn.c_proj", WIDTH, WIDTH),
                                    ("mlp.c_fc", 4 * WIDTH, WIDTH), ("mlp.c_proj", WIDTH, 4 * WIDTH)):
                self.add(h + name + ".weight", out, wide)
                self.add(h + name + ".bias", out)
        self.add("transformer.ln_f.weight", WIDTH, mean=1.0)
        self.add("transformer.ln_f.bias", WIDTH)
        self.add("lm_head.weight", VOCAB, WIDTH)

    def norm(self, name, x):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)
        return x * self.weights[name + ".weight"] + self.weights[name + ".bias"]

    def __call__(self, tokens):
        x = self.weights["transformer.wte"][tokens]
        x = x + self.weights["transformer.wpe"][: tokens.shape[1]]
        for i in range(LAYERS):
            h = f"transformer.h.{i}."
            q, k, v = np.split(self.linear(h + "attn.c_attn", self.norm(h + "ln_1", x)), 3, -1)
            x = x + self.linear(h + "attn.c_proj", attention(q, k, v))
            up = self.linear(h + "mlp.c_fc", self.norm(h + "ln_2", x))
            up = 0.5 * up * (1 + np.tanh(math.sqrt(2 / math.pi) * (up + 0.044715 * up ** 3)))
            x = x + self.linear(h + "mlp.c_proj", up)
        return self.linear("lm_head", self.norm("transformer.ln_f", x)).reshape(-1, VOCAB)

    def packed(self):
        names = {"wte": "token.weight", "wpe": "position.weight", "ln_f": "norm", "ln_1": "attn.norm",
                 "ln_2": "mlp.norm", "attn.c_attn": "attn.qkv", "attn.c_proj": "attn.out",
                 "mlp.c_fc": "mlp.up", "mlp.c_proj": "mlp.down", "transformer.h.": "block.",
                 "transformer.": "", "lm_head": "head"}
        tensors = {}
        for name, value in self.weights.items():
            for theirs, ours in names.items():
                name = name.replace(theirs, ours)
            tensors[name] = value
        config = {"vocab": VOCAB, "context": CONTEXT, "layers": LAYERS, "heads": HEADS,
                  "width": WIDTH, "precision": "rounded"}
        return tensors, {"format": "palinode", "model": "gpt", "config": json.dumps(config)}


class Llama(Model):
    def __init__(self):
        super().__init__(2)
        keys = KV_HEADS * (WIDTH // HEADS)
        self.add("model.embed_tokens.weight", VOCAB, WIDTH)
        for i in range(LAYERS):
            h = f"model.layers.{i}."
            for norm in ("input_layernorm", "post_attention_layernorm"):
                self.add(h + norm + ".weight", WIDTH, mean=1.0)
            for name, out, wide in (("self_attn.q_proj", WIDTH, WIDTH), ("self_attn.k_proj", keys, WIDTH),
                                    ("self_attn.v_proj", keys, WIDTH), ("self_attn.o_proj", WIDTH, WIDTH),
                                    ("mlp.gate_proj", HIDDEN, WIDTH), ("mlp.up_proj", HIDDEN, WIDTH),
                                    ("mlp.down_proj", WIDTH, HIDDEN)):
                self.add(h + name + ".weight", out, wide)
        self.add("model.norm.weight", WIDTH, mean=1.0)
        self.add("lm_head.weight", VOCAB, WIDTH)

    def norm(self, name, x):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * self.weights[name + ".weight"]

    def turned(self, x):
        b, t, n = x.shape
        size = WIDTH // HEADS
        x = x.reshape(b, t, n // size, size)
        angle = np.arange(t)[:, None] / 10000.0 ** (np.arange(0, size, 2) / size)
        cos, sin = (np.concatenate([f(angle)] * 2, -1)[:, None, :] for f in (np.cos, np.sin))
        half = np.concatenate([-x[..., size // 2:], x[..., : size // 2]], -1)
        return (x * cos + half * sin).reshape(b, t, n)

    def __call__(self, tokens):
        x = self.weights["model.embed_tokens.weight"][tokens]
        for i in range(LAYERS):
            h = f"model.layers.{i}."
            seen = self.norm(h + "input_layernorm", x)
            q, k, v = (self.linear(f"{h}self_attn.{n}_proj", seen) for n in "qkv")
            mixed = attention(self.turned(q), self.turned(k), v)
            x = x + self.linear(h + "self_attn.o_proj", mixed)
            read = self.norm(h + "post_attention_layernorm", x)
            gate = self.linear(h + "mlp.gate_proj", read)
            inner = gate / (1 + np.exp(-gate)) * self.linear(h + "mlp.up_proj", read)
            x = x + self.linear(h + "mlp.down_proj", inner)
        return self.linear("lm_head", self.norm("model.norm", x)).reshape(-1, VOCAB)

    def packed(self):
        w = self.weights
        tensors = {"token.weight": w["model.embed_tokens.weight"], "norm.weight": w["model.norm.weight"],
                   "head.weight": w["lm_head.weight"]}
        for i in range(LAYERS):
            h, ours = f"model.layers.{i}.", f"block.{i}."
            tensors[ours + "attn.norm.weight"] = w[h + "input_layernorm.weight"]
            tensors[ours + "mlp.norm.weight"] = w[h + "post_attention_layernorm.weight"]
            tensors[ours + "attn.qkv.weight"] = np.concatenate(
                [w[f"{h}self_attn.{n}_proj.weight"] for n in "qkv"])
            tensors[ours + "attn.out.weight"] = w[h + "self_attn.o_proj.weight"]
            for name in ("gate", "up", "down"):
                tensors[f"{ours}mlp.{name}.weight"] = w[f"{h}mlp.{name}_proj.weight"]
        config = {"vocab": VOCAB, "context": CONTEXT, "layers": LAYERS, "heads": HEADS,
                  "kv_heads": KV_HEADS, "width": WIDTH, "hidden": HIDDEN, "precision": "rounded"}
        return tensors, {"format": "palinode", "model": "llama", "config": json.dumps(config)}


def config_json(fields):
    """The fields that LoraConfig.save_pretrained writes, in its order."""
    config = {
        "alpha_pattern": {}, "auto_mapping": None, "base_model_name_or_path": "tiny/base",
        "bias": "none", "corda_config": None, "eva_config": None, "exclude_modules": None,
        "fan_in_fan_out": False, "inference_mode": True, "init_lora_weights": True,
        "layer_replication": None, "layers_pattern": None, "layers_to_transform": None,
        "loftq_config": {}, "lora_alpha": 8, "lora_bias": False, "lora_dropout": 0.05,
        "megatron_config": None, "megatron_core": "megatron.core", "modules_to_save": None,
        "peft_type": "LORA", "r": 8, "rank_pattern": {}, "revision": None, "target_modules": [],
        "task_type": "CAUSAL_LM", "trainable_token_indices": None, "use_dora": False,
        "use_rslora": False}
    config.update(fields)
    return json.dumps(config, indent=2, sort_keys=True)


def adapter(model, folder, rename=lambda name: name, **fields):
    """Trained factors for the modules that the fields name: written, and put onto the model."""
    def field(pattern, usual, module):
        return next((v for k, v in fields.get(pattern, {}).items() if module.endswith(k)), usual)

    tensors, model.adapters = {}, {}
    for name, weight in model.weights.items():
        module = name.rsplit(".", 1)[0]
        if not name.endswith(".weight") or not rename(module).endswith(
                tuple("." + t for t in fields["target_modules"])):
            continue
        if "layers_to_transform" in fields and not any(
                f".{i}." in module for i in fields["layers_to_transform"]):
            continue
        rank, alpha = field("rank_pattern", fields["r"], module), field("alpha_pattern", fields["lora_alpha"], module)
        one = {"A": 0.4 * model.random.standard_normal((rank, weight.shape[1])),
               "B": 0.4 * model.random.standard_normal((weight.shape[0], rank)),
               "scaling": alpha / (math.sqrt(rank) if fields.get("use_rslora") else rank)}
        prefix = "base_model.model." + rename(module)
        tensors[prefix + ".lora_A.weight"], tensors[prefix + ".lora_B.weight"] = one["A"], one["B"]
        if fields.get("use_dora"):
            one["m"] = np.sqrt((weight * weight).sum(1)) * (1 + 0.3 * model.random.standard_normal(weight.shape[0]))
            tensors[prefix + ".lora_magnitude_vector"] = one["m"]
        model.adapters[module] = one
    write(OUT / folder / "adapter_model.safetensors", tensors, {"format": "pt"})
    (OUT / folder / "adapter_config.json").write_text(config_json(fields))
    return model(tokens)


tokens = np.random.RandomState(3).randint(0, VOCAB, (2, 6)).astype(np.int32)
gpt, llama = Gpt(), Llama()
expected = {"tokens": tokens, "gpt": gpt(tokens), "llama": llama(tokens)}
for name, model in (("gpt", gpt), ("llama", llama)):
    write(OUT / (name + ".safetensors"), *model.packed())


def own(module):
    for theirs, ours in (("transformer.h.", "block."), ("c_attn", "qkv"), ("attn.c_proj", "attn.out"),
                         ("c_fc", "up"), ("mlp.c_proj", "mlp.down"), ("lm_head", "head")):
        module = module.replace(theirs, ours)
    return module


expected["own_rslora"] = adapter(gpt, "own_rslora", own, r=2, lora_alpha=3, use_rslora=True,
                                 target_modules=["attn.qkv", "mlp.down"])
expected["gpt2_lora"] = adapter(gpt, "gpt2_lora", r=4, lora_alpha=10, fan_in_fan_out=True,
                                target_modules=["c_attn", "c_proj"])
expected["gpt2_dora"] = adapter(gpt, "gpt2_dora", r=2, lora_alpha=4, use_dora=True, fan_in_fan_out=True,
                                target_modules=["c_attn", "c_fc"])
expected["llama_lora"] = adapter(llama, "llama_lora", r=2, lora_alpha=5,
                                 target_modules=["q_proj", "v_proj", "o_proj"],
                                 rank_pattern={"o_proj": 8}, alpha_pattern={"self_attn.o_proj": 10})
expected["llama_rslora"] = adapter(llama, "llama_rslora", r=3, lora_alpha=7, use_rslora=True,
                                   target_modules=["k_proj", "q_proj", "v_proj", "down_proj"],
                                   layers_to_transform=[1])
expected["llama_dora"] = adapter(llama, "llama_dora", r=2, lora_alpha=3, use_dora=True,
                                 target_modules=["v_proj", "gate_proj"])
write(OUT / "expected.safetensors", expected, {})
