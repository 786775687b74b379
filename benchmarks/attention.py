"""Attention of transformers, forward and backward, and of one token: ratios to device="cpu"."""

import torch
import torch.nn.functional as F
from common import Row, arguments, interleave, report

# name, query [batch, heads, length, width], key and value, causal, masked
SHAPES = [
    ("BERT-base, batch 1", (1, 12, 128, 64), (1, 12, 128, 64), False, False),
    ("BERT-base, batch 8", (8, 12, 128, 64), (8, 12, 128, 64), False, False),
    ("BERT-base, batch 8, masked", (8, 12, 128, 64), (8, 12, 128, 64), False, True),
    ("GPT-2, 1024 tokens", (1, 12, 1024, 64), (1, 12, 1024, 64), True, False),
    ("Llama's groups, 512 tokens", (1, 32, 512, 64), (1, 8, 512, 64), True, False),
    ("one token, 128 kept", (1, 32, 1, 64), (1, 8, 128, 64), False, False),
    ("one token, 1024 kept", (1, 32, 1, 64), (1, 8, 1024, 64), False, False),
    ("one token, 2048 kept", (1, 32, 1, 64), (1, 8, 2048, 64), False, False),
    ("one token, 1024 kept, no groups", (1, 12, 1, 64), (1, 12, 1024, 64), False, False),
]


def side(device, query, key, causal, masked, dtype, train):
    tensors = [torch.randn(s).to(device, dtype).requires_grad_(train) for s in (query, key, key)]
    mask = None
    if masked:
        mask = torch.zeros(query[0], 1, query[2], key[2])
        mask[..., -20:] = torch.finfo(dtype).min
        mask = mask.to(device, dtype)
    weight = torch.ones(query).to(device, dtype)
    options = dict(attn_mask=mask, is_causal=causal, enable_gqa=query[1] != key[1])

    def forward():
        with torch.inference_mode():
            F.scaled_dot_product_attention(*tensors, **options)

    def both():
        out = F.scaled_dot_product_attention(*tensors, **options)
        torch.autograd.grad(out, tensors, weight)

    return both if train else forward


def main():
    parser = arguments(__doc__.splitlines()[0], rounds=11)
    parser.add_argument("--only", help="cases whose name has this part")
    parser.add_argument("--dtypes", default="float32,bfloat16")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    rows = []
    for name, query, key, causal, masked in SHAPES:
        if options.only and options.only not in name:
            continue
        for dtype in options.dtypes.split(","):
            for train in (False, True) if query[2] > 1 else (False,):
                sides = {label: side(device, query, key, causal, masked, getattr(torch, dtype),
                                     train)
                         for label, device in (("cpu", "cpu"), ("device", options.device))}
                times = interleave(sides, options.rounds, cpu_time=options.cpu_time)
                kind = ", forward + backward" if train else ""
                rows.append(Row(f"{name}, {dtype}{kind}", times["cpu"], times["device"]))
    report("Attention", rows, options.device, options.json)


if __name__ == "__main__":
    main()
