"""Trains a small causal language model on English text, then lets it write.

    python generate.py                      # the machine's accelerator, else cpu
    python generate.py --prompt "The list " --tokens 400
    python generate.py --quick              # about a minute; the text is rougher

The text is the reference manual that every Python carries (pydoc_data.topics), or a
file of yours (--text). The model reads bytes. Writing keeps the keys and values of
what was read (a KV cache), and is checked against the plain computation.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from common import Steps, add_device_argument, pick_device, save_atomically, say, synchronize
from torch import nn


def read_text(path):
    """The training text as a tensor of bytes."""
    if path is None:
        from pydoc_data.topics import topics

        text = "\n\n".join(topics[name] for name in sorted(topics))
    else:
        try:
            text = path.read_text(errors="replace")
        except OSError as error:
            sys.exit(f"cannot read {path}: {error.strerror}")
    data = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8).long()
    if len(data) < 20_000:
        sys.exit(f"the text has {len(data)} bytes; at least 20,000 are needed to learn from")
    return data


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x, cache=None, position=0):
        """`cache` is (keys, values), each (batch, heads, context, size), filled so far up
        to `position`; the new ones are written behind it."""
        batch, length, width = x.shape
        q, k, v = self.project(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if cache is not None:
            keys, values = cache
            keys[:, :, position:position + length] = k
            values[:, :, position:position + length] = v
            k, v = keys[:, :, :position + length], values[:, :, :position + length]
        # A single new token sees all that came before it; so a mask is for longer input.
        causal = length > 1
        y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return self.out(y.transpose(1, 2).reshape(batch, length, width))


class Layer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(),
                                  nn.Linear(4 * width, width))

    def forward(self, x, cache=None, position=0):
        x = x + self.attention(self.norm1(x), cache, position)
        return x + self.feed(self.norm2(x))


class LanguageModel(nn.Module):
    """A decoder-only transformer over bytes; input and output share one table."""

    def __init__(self, width, depth, heads, context):
        super().__init__()
        self.width, self.heads, self.context = width, heads, context
        self.bytes = nn.Embedding(256, width)
        self.places = nn.Embedding(context, width)
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02)
        for layer in self.layers:
            for last in (layer.attention.out, layer.feed[-1]):
                nn.init.normal_(last.weight, std=0.02 / math.sqrt(2 * depth))

    def forward(self, tokens, caches=None, position=0):
        places = torch.arange(position, position + tokens.shape[1], device=tokens.device)
        x = self.bytes(tokens) + self.places(places)
        for index, layer in enumerate(self.layers):
            x = layer(x, caches[index] if caches else None, position)
        return F.linear(self.norm(x), self.bytes.weight)

    def new_caches(self, batch):
        """Empty keys and values for every layer."""
        like = self.bytes.weight
        shape = (batch, self.heads, self.context, self.width // self.heads)
        return [(like.new_zeros(shape), like.new_zeros(shape)) for _ in self.layers]


def batch_of(data, size, context, device, generator):
    """Random stretches of the text, and the same moved by one byte."""
    starts = torch.randint(len(data) - context - 1, (size, 1), generator=generator)
    chosen = data[starts + torch.arange(context + 1)]
    chosen = chosen.to(device)
    return chosen[:, :-1], chosen[:, 1:]


def train(model, data, options, device, metrics):
    """Trains for options.steps; returns the loss on text that was never trained on."""
    held_out, data = data[-len(data) // 20:], data[: -len(data) // 20]
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr, betas=(0.9, 0.95),
                                  weight_decay=0.1)
    generator = torch.Generator().manual_seed(options.seed)
    running, start = None, time.perf_counter()
    model.train()
    with Steps("train", options.steps) as progress:
        for step in range(options.steps):
            rate = options.lr * min((step + 1) / 50,
                                    0.1 + 0.45 * (1 + math.cos(math.pi * step / options.steps)))
            for group in optimizer.param_groups:
                group["lr"] = rate
            inputs, targets = batch_of(data, options.batch, model.context, device, generator)
            with torch.autocast(device.type, torch.bfloat16, enabled=options.amp):
                loss = F.cross_entropy(model(inputs).flatten(0, 1).float(), targets.flatten())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            if step % 10 == 0 or step == options.steps - 1:
                running = loss.item()
                seconds = time.perf_counter() - start
                metrics.write(json.dumps({"step": step + 1, "loss": running, "lr": rate,
                                          "seconds": seconds}) + "\n")
                metrics.flush()
            progress.advance(f"loss {running:.3f}")
    model.eval()
    generator.manual_seed(0)
    with torch.inference_mode():
        losses = []
        for _ in range(8):
            inputs, targets = batch_of(held_out, 16, model.context, device, generator)
            losses.append(F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten()).item())
    return sum(losses) / len(losses)


@torch.inference_mode()
def write(model, prompt, count, temperature, seed, device):
    """Continues `prompt` by `count` bytes; returns (text, bytes per second)."""
    torch.manual_seed(seed)
    written = list(prompt)
    caches, position = model.new_caches(1), 0
    fresh = written[-model.context:]
    synchronize(device)
    start = time.perf_counter()
    for _ in range(count):
        if position + len(fresh) > model.context:
            # The cache is full: read the newer half again and go on.
            caches, position, fresh = model.new_caches(1), 0, written[-model.context // 2:]
        tokens = torch.tensor([fresh], device=device)
        logits = model(tokens, caches, position)[0, -1]
        position += len(fresh)
        chances = F.softmax(logits / temperature, dim=-1)
        fresh = [torch.multinomial(chances, 1).item()]
        written += fresh
    rate = count / (time.perf_counter() - start)
    return bytes(written).decode(errors="replace"), rate


@torch.inference_mode()
def cache_difference(model, data, device):
    """Largest difference of logits: with the cache, token by token, and without."""
    tokens = data[:model.context].unsqueeze(0).to(device)
    plain = model(tokens)
    caches, first = model.new_caches(1), model.context // 2
    parts = [model(tokens[:, :first], caches, 0)]
    for index in range(first, model.context):
        parts.append(model(tokens[:, index:index + 1], caches, index))
    return (torch.cat(parts, 1) - plain).abs().max().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_device_argument(parser)
    parser.add_argument("--text", type=Path, help="a text file to learn from")
    parser.add_argument("--steps", type=int, help="training steps (default 3000)")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--context", type=int, default=128, help="bytes the model can see")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--amp", action="store_true", help="mixed precision with bfloat16")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="500 steps")
    parser.add_argument("--prompt", default="The statement ")
    parser.add_argument("--tokens", type=int, default=300, help="bytes to write")
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--target", type=float, default=2.2,
                        help="loss on unseen text that counts as success (nats per byte)")
    parser.add_argument("--out", type=Path, default=Path("runs/generate"))
    options = parser.parse_args()
    if options.steps is None:
        options.steps = 500 if options.quick else 3000
    if options.width % options.heads:
        parser.error(f"--width {options.width} is not a multiple of --heads {options.heads}")
    if not options.prompt:
        parser.error("--prompt is empty: the model needs something to go on from")
    data = read_text(options.text)
    device = pick_device(options.device)
    options.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(options.seed)
    # Made on cpu and moved, so that every device starts from the same numbers.
    model = LanguageModel(options.width, options.depth, options.heads, options.context)
    model.to(device)
    weights = sum(parameter.numel() for parameter in model.parameters())
    say(f"device {device}: {weights / 1e6:.1f} M weights, {len(data) / 1e6:.2f} MB of text, "
        f"{options.steps} steps of {options.batch} x {options.context} bytes")
    start = time.perf_counter()
    with open(options.out / "metrics.jsonl", "w") as metrics:
        loss = train(model, data, options, device, metrics)
    say(f"loss on unseen text {loss:.3f} nats per byte, from {math.log(256):.3f} at the start "
        f"({time.perf_counter() - start:.0f} s)")
    save_atomically({"model": model.state_dict()}, options.out / "model.pt")
    difference = cache_difference(model, data, device)
    text, rate = write(model, options.prompt.encode(), options.tokens, options.temperature,
                       options.seed, device)
    say(f"\n--- written by the model ({rate:.0f} bytes/s) ---\n{text}\n---")
    learned, agrees = loss <= options.target, difference <= 1e-3
    say(f"{'PASSED' if learned and agrees else 'FAILED'}: loss {loss:.3f} (target "
        f"{options.target}), cached and plain logits differ by at most {difference:.1e}")
    return 0 if learned and agrees else 1


if __name__ == "__main__":
    sys.exit(main())
