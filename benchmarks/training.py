"""Training steps of BERT-base (forward, backward, AdamW): as ratios to device="cpu"."""

import copy

import torch
from common import Row, arguments, interleave, model_builders, report

builders = model_builders()


def step(model, batch, device, dtype, fused):
    """One step of training on `batch`, in float32 or under autocast."""
    model = model.to(device).train()
    batch = {k: v.to(device) for k, v in batch.items()}
    optimizer = torch.optim.AdamW(model.parameters(), 1e-5, fused=fused or None)

    def run():
        with torch.autocast(device, torch.bfloat16, enabled=dtype == "bfloat16"):
            loss, _ = builders.loss_of(model, batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return run


def main():
    parser = arguments(__doc__.splitlines()[0], rounds=5)
    parser.add_argument("--batches", default="8,1")
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--fused", action="store_true", help="AdamW(fused=True) on both sides")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    rows = []
    for batch_size in map(int, options.batches.split(",")):
        model, batch = builders.bert(options.layers, 768, 128, batch_size, 30522, 12)
        for dtype in options.dtypes.split(","):
            sides = {label: step(copy.deepcopy(model), batch, device, dtype, options.fused)
                     for label, device in (("cpu", "cpu"), ("device", options.device))}
            times = interleave(sides, options.rounds, number=1, cpu_time=options.cpu_time)
            rows.append(Row(f"batch {batch_size}, {dtype}", times["cpu"], times["device"]))
            print(f"  {rows[-1].name}: {rows[-1].ratio:.2f}", flush=True)
    report("Training steps of BERT-base", rows, options.device, options.json)


if __name__ == "__main__":
    main()
