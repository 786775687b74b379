"""BERT-base and ResNet-50: inference and training steps, as ratios to device="cpu"."""

import copy

import torch
from common import Row, arguments, interleave, model_builders, report

builders = model_builders()
CASES = {
    "BERT-base, 128 tokens": lambda: builders.bert_base(128, 1),
    "ResNet-50, 224x224": lambda: builders.resnet50(1, 224),
}


def inference(model, batch, device, dtype):
    def run():
        with torch.inference_mode(), torch.autocast(device, dtype, enabled=dtype is not None):
            return builders.loss_of(model, batch)[1]

    return run


def training(model, batch, device, dtype):
    def run():
        with torch.autocast(device, dtype, enabled=dtype is not None):
            loss, _ = builders.loss_of(model, batch)
        loss.backward()
        for parameter in model.parameters():
            parameter.grad = None

    return run


def main():
    parser = arguments(__doc__.splitlines()[0], rounds=7)
    parser.add_argument("--only", help="cases whose name has this part")
    parser.add_argument("--dtypes", default="float32,bfloat16")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    rows = []
    for name, make in CASES.items():
        if options.only and options.only not in name:
            continue
        model, batch = make()
        model.eval()
        for dtype_name in options.dtypes.split(","):
            dtype = None if dtype_name == "float32" else getattr(torch, dtype_name)
            for kind, build in (("inference", inference), ("forward + backward", training)):
                sides = {}
                for side, device in (("cpu", "cpu"), ("device", options.device)):
                    there = copy.deepcopy(model).to(device)
                    moved = {k: v.to(device) for k, v in batch.items()}
                    sides[side] = build(there, moved, device, dtype)
                times = interleave(sides, options.rounds, number=1,
                                   cpu_time=options.cpu_time)
                rows.append(Row(f"{name}, {dtype_name}, {kind}", times["cpu"], times["device"]))
                print(f"  {rows[-1].name}: {rows[-1].ratio:.2f}", flush=True)
    report("Models", rows, options.device, options.json)


if __name__ == "__main__":
    main()
