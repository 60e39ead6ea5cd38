#!/usr/bin/python3
"""Writes the golden values: what PyTorch computes in float64, for the tests to compare with.

    /usr/bin/python3 tests/golden/make_golden.py [FOLDER]     (Debian's python3-torch 1.13.1)

Nothing is drawn but from seeds made of the cases' names, on one thread, so a second run writes the
same bytes; another build of PyTorch may differ in the last bits. Layouts and names of models are
Palinode's: images [n, h, w, c], convolution weights [kh, kw, c_in, c_out],
linear weights [in, out].

ops.safetensors      OP/CASE/x, .../y, .../dy, .../dx: inputs by name, output, the weights of the
                     sum of outputs that is differentiated, gradients ("d" and the input's name).
                     What is no float64 input (labels, stride, eps) is there by its name alone.
optim.safetensors    OPTIMIZER/CASE/gradients [20, n], the trajectory weights [21, n], its settings;
                     clip_*/CASE: gradients before and after; schedule/CASE: the factor of each step
gpt.safetensors      config, data, first weights, logits, every gradient of the first step; losses
cnn.safetensors      of ten Adam steps (lr 0.01) and the loss after them
"""
import json
import math
import pathlib
import struct
import sys
import zlib

import numpy
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)


class File:
    """Named tensors, written as safetensors (github.com/huggingface/safetensors, format)."""

    TYPES = {numpy.dtype("float64"): "F64", numpy.dtype("int32"): "I32"}

    def __init__(self):
        self.tensors = {}

    def put(self, name, value):
        if not isinstance(value, torch.Tensor):
            value = torch.tensor(value)
        array = value.detach().contiguous().numpy()
        if array.dtype != numpy.float64:
            array = array.astype(numpy.int32)
        assert name not in self.tensors, name
        self.tensors[name] = numpy.array(array, order="C", copy=True)

    def write(self, path):
        header, end = {}, 0
        for name in sorted(self.tensors):
            array = self.tensors[name]
            begin, end = end, end + array.nbytes
            header[name] = {"dtype": self.TYPES[array.dtype], "shape": list(array.shape),
                            "data_offsets": [begin, end]}
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with open(path, "wb") as out:
            out.write(struct.pack("<Q", len(text)) + text)
            for name in sorted(self.tensors):
                out.write(self.tensors[name].tobytes())


class Draw:
    """Random tensors of a stream of its own, named like a case."""

    def __init__(self, name):
        self.generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))

    def normal(self, *shape, scale=1.0):
        return scale * torch.randn(shape, generator=self.generator)

    def below(self, n, *shape):
        return torch.randint(n, shape, generator=self.generator)

    def bits(self, p, *shape):
        return (torch.rand(shape, generator=self.generator) < p).to(torch.int32)


# --- Operations ---

OPS = File()
COUNT = {}


def case(op, function, settings=None, **inputs):
    """Records function(*inputs, **settings) and its gradients by every float64 input."""
    number = COUNT.get(op, 0)
    COUNT[op] = number + 1
    name = f"{op}/{number}"
    settings = settings or {}
    variables = {key: value.clone().requires_grad_(value.dtype == torch.float64)
                 for key, value in inputs.items()}
    y = function(*variables.values(), **settings)
    dy = Draw(name + "/dy").normal(*y.shape)
    differentiable = [key for key in variables if variables[key].requires_grad]
    gradients = torch.autograd.grad((y * dy).sum(), [variables[key] for key in differentiable])
    for key, value in {**inputs, **settings, "y": y, "dy": dy}.items():
        OPS.put(f"{name}/{key}", value)
    for key, gradient in zip(differentiable, gradients):
        OPS.put(f"{name}/d{key}", gradient)
    return name


def elementwise():
    far = torch.tensor([0.0, -0.0, 1e-9, -1e-9, 5.0, -5.0, 30.0, -30.0])
    for op, function in [("relu", F.relu), ("tanh", torch.tanh), ("sigmoid", torch.sigmoid),
                         ("silu", F.silu), ("gelu", F.gelu), ("exp", torch.exp),
                         ("gelu_tanh", lambda x: F.gelu(x, approximate="tanh")),
                         ("sin", torch.sin), ("cos", torch.cos), ("erf", torch.erf)]:
        case(op, function, x=Draw(op).normal(3, 7, scale=2))
        case(op, function, x=far)
    for op, function in [("log", torch.log), ("rsqrt", torch.rsqrt)]:
        case(op, function, x=Draw(op).normal(3, 7).exp())
        case(op, function, x=torch.tensor([1e-9, 0.5, 1.0, 1e9]))
    case("scale", lambda x, factor: x * factor, {"factor": -1.7}, x=Draw("scale").normal(2, 5))


def broadcasting():
    shapes = [((3, 4), (3, 4)), ((3, 4), (4,)), ((4,), (3, 4)), ((2, 3, 4), (3, 1)),
              ((2, 1, 4), (1, 3, 1)), ((2, 3), ()), ((), (3,)), ((1, 1), (5, 1)), ((0, 3), (1, 3))]
    for op in ("add", "sub", "mul", "div", "minimum", "maximum"):
        for left, right in shapes:
            draw = Draw(f"{op}{left}{right}")
            a, b = draw.normal(*left), draw.normal(*right)
            if op == "div":
                b = b.sign() * (b.abs() + 0.5)
            case(op, getattr(torch, op), a=a, b=b)


def products():
    draw = Draw("products")
    for m, k, n in [(3, 4, 5), (1, 7, 1), (5, 1, 2), (2, 300, 3)]:
        case("matmul", torch.matmul, a=draw.normal(m, k), b=draw.normal(k, n))
    case("matmul", torch.matmul, a=draw.normal(3, 2, 4), b=draw.normal(3, 4, 5))
    for m, k, n in [(3, 4, 5), (1, 6, 2), (7, 3, 1)]:
        case("linear", lambda x, weight, bias: x @ weight + bias, x=draw.normal(m, k),
             weight=draw.normal(k, n), bias=draw.normal(n))


def conv2d(x, weight, bias, stride, padding, dilation):
    y = F.conv2d(x.permute(0, 3, 1, 2), weight.permute(3, 2, 0, 1), bias, stride, padding, dilation)
    return y.permute(0, 2, 3, 1)


def pool(function, x, kernel, stride, padding):
    y = function(x.permute(0, 3, 1, 2), kernel, stride, padding)
    return y.permute(0, 2, 3, 1)


def images():
    draw = Draw("images")
    for shape, kernel, out, stride, padding, dilation in [
            ((2, 5, 6, 3), (3, 3), 4, (1, 1), (0, 0), (1, 1)),
            ((2, 5, 6, 3), (3, 3), 2, (1, 1), (1, 1), (1, 1)),
            ((1, 7, 8, 2), (3, 2), 3, (2, 3), (1, 0), (1, 1)),
            ((1, 9, 7, 2), (3, 3), 2, (1, 2), (2, 1), (2, 1)),
            ((3, 4, 4, 5), (1, 1), 3, (1, 1), (0, 0), (1, 1)),
            ((1, 6, 6, 1), (5, 4), 2, (2, 1), (3, 2), (1, 2))]:
        case("conv2d", conv2d, {"stride": stride, "padding": padding, "dilation": dilation},
             x=draw.normal(*shape), weight=draw.normal(*kernel, shape[3], out),
             bias=draw.normal(out))
    for shape, kernel, stride, padding in [((2, 4, 6, 3), (2, 2), (2, 2), (0, 0)),
                                           ((1, 5, 7, 2), (3, 2), (1, 2), (0, 0)),
                                           ((2, 6, 5, 2), (3, 3), (2, 2), (1, 1))]:
        settings = {"kernel": kernel, "stride": stride, "padding": padding}
        for op, function in [("max_pool2d", F.max_pool2d), ("avg_pool2d", F.avg_pool2d)]:
            case(op, lambda x, kernel, stride, padding, f=function:
                 pool(f, x, kernel, stride, padding), settings, x=draw.normal(*shape))


def rms_norm(x, gamma, eps):  # Zhang and Sennrich, arXiv:1910.07467, with eps under the root
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + eps) * gamma


def norms():
    draw = Draw("norms")
    for shape, eps in [((4, 6), 1e-5), ((2, 3, 5), 1e-5), ((3, 1), 0.1), ((70,), 1e-3)]:
        x, gamma, beta = draw.normal(*shape), draw.normal(shape[-1]), draw.normal(shape[-1])
        case("layer_norm", lambda x, gamma, beta, eps:
             F.layer_norm(x, gamma.shape, gamma, beta, eps), {"eps": eps}, x=x, gamma=gamma,
             beta=beta)
        case("rms_norm", rms_norm, {"eps": eps}, x=x, gamma=gamma)
    for op, train in [("batch_norm_train", True), ("batch_norm_eval", False)]:
        for shape in [(4, 3), (2, 3, 4, 5)]:
            c = shape[-1]
            mean, variance = draw.normal(c), draw.normal(c).exp()
            after = (mean.clone(), variance.clone())  # batch_norm writes them: momentum 0.1

            def batch_norm(x, gamma, beta, eps):
                channels_first = x.movedim(-1, 1)
                return F.batch_norm(channels_first, *after, gamma, beta, train, 0.1,
                                    eps).movedim(1, -1)

            name = case(op, batch_norm, {"eps": 1e-5}, x=draw.normal(*shape, scale=2) + 1,
                        gamma=draw.normal(c), beta=draw.normal(c))
            OPS.put(f"{name}/mean", mean)
            OPS.put(f"{name}/variance", variance)
            if train:
                OPS.put(f"{name}/new_mean", after[0])
                OPS.put(f"{name}/new_variance", after[1])


def rows():
    draw = Draw("rows")
    for shape in [(3, 5), (2, 3, 4), (6,), (2, 1)]:
        x = draw.normal(*shape, scale=3)
        case("softmax", lambda x: F.softmax(x, -1), x=x)
        case("log_softmax", lambda x: F.log_softmax(x, -1), x=x)
    far = torch.tensor([[1000.0, -1000.0, 999.0], [-800.0, -801.0, -900.0]])
    case("softmax", lambda x: F.softmax(x, -1), x=far)
    case("log_softmax", lambda x: F.log_softmax(x, -1), x=far)
    for shape in [(3, 4), (5,), ()]:
        case("sum", torch.sum, x=draw.normal(*shape))
        case("mean", torch.mean, x=draw.normal(*shape))


def losses():
    draw = Draw("losses")

    def cross_entropy(logits, labels, weights=None):
        each = F.cross_entropy(logits, labels, reduction="none")
        return (each if weights is None else each * weights).mean()

    for rows_, classes in [(5, 3), (1, 4), (4, 1)]:
        labels = draw.below(classes, rows_)
        logits = draw.normal(rows_, classes, scale=2)
        case("cross_entropy", cross_entropy, logits=logits, labels=labels)
        weights = draw.normal(rows_)
        case("cross_entropy", lambda logits, labels, weights: cross_entropy(
            logits, labels, torch.as_tensor(weights)), {"weights": weights}, logits=logits,
             labels=labels)
    for shape in [(3, 4), (5,)]:
        case("mse", F.mse_loss, x=draw.normal(*shape), target=draw.normal(*shape))
    # KL(softmax(p) || softmax(q)), the mean over rows; gradients by both.
    for shape in [(4, 5), (1, 3)]:
        case("kl_div", lambda p, q: F.kl_div(F.log_softmax(q, -1), F.log_softmax(p, -1),
                                             reduction="batchmean", log_target=True),
             p=draw.normal(*shape), q=draw.normal(*shape))


def indexing():
    draw = Draw("indexing")
    for rows_, shape in [(5, (7,)), (4, (2, 3)), (3, (1,))]:
        case("embedding", lambda table, indices: F.embedding(indices, table),
             table=draw.normal(rows_, 4), indices=draw.below(rows_, *shape))
    for shape in [(5, 4), (3, 1)]:
        case("gather", lambda x, indices: x.gather(1, indices[:, None])[:, 0],
             x=draw.normal(*shape), indices=draw.below(shape[1], shape[0]))
    for shape, mask in [((3, 4), (3, 4)), ((2, 3, 3), (3, 3))]:
        case("masked_fill", lambda x, mask, value: x.masked_fill(mask != 0, value), {"value": -2.5},
             x=draw.normal(*shape), mask=draw.bits(0.4, *mask))
    for axis, left, right in [(0, (2, 3), (4, 3)), (1, (2, 3), (2, 1)), (1, (2, 2, 2), (2, 3, 2))]:
        case("concat", lambda a, b, axis: torch.cat([a, b], axis), {"axis": axis},
             a=draw.normal(*left), b=draw.normal(*right))
    for axis, shape in [(0, (2, 3)), (1, (2, 3)), (2, (2, 3))]:
        case("stack", lambda a, b, axis: torch.stack([a, b], axis), {"axis": axis},
             a=draw.normal(*shape), b=draw.normal(*shape))
    for axis, shape, begin, end in [(0, (5, 3), 1, 4), (1, (3, 5), 0, 2), (2, (2, 3, 4), 3, 4)]:
        case("slice", lambda x, axis, begin, end: x.narrow(axis, begin, end - begin),
             {"axis": axis, "begin": begin, "end": end}, x=draw.normal(*shape))
    case("transpose", lambda x: x.transpose(-1, -2), x=draw.normal(3, 5))
    case("transpose", lambda x: x.transpose(-1, -2), x=draw.normal(2, 3, 4))
    case("permute", lambda x, axes: x.permute(axes), {"axes": (0, 2, 1, 3)},
         x=draw.normal(2, 3, 4, 5))
    case("reshape", lambda x, shape: x.reshape(shape), {"shape": (4, 3)}, x=draw.normal(2, 6))


def attention(q, k, v, causal=True):
    """q [b, heads, t, d], k and v [b, kv_heads, s, d]; query head h reads head h * kv_heads / heads
    of the others; causal: the last query sees the last key and none sees a later one (Vaswani et
    al. 2017; Ainslie et al., arXiv:2305.13245)."""
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if causal:
        past = torch.ones(scores.shape[-2:], dtype=torch.bool).tril(k.shape[2] - q.shape[2])
        scores = scores.masked_fill(~past, -math.inf)
    return scores.softmax(-1) @ v


def attention_of_rows(q, k, v, batch, heads, kv_heads, causal):
    """The same on matrices with a row for each position: [batch * t, heads * d]."""
    def split(x, n):
        return x.reshape(batch, x.shape[0] // batch, n, -1).transpose(1, 2)

    y = attention(split(q, heads), split(k, kv_heads), split(v, kv_heads), causal)
    return y.transpose(1, 2).reshape(q.shape)


def packed_attention(qkv, batch, heads, kv_heads, causal):
    d = qkv.shape[1] // (heads + 2 * kv_heads)
    q, k, v = qkv.split([heads * d, kv_heads * d, kv_heads * d], 1)
    return attention_of_rows(q, k, v, batch, heads, kv_heads, causal)


def rope(x, base, offset, interleaved):
    """x [..., t, d]: pair i of position p turned by (p + offset) base^(-2i/d) (Su et al.,
    arXiv:2104.09864). A pair is (x[2i], x[2i+1]) if interleaved, otherwise (x[i], x[i + d/2])."""
    t, d = x.shape[-2:]
    angle = (torch.arange(t)[:, None] + offset) * base ** (-torch.arange(0, d, 2) / d)
    cos, sin = angle.cos(), angle.sin()
    a, b = (x[..., 0::2], x[..., 1::2]) if interleaved else (x[..., :d // 2], x[..., d // 2:])
    first, second = a * cos - b * sin, a * sin + b * cos
    if interleaved:
        return torch.stack([first, second], -1).flatten(-2)
    return torch.cat([first, second], -1)


def rope_of_rows(x, time, heads, head_dim, base, offset, interleaved):
    """The first heads * head_dim columns of x [batch * time, columns]; the others stay."""
    turned, rest = x[:, :heads * head_dim], x[:, heads * head_dim:]
    turned = turned.reshape(-1, time, heads, head_dim).transpose(1, 2)
    y = rope(turned, base, offset, interleaved).transpose(1, 2).reshape(x.shape[0], -1)
    return torch.cat([y, rest], 1)


def attentions():
    draw = Draw("attention")
    for b, heads, kv, t, keys, d, causal in [
            (2, 2, 2, 5, 5, 4, 1), (1, 1, 1, 1, 1, 3, 1), (1, 3, 3, 7, 7, 2, 0),
            (2, 4, 2, 5, 5, 4, 1), (1, 6, 1, 4, 4, 2, 0), (2, 2, 1, 2, 6, 3, 1)]:
        settings = {"batch": b, "heads": heads, "kv_heads": kv, "causal": causal}
        case("attention", attention_of_rows, settings, q=draw.normal(b * t, heads * d),
             k=draw.normal(b * keys, kv * d), v=draw.normal(b * keys, kv * d))
        if t == keys:
            case("packed_attention", packed_attention, settings,
                 qkv=draw.normal(b * t, (heads + 2 * kv) * d))
    for b, heads, t, d, rest, offset, interleaved in [
            (2, 2, 5, 6, 0, 0, 0), (1, 1, 3, 4, 2, 11, 0), (2, 2, 5, 6, 4, 0, 1),
            (1, 3, 4, 2, 0, 3, 1)]:
        case("rope", rope_of_rows,
             {"time": t, "heads": heads, "head_dim": d, "base": 10000.0, "offset": offset,
              "interleaved": interleaved}, x=draw.normal(b * t, heads * d + rest))


# --- Optimizers ---

STEPS = 20


def optimizers():
    file = File()

    def trajectory(name, make, settings):
        draw = Draw(name)
        w = draw.normal(6).requires_grad_()
        gradients = draw.normal(STEPS, 6)
        gradients[:, 5] = 0  # a weight that nothing pulls at but decay
        optimizer, weights = make([w], **settings), [w.detach().clone()]
        for gradient in gradients:
            w.grad = gradient.clone()
            optimizer.step()
            weights.append(w.detach().clone())
        file.put(f"{name}/gradients", gradients)
        file.put(f"{name}/weights", torch.stack(weights))
        for key, value in settings.items():
            for i, number in enumerate(value if isinstance(value, tuple) else (value,)):
                suffix = str(i + 1) if isinstance(value, tuple) else ""
                file.put(f"{name}/{key}{suffix}", float(number))

    for name, settings in {
            "sgd/plain": {"lr": 0.1}, "sgd/decay": {"lr": 0.1, "weight_decay": 0.05},
            "sgd/momentum": {"lr": 0.1, "momentum": 0.9},
            "sgd/momentum_decay": {"lr": 0.03, "momentum": 0.8, "weight_decay": 0.1},
            "sgd/nesterov": {"lr": 0.1, "momentum": 0.9, "nesterov": True},
            "sgd/nesterov_decay": {"lr": 0.1, "momentum": 0.7, "weight_decay": 0.02,
                                   "nesterov": True}}.items():
        trajectory(name, torch.optim.SGD, settings)
    for name, settings in {"adam/default": {"lr": 1e-3}, "adam/other": {
            "lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-3}}.items():
        trajectory(name, torch.optim.Adam, settings)
    for name, settings in {"adamw/default": {"lr": 1e-3}, "adamw/other": {
            "lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.2}}.items():
        trajectory(name, torch.optim.AdamW, settings)
    for name, settings in {
            "rmsprop/plain": {"lr": 0.01}, "rmsprop/centered": {"lr": 0.01, "centered": True},
            "rmsprop/momentum": {"lr": 0.01, "momentum": 0.9, "alpha": 0.95, "eps": 1e-4},
            "rmsprop/all": {"lr": 0.02, "momentum": 0.5, "centered": True,
                            "weight_decay": 0.1}}.items():
        trajectory(name, torch.optim.RMSprop, settings)

    for name, limit in [("clip_norm/over", 1.5), ("clip_norm/under", 100.0),
                        ("clip_value/some", 0.7)]:
        draw = Draw(name)
        tensors = [draw.normal(3, 2).requires_grad_(), draw.normal(5).requires_grad_()]
        for i, tensor in enumerate(tensors):
            tensor.grad = draw.normal(*tensor.shape)
            file.put(f"{name}/before{i}", tensor.grad)
        if name.startswith("clip_norm"):
            norm = torch.nn.utils.clip_grad_norm_(tensors, limit)
            file.put(f"{name}/norm", norm)
        else:
            torch.nn.utils.clip_grad_value_(tensors, limit)
        for i, tensor in enumerate(tensors):
            file.put(f"{name}/after{i}", tensor.grad)
        file.put(f"{name}/limit", limit)
    schedules(file)
    return file


def schedules(file):
    def factors(name, settings, make):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        schedule, values = make(optimizer), []
        for _ in range(STEPS):
            values.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        file.put(f"schedule/{name}/factors", values)
        for key, value in settings.items():
            file.put(f"schedule/{name}/{key}", float(value))

    module = torch.optim.lr_scheduler
    factors("constant", {}, lambda o: module.LambdaLR(o, lambda step: 1.0))
    factors("cosine", {"total": STEPS, "floor": 0.1},
            lambda o: module.CosineAnnealingLR(o, STEPS, eta_min=0.1))

    def warm(o, after):  # step s of the first w: (s + 1) / w; then `after` starts at its step 0
        rise = module.LambdaLR(o, lambda step: (step + 1) / 5)
        return module.SequentialLR(o, [rise, after], [5])

    factors("warmup", {"warmup": 5}, lambda o: warm(o, module.LambdaLR(o, lambda step: 1.0)))
    factors("warmup_cosine", {"warmup": 5, "total": STEPS, "floor": 0.0},
            lambda o: warm(o, module.CosineAnnealingLR(o, STEPS - 5, eta_min=0.0)))


# --- Models ---


def gpt_parameters(draw, vocab, context, layers, width):
    p = {}

    def norm(name):
        p[name + ".weight"] = 1 + draw.normal(width, scale=0.1)
        p[name + ".bias"] = draw.normal(width, scale=0.1)

    def linear(name, n_in, n_out):
        p[name + ".weight"] = draw.normal(n_in, n_out, scale=n_in**-0.5)
        p[name + ".bias"] = draw.normal(n_out, scale=0.1)

    p["token.weight"] = draw.normal(vocab, width, scale=0.5)
    p["position.weight"] = draw.normal(context, width, scale=0.5)
    for i in range(layers):
        norm(f"block.{i}.attn.norm")
        linear(f"block.{i}.attn.qkv", width, 3 * width)
        linear(f"block.{i}.attn.out", width, width)
        norm(f"block.{i}.mlp.norm")
        linear(f"block.{i}.mlp.up", width, 4 * width)
        linear(f"block.{i}.mlp.down", 4 * width, width)
    norm("norm")
    p["head.weight"] = draw.normal(width, vocab, scale=width**-0.5)
    return p


def gpt_logits(p, tokens, layers, heads):
    """Pre-norm, learned positions, GELU in its tanh form (Radford et al. 2019)."""
    b, t = tokens.shape
    width = p["token.weight"].shape[1]

    def norm(x, name):
        return F.layer_norm(x, (width,), p[name + ".weight"], p[name + ".bias"], 1e-5)

    def linear(x, name):
        return x @ p[name + ".weight"] + p[name + ".bias"]

    def split(x):
        return x.reshape(b, t, heads, width // heads).transpose(1, 2)

    x = p["token.weight"][tokens] + p["position.weight"][:t]
    for i in range(layers):
        attn, mlp = f"block.{i}.attn.", f"block.{i}.mlp."
        q, k, v = linear(norm(x, attn + "norm"), attn + "qkv").split(width, -1)
        y = attention(split(q), split(k), split(v)).transpose(1, 2).reshape(b, t, width)
        x = x + linear(y, attn + "out")
        hidden = F.gelu(linear(norm(x, mlp + "norm"), mlp + "up"), approximate="tanh")
        x = x + linear(hidden, mlp + "down")
    return (norm(x, "norm") @ p["head.weight"]).reshape(b * t, -1)


def cnn_logits(p, x):
    """Two times convolution 3x3 (padding 1), ReLU, maximum over 2x2; two linear layers."""
    for conv in ("block.0.conv", "block.1.conv"):
        x = conv2d(x, p[conv + ".weight"], p[conv + ".bias"], (1, 1), (1, 1), (1, 1))
        x = pool(F.max_pool2d, F.relu(x), (2, 2), (2, 2), (0, 0))
    hidden = F.relu(x.flatten(1) @ p["layer.0.weight"] + p["layer.0.bias"])
    return hidden @ p["layer.1.weight"] + p["layer.1.bias"]


def training(parameters, logits_of, labels, extra):
    file = File()
    for key, value in extra.items():
        file.put(key, value)
    p = {key: value.clone().requires_grad_() for key, value in parameters.items()}
    optimizer, losses_ = torch.optim.Adam(p.values(), lr=0.01), []
    for step in range(11):
        optimizer.zero_grad()
        logits = logits_of(p)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        losses_.append(loss.item())
        if step == 0:
            file.put("logits", logits)
            for key, value in parameters.items():
                file.put(f"weight/{key}", value)
                file.put(f"gradient/{key}", p[key].grad)
        optimizer.step()
    file.put("labels", labels)
    file.put("losses", losses_)
    return file


def gpt():
    draw = Draw("gpt")
    vocab, context, layers, heads, width = 13, 8, 2, 2, 12
    tokens = draw.below(vocab, 3, 6)  # shorter than the context
    return training(gpt_parameters(draw, vocab, context, layers, width),
                    lambda p: gpt_logits(p, tokens, layers, heads), draw.below(vocab, 18),
                    {"tokens": tokens, "config/gpt": [vocab, context, layers, heads, width]})


def cnn():
    draw = Draw("cnn")
    x = draw.normal(4, 8, 8, 2)
    p = {"block.0.conv.weight": draw.normal(3, 3, 2, 4, scale=0.3),
         "block.0.conv.bias": draw.normal(4), "block.1.conv.bias": draw.normal(6),
         "block.1.conv.weight": draw.normal(3, 3, 4, 6, scale=0.2),
         "layer.0.weight": draw.normal(2 * 2 * 6, 8, scale=0.3), "layer.0.bias": draw.normal(8),
         "layer.1.weight": draw.normal(8, 5, scale=0.4), "layer.1.bias": draw.normal(5)}
    return training(p, lambda p: cnn_logits(p, x), draw.below(5, 4), {"x": x})


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent
    for part in (elementwise, broadcasting, products, images, norms, rows, losses, indexing,
                 attentions):
        part()
    OPS.write(folder / "ops.safetensors")
    optimizers().write(folder / "optim.safetensors")
    gpt().write(folder / "gpt.safetensors")
    cnn().write(folder / "cnn.safetensors")


if __name__ == "__main__":
    main()
