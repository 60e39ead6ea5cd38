#!/usr/bin/python3
"""Trains PyTorch's twin of experiments/configs/austen_gpt.toml, and prints its validation loss.

    /usr/bin/python3 tests/golden/austen_gpt.py SEED...     (Debian's python3-torch 1.13.1; zstd)

What is the same: the text, its bytes as tokens, its split, the network, the distributions of its
first weights, Adam and its schedule, clipping, batches of random windows, the number of steps, and
the validation part with its windows. What differs: the numbers drawn, and all rounding. One thread;
four to eight minutes a seed. The figures are in experiments/identity/README.md.
"""
import math
import pathlib
import subprocess
import sys
import time

import numpy
import torch
import torch.nn.functional as F
from torch import nn

TEXT = pathlib.Path(__file__).parents[2] / "experiments/data/austen.txt.zst"
LAYERS, HEADS, WIDTH, CONTEXT = 4, 4, 128, 64
STEPS, BATCH, EVAL_EVERY, VALIDATION = 3000, 16, 250, 65536
PEAK, FLOOR, WARMUP, CLIP_NORM = 2e-3, 1e-4, 100, 1.0


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn_norm, self.mlp_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.register_buffer("hidden", torch.ones(CONTEXT, CONTEXT).triu(1).bool())

    def attention(self, x):
        b, t, _ = x.shape
        q, k, v = (part.reshape(b, t, HEADS, -1).transpose(1, 2)
                   for part in self.qkv(x).split(WIDTH, -1))
        scores = q @ k.transpose(-1, -2) / math.sqrt(WIDTH // HEADS)
        weights = scores.masked_fill(self.hidden[:t, :t], -math.inf).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).reshape(b, t, WIDTH))

    def forward(self, x):
        x = x + self.attention(self.attn_norm(x))
        return x + self.down(F.gelu(self.up(self.mlp_norm(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, vocab):
        super().__init__()
        self.token, self.position = nn.Embedding(vocab, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, vocab, bias=False)
        for name, value in self.named_parameters():
            if value.dim() == 2:
                residual = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(value, 0, 0.02 / math.sqrt(2 * LAYERS) if residual else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(value)

    def forward(self, x):
        x = self.token(x) + self.position(torch.arange(x.shape[1]))
        return self.head(self.norm(self.blocks(x)))


def rate(steps_taken):
    if steps_taken < WARMUP:
        return PEAK * (steps_taken + 1) / WARMUP
    h = 0.5 * (1 + math.cos(math.pi * (steps_taken - WARMUP) / (STEPS - WARMUP)))
    return PEAK * h + FLOOR * (1 - h)


def tokens():
    text = subprocess.run(["zstd", "-dcq", TEXT], check=True, stdout=subprocess.PIPE).stdout
    alphabet, indices = numpy.unique(numpy.frombuffer(text, numpy.uint8), return_inverse=True)
    indices = torch.from_numpy(indices.astype(numpy.int64))
    end = len(text) - len(text) // 10
    return len(alphabet), indices[:end], indices[end:end + VALIDATION + 1]


@torch.no_grad()
def validation_loss(model, held_out):
    x, y = held_out[:-1].reshape(-1, CONTEXT), held_out[1:].reshape(-1, CONTEXT)
    total = 0.0
    for windows, labels in zip(x.split(64), y.split(64)):
        logits = model(windows).flatten(0, 1).double()
        total += F.cross_entropy(logits, labels.flatten(), reduction="sum").item()
    return total / y.numel()


def train(seed):
    torch.manual_seed(seed)
    vocab, text, held_out = tokens()
    model = Gpt(vocab)
    count = sum(value.numel() for value in model.parameters())
    print(f"seed {seed}: {count} parameters, vocabulary {vocab}", flush=True)
    adam = torch.optim.Adam(model.parameters(), lr=PEAK)  # betas 0.9 and 0.999, eps 1e-8
    start = time.monotonic()
    for step in range(STEPS):
        begin = torch.randint(len(text) - CONTEXT, (BATCH, 1))
        window = text[begin + torch.arange(CONTEXT + 1)]
        loss = F.cross_entropy(model(window[:, :-1]).flatten(0, 1), window[:, 1:].flatten())
        adam.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        adam.param_groups[0]["lr"] = rate(step)
        adam.step()
        if (step + 1) % EVAL_EVERY == 0:
            print(f"seed {seed}: step {step + 1}, validation loss "
                  f"{validation_loss(model, held_out):.6f}, {time.monotonic() - start:.0f} s",
                  flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    for each in sys.argv[1:]:
        train(int(each))
