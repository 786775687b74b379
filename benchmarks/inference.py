"""BERT-base and ResNet-50, batch 1 and more, float32 and bfloat16: this device in eager mode and
optimized, stock PyTorch, and the engines a user could export to, where they are installed."""

import json
import sys

from common import arguments, machine

import torch

CASES = [("bert-base-encoder", 1), ("bert-base-encoder", 8), ("resnet50", 1), ("resnet50", 16)]


def main():
    parser = arguments(__doc__.splitlines()[0], rounds=9)
    parser.add_argument("--only", default="", help="cases whose name has this part")
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--engines", default="cpu,xpu_lite,optimized,inductor,openvino,onnxruntime")
    options = parser.parse_args()
    from torch_xpu_lite.bench import engines, models
    from torch_xpu_lite.bench.command import compare, show

    if options.threads:
        torch.set_num_threads(options.threads)
    for line in machine(options.device):
        print(f"  {line}")
    names = []
    for name in options.engines.split(","):
        reason = engines.missing(name)
        print(f"  {reason}: left out") if reason else names.append(name)
    rows = []
    for model_name, batch in CASES:
        title = f"{model_name} b{batch}"
        if options.only not in title:
            continue
        model, inputs = models.load(model_name, batch)
        for dtype in options.dtypes.split(","):
            print(f"{title}, {dtype}", flush=True)
            found = compare(model, inputs, [dtype], names, options.rounds, options.device)
            show(found)
            sys.stdout.flush()
            rows += [{"case": title, **row} for row in found]
    if options.json:
        with open(options.json, "w") as out:
            json.dump({"machine": machine(options.device), "rows": rows}, out, indent=1)


if __name__ == "__main__":
    main()
