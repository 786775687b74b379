"""Thirty models and shapes, inference and training: never slower than stock PyTorch?

Every case runs on device="cpu" and on the device in turns; the ratio of the medians should not
be above 1. Training is a forward and backward pass and a step of SGD.
"""

import copy
import sys

from common import Row, arguments, geometric_mean, interleave, report

import torch

# name, batch, dtypes, training too
CASES = [
    ("bert-base-encoder", 1, "fb", True), ("bert-base-encoder", 8, "b", False),
    ("distilbert", 1, "fb", False), ("minilm", 1, "fb", True), ("minilm", 16, "fb", False),
    ("roberta-base", 1, "f", False), ("albert-base", 1, "f", False),
    ("electra-small", 4, "fb", True), ("gpt2", 1, "fb", True), ("opt-125m", 1, "b", False),
    ("llama-small", 1, "fb", False), ("qwen2-small", 1, "b", False), ("t5-small", 1, "fb", False),
    ("vit-base", 1, "fb", False), ("whisper-tiny-encoder", 1, "f", False),
    ("resnet18", 1, "fb", True), ("resnet50", 1, "fb", True), ("resnet50", 16, "fb", False),
    ("resnet101", 1, "f", False), ("mobilenet-v2", 1, "fb", True), ("vgg16", 1, "fb", False),
    ("densenet121", 1, "fb", False), ("convnext-tiny", 1, "fb", False), ("unet", 1, "fb", True),
    ("dcgan", 16, "fb", True), ("autoencoder", 8, "fb", True), ("video", 1, "fb", True),
    ("audio", 1, "fb", True), ("mixer", 1, "fb", True), ("lstm", 4, "fb", True),
    ("gru", 4, "fb", False), ("recommender", 128, "fb", True), ("perceptron", 64, "fb", True),
    ("transformer", 2, "fb", True),
]
DTYPES = {"f": ("float32", None), "b": ("bfloat16", torch.bfloat16)}


def inference(model, inputs, device, dtype):
    def run():
        with torch.inference_mode(), torch.autocast(device, dtype, enabled=dtype is not None):
            model(**inputs)

    return run


def training(model, inputs, device, dtype):
    from torch_xpu_lite.bench.engines import tensor_of

    model.train()
    for module in model.modules():  # no random numbers: both sides do the same work
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)

    def run():
        with torch.autocast(device, dtype, enabled=dtype is not None):
            loss = tensor_of(model(**inputs)).float().square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return run


def main():
    parser = arguments(__doc__.splitlines()[0], rounds=5)
    parser.add_argument("--only", default="", help="cases whose name has this part")
    parser.add_argument("--skip", type=int, default=0, help="leave out so many of the first cases")
    options = parser.parse_args()
    from torch_xpu_lite.bench import models

    if options.threads:
        torch.set_num_threads(options.threads)
    rows = []
    for name, batch, dtypes, train in CASES[options.skip:]:
        model, inputs = None, None
        for letter in dtypes:
            dtype_name, dtype = DTYPES[letter]
            for kind, build in (("inference", inference), ("training", training)):
                title = f"{name} b{batch}, {dtype_name}, {kind}"
                if (kind == "training" and not train) or options.only not in title:
                    continue
                if model is None:
                    model, inputs = models.load(name, batch)
                sides = {}
                for side, device in (("cpu", "cpu"), ("device", options.device)):
                    there = copy.deepcopy(model).to(device)
                    moved = {k: v.to(device) for k, v in inputs.items()}
                    sides[side] = build(there, moved, device, dtype)
                times = interleave(sides, options.rounds, at_least=0.02,
                                   cpu_time=options.cpu_time)
                rows.append(Row(title, times["cpu"], times["device"], 1.0))
                print(f"  {title}: {rows[-1].ratio:.2f}", flush=True)
    if not rows:
        sys.exit(f"no case has {options.only!r} in its name")
    slower = [row.name for row in rows if row.ratio > 1.0]
    report("Thirty models", rows, options.device, options.json,
           [f"geometric mean of the ratios {geometric_mean([r.ratio for r in rows]):.2f}",
            f"slower than stock: {len(slower)} of {len(rows)}" +
            (": " + "; ".join(slower) if slower else "")])


if __name__ == "__main__":
    main()
