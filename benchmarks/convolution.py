"""Convolutions of ResNet-50, their gradients, others, and ResNet-50 as a whole, as ratios to
device="cpu"."""

import copy

import torch
import torch.nn.functional as F
from common import Row, arguments, interleave, model_builders, report

builders = model_builders()
# channels, image size, outputs, kernel, stride
RESNET = [(3, 224, 64, 7, 2), (64, 56, 64, 1, 1), (64, 56, 64, 3, 1), (64, 56, 256, 1, 1),
          (256, 56, 64, 1, 1), (256, 56, 128, 1, 1), (128, 56, 128, 3, 2), (128, 28, 512, 1, 1),
          (256, 56, 512, 1, 2), (512, 28, 128, 1, 1), (128, 28, 128, 3, 1), (256, 28, 256, 3, 2),
          (256, 14, 1024, 1, 1), (1024, 14, 256, 1, 1), (256, 14, 256, 3, 1), (512, 14, 512, 3, 2),
          (512, 7, 2048, 1, 1), (2048, 7, 512, 1, 1), (512, 7, 512, 3, 1)]
# The same, then padding, dilation, groups: what is not faster must not be slower either.
OTHERS = [(3, 32, 6, 5, 1, 0, 1, 1), (6, 14, 16, 5, 1, 0, 1, 1), (1, 28, 32, 3, 1, 1, 1, 1),
          (3, 32, 16, 3, 1, 1, 1, 1), (16, 32, 16, 3, 1, 1, 1, 1), (32, 32, 64, 3, 1, 1, 1, 1),
          (3, 224, 768, 16, 16, 0, 1, 1), (64, 112, 32, 3, 1, 1, 1, 1), (8, 64, 8, 3, 1, 1, 1, 1),
          (96, 28, 96, 3, 1, 1, 1, 96), (128, 28, 128, 3, 1, 1, 1, 32), (64, 28, 64, 3, 1, 2, 2, 1),
          (24, 56, 144, 1, 1, 0, 1, 1), (144, 56, 24, 1, 1, 0, 1, 1), (320, 7, 1280, 1, 1, 0, 1, 1),
          (48, 35, 64, 5, 1, 2, 1, 1), (128, 17, 192, 7, 1, 3, 1, 1), (64, 64, 3, 3, 1, 1, 1, 1)]


def inference(run, device, dtype):
    def one():
        with torch.inference_mode(), torch.autocast(device, dtype, enabled=dtype is not None):
            return run()

    return one


def layer(shape, batch, dtype, channels_last):
    channels, size, outputs, kernel, stride = shape[:5]
    padding, dilation, groups = shape[5:] if len(shape) > 5 else (kernel // 2, 1, 1)
    torch.manual_seed(0)
    image = torch.randn(batch, channels, size, size).to(dtype)
    weight = torch.randn(outputs, channels // groups, kernel, kernel).to(dtype)
    if channels_last:
        image = image.contiguous(memory_format=torch.channels_last)
        weight = weight.contiguous(memory_format=torch.channels_last)

    def of(device):
        there, kept = image.to(device), weight.to(device)
        return inference(lambda: F.conv2d(there, kept, None, stride, padding, dilation, groups),
                         "cpu", None)

    return of


def gradient(shape, batch, dtype, channels_last, of_filter):
    """The gradient of the filter or of the input alone, of a weight that changes each time."""
    channels, size, outputs, kernel, stride = shape[:5]
    torch.manual_seed(0)
    image = torch.randn(batch, channels, size, size).to(dtype)
    weight = torch.randn(outputs, channels, kernel, kernel).to(dtype)
    slope = torch.randn_like(F.conv2d(image, weight, None, stride, kernel // 2))
    if channels_last:
        image, weight, slope = (t.contiguous(memory_format=torch.channels_last)
                                for t in (image, weight, slope))

    def of(device):
        x, w, dy = image.to(device), weight.to(device), slope.to(device)

        def one():
            w.mul_(1)
            torch.ops.aten.convolution_backward(
                dy, x, w, None, [stride] * 2, [kernel // 2] * 2, [1, 1], False, [0, 0], 1,
                [not of_filter, of_filter, False])

        return one

    return of


def training(model, batch, device, dtype):
    def one():
        with torch.autocast(device, dtype, enabled=dtype is not None):
            loss, _ = builders.loss_of(model, batch)
        loss.backward()
        for parameter in model.parameters():
            parameter.grad = None

    return one


def whole(batch, dtype, channels_last, train):
    model, data = builders.resnet50(batch, 224)
    model.train(train)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        data["images"] = data["images"].contiguous(memory_format=torch.channels_last)

    def of(device):
        there = copy.deepcopy(model).to(device)
        moved = {k: v.to(device) for k, v in data.items()}
        cast = None if dtype == torch.float32 else dtype
        if train:
            return training(there, moved, device, cast)
        return inference(lambda: there(moved["images"]), device, cast)

    return of


def cases(options):
    for dtype_name in options.dtypes.split(","):
        dtype = getattr(torch, dtype_name)
        for batch in map(int, options.batches.split(",")):
            for channels_last in (True, False):
                end = f"b{batch} {dtype_name} {'channels last' if channels_last else 'contiguous'}"
                for shape in RESNET:
                    yield f"layer {shape} {end}", layer(shape, batch, dtype, channels_last)
                    for name, of_filter in (("filter", True), ("input", False)):
                        yield (f"gradient of {name} {shape} {end}",
                               gradient(shape, batch, dtype, channels_last, of_filter))
                for shape in OTHERS:
                    yield f"other {shape} {end}", layer(shape, batch, dtype, channels_last)
                yield f"resnet50 {end}", whole(batch, dtype, channels_last, False)
                yield f"training resnet50 {end}", whole(batch, dtype, channels_last, True)


def main():
    parser = arguments(__doc__, rounds=9)
    parser.add_argument("--only", help="cases whose name starts so")
    parser.add_argument("--batches", default="1")
    parser.add_argument("--dtypes", default="float32,bfloat16")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    rows = []
    for name, build in cases(options):
        if options.only and not name.startswith(options.only):
            continue
        sides = {"cpu": build("cpu"), "device": build(options.device)}
        number = 1 if "resnet50" in name else None
        times = interleave(sides, options.rounds, number=number, cpu_time=options.cpu_time)
        rows.append(Row(name, times["cpu"], times["device"]))
        print(f"  {name}: {rows[-1].ratio:.2f}", flush=True)
    report("Convolutions", rows, options.device, options.json)


if __name__ == "__main__":
    main()
