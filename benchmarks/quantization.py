"""int8 and int4 against this device's own bfloat16, as ratios of time, and int8 against the
speed of this machine's fastest int8 product, which is measured in the same run.

    python benchmarks/quantization.py                   # BERT-base, ResNet-50, one-token decoding
    python benchmarks/quantization.py --only decode --rounds 9

Sides take turns in one process; what is printed are medians. bfloat16 is autocast, after
`torch_xpu_lite.optimize()` unless --plain is given; so are the quantized models.
"""


import torch
import torch.nn.functional as F
import torch_xpu_lite
from common import arguments, interleave, machine, model_builders
from torch import nn

builders = model_builders()


def int8_bound(device, size=2048, rounds=7):
    """Operations a second of the fastest int8 product of size^3: ours, or torch's on the CPU."""
    a = torch.randint(0, 255, (size, size), dtype=torch.uint8)
    w = torch.randint(-127, 127, (size, size), dtype=torch.int8)
    scale, one = torch.ones(size) / size, torch.ones(1)
    there = [t.to(device) for t in (a, w, scale, one)]
    sides = {"ours": lambda: torch.ops.xpu_lite.int8_linear(
        there[0], there[1], there[2], input_scale=there[3], out_dtype=torch.bfloat16)}
    signed = a.to(torch.int8)
    sides["torch"] = lambda: torch._int_mm(signed, w.t())
    times = interleave(sides, rounds, number=1)
    return {side: 2 * size ** 3 / seconds for side, seconds in times.items()}


def products(model, *args):
    """Operations in the linear layers and convolutions of one pass."""
    total = 0

    def count(module, inputs, result):
        nonlocal total
        channels = result.shape[-1 if isinstance(module, nn.Linear) else 1]
        total += 2 * result.numel() // channels * module.weight.numel()

    hooks = [m.register_forward_hook(count) for m in model.modules()
             if isinstance(m, (nn.Linear, nn.Conv2d))]
    with torch.no_grad():
        model(*args)
    for hook in hooks:
        hook.remove()
    return total


def prepared(model, options):
    """As a user would: optimized, if this build has it."""
    if options.plain or not hasattr(torch_xpu_lite, "optimize"):
        return model
    return torch_xpu_lite.optimize(model)


def runner(model, device, *args, **kwargs):
    def run():
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16):
            return model(*args, **kwargs)

    return run


def bert(options, bound):
    for batch in (1, 8):
        model, inputs = builders.bert_base(128, batch)
        model = model.bert.eval()
        inputs = {k: v.to(options.device) for k, v in inputs.items() if k != "labels"}
        operations = products(model, inputs["input_ids"].cpu())
        model = model.to(options.device)
        variants = {"bfloat16": model,
                    "static int8": torch_xpu_lite.quantize(model, [inputs]),
                    "dynamic int8": torch_xpu_lite.quantize(model, mode="dynamic"),
                    "weight-only int8": torch_xpu_lite.quantize(model, mode="weight_only")}
        sides = {name: runner(prepared(m, options), options.device, **inputs)
                 for name, m in variants.items()}
        times = interleave(sides, options.rounds, number=1)
        for name, seconds in times.items():
            line = f"BERT-base, 128 tokens, batch {batch}, {name}"
            note = f"{operations / seconds / bound:.0%} of the bound" if name[-4:] == "int8" else ""
            show(line, seconds, times["bfloat16"] / seconds, note)


def resnet(options, bound):
    for batch in (1, 16):
        model, data = builders.resnet50(batch, 224)
        model = model.eval().to(memory_format=torch.channels_last)
        images = data["images"].contiguous(memory_format=torch.channels_last)
        operations = products(model, images)
        model, images = model.to(options.device), images.to(options.device)
        variants = {"bfloat16": model, "static int8": torch_xpu_lite.quantize(model, [images[:1]])}
        sides = {name: runner(prepared(m, options), options.device, images)
                 for name, m in variants.items()}
        for side in sides.values():  # fused graphs compare themselves at the first call
            side(), side()
        times = interleave(sides, options.rounds, number=1)
        for name, seconds in times.items():
            note = f"{operations / seconds / bound:.0%} of the bound" if name[-4:] == "int8" else ""
            show(f"ResNet-50, batch {batch}, {name}", seconds, times["bfloat16"] / seconds, note)


class Decoder(nn.Module):
    """The weights of a Llama-shaped decoder of about 0.3 G parameters, one token at a time,
    without a cache of keys: what is measured is how fast weights are read."""

    def __init__(self, width=1024, inner=2816, layers=16, vocabulary=32000):
        super().__init__()
        self.blocks = nn.ModuleList(nn.ModuleDict({
            "norm1": nn.RMSNorm(width), "norm2": nn.RMSNorm(width),
            "qkv": nn.Linear(width, 3 * width, bias=False), "out": nn.Linear(width, width, bias=False),
            "gate": nn.Linear(width, inner, bias=False), "up": nn.Linear(width, inner, bias=False),
            "down": nn.Linear(inner, width, bias=False)}) for _ in range(layers))
        self.norm, self.head = nn.RMSNorm(width), nn.Linear(width, vocabulary, bias=False)

    def forward(self, x):
        for block in self.blocks:
            query, key, value = block["qkv"](block["norm1"](x)).chunk(3, -1)
            x = x + block["out"](query + key + value)
            inner = block["norm2"](x)
            x = x + block["down"](F.silu(block["gate"](inner)) * block["up"](inner))
        return self.head(self.norm(x))


def decode(options, bound):
    torch.manual_seed(0)
    model = Decoder().eval().to(torch.bfloat16).to(options.device)
    x = torch.randn(1, 1, 1024, dtype=torch.bfloat16, device=options.device)
    variants = {"bfloat16": model,
                "int8 weights": torch_xpu_lite.quantize(model, mode="weight_only"),
                "int4 weights": torch_xpu_lite.quantize(model, mode="weight_only", bits=4)}

    def side(m):
        def run():
            with torch.inference_mode():
                return m(x)

        return run

    times = interleave({name: side(m) for name, m in variants.items()}, options.rounds, number=1)
    for name, seconds in times.items():
        show(f"one token, 0.26 G weights, {name}", seconds, times["bfloat16"] / seconds,
             f"{1 / seconds:.0f} tokens/s")


def show(name, seconds, ratio, note=""):
    print(f"{name:56}{1e3 * seconds:10.2f} ms {ratio:8.2f} times bfloat16's speed   {note}", flush=True)


CASES = {"bert": bert, "resnet": resnet, "decode": decode}


def main():
    parser = arguments(__doc__.splitlines()[0], rounds=9)
    parser.add_argument("--only", choices=list(CASES), help="one case")
    parser.add_argument("--plain", action="store_true", help="without optimize()")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    print("\n".join(machine(options.device)))
    found = int8_bound(options.device)
    bound = max(found.values())
    print("int8 product of 2048^3: " + ", ".join(f"{k} {v / 1e9:.0f} GOP/s" for k, v in found.items()))
    for name, case in CASES.items():
        if options.only in (None, name):
            case(options, bound)


if __name__ == "__main__":
    main()
