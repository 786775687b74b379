"""Trains a small residual network on real images of handwritten digits.

    python train.py                          # the machine's accelerator, else cpu
    python train.py --device cpu --amp bfloat16
    torchrun --nproc-per-node 2 train.py     # two processes, half of each batch each

Any number of processes that divides --batch trains the same: the sampler deals the
images of a batch out to them, the gradients are averaged, and batch normalisation
looks at the whole batch (on the CPU, where torch cannot do that, at each part).

The images are the 1,797 that scikit-learn ships. One in five is kept for the test.
Leaves in --out: last.pt (a checkpoint, for --resume), metrics.jsonl (a line per
epoch, as it ends) and curves.png. Exits with 1 when the accuracy is under --target.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from common import (RANK, WORLD_SIZE, Steps, add_device_argument, load_checkpoint,
                    pick_device, save_atomically, say, synchronize)
from torch import nn
from torch.utils.data import DataLoader, Dataset, DistributedSampler


class Digits(Dataset):
    """Digits as 1 x 16 x 16 images; with `augment`, each slightly turned and moved.

    The augmentation depends on (seed, epoch, index) alone: a run that resumes sees
    the same images as one that was never interrupted, on any device.
    """

    def __init__(self, train, augment=False, seed=0):
        from sklearn.datasets import load_digits

        data = load_digits()
        images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 16
        images = F.interpolate(images, size=16, mode="bilinear", align_corners=False)
        images = (images - 0.305) / 0.376
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(1))
        chosen = order[len(order) // 5:] if train else order[: len(order) // 5]
        self.images, self.labels = images[chosen], torch.tensor(data.target)[chosen]
        self.augment, self.seed, self.epoch = augment, seed, 0

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image, label = self.images[index], self.labels[index]
        if self.augment:
            state = (self.seed * 1_000_003 + self.epoch) * 1_000_003 + index
            turn, zoom, x, y = torch.rand(
                4, generator=torch.Generator().manual_seed(state)).mul(2).sub(1).tolist()
            angle, scale = turn * math.radians(12), 1 + zoom * 0.1
            cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
            matrix = torch.tensor([[[cos, -sin, x * 0.12], [sin, cos, y * 0.12]]])
            grid = F.affine_grid(matrix, (1, 1, 16, 16), align_corners=False)
            image = F.grid_sample(image[None], grid, padding_mode="border",
                                  align_corners=False)[0]
        return image, label


class Block(nn.Module):
    """Two 3 x 3 convolutions and a way around them (He et al., 2015)."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.around = nn.Identity() if inputs == outputs and stride == 1 else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.around(x))


class Network(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, width, 3, 1, 1, bias=False),
                                  nn.BatchNorm2d(width), nn.ReLU())
        self.body = nn.Sequential(Block(width, width, 1), Block(width, 2 * width, 2),
                                  Block(2 * width, 4 * width, 2))
        self.head = nn.Linear(4 * width, 10)

    def forward(self, x):
        return self.head(self.body(self.stem(x)).mean((2, 3)))


def autocast(device, dtype):
    return torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None)


def total(values, device):
    """Sums a list of numbers over all processes."""
    if WORLD_SIZE == 1:
        return values
    tensor = torch.tensor(values, dtype=torch.float32, device=device)
    torch.distributed.all_reduce(tensor)
    return tensor.tolist()


def evaluate(model, loader, device, dtype):
    """Loss and accuracy over the test images of all processes."""
    model.eval()
    loss, right, seen = 0.0, 0, 0
    with torch.inference_mode(), autocast(device, dtype):
        for images, labels in loader:
            images, labels = images.to(device, non_blocking=True), labels.to(device)
            logits = model(images).float()
            loss += F.cross_entropy(logits, labels, reduction="sum").item()
            right += (logits.argmax(1) == labels).sum().item()
            seen += len(labels)
    loss, right, seen = total([loss, right, seen], device)
    return loss / seen, right / seen


def draw(history, path, title):
    """Curves of loss and accuracy as a PNG; without matplotlib, only a line that says so."""
    try:
        import matplotlib
    except ImportError:
        say("no picture: matplotlib is not installed")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    epochs = [row["epoch"] for row in history]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4))
    for axis, key, label in ((left, "loss", "loss"), (right, "accuracy", "accuracy (%)")):
        scale = 100 if key == "accuracy" else 1
        for part in ("train", "test"):
            axis.plot(epochs, [scale * row[f"{part}_{key}"] for row in history], label=part)
        axis.set_xlabel("epoch")
        axis.set_ylabel(label)
        axis.grid(alpha=0.3)
        axis.legend()
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def train(options, device, out):
    """Runs all epochs and returns one record per epoch."""
    dtype = None if options.amp == "off" else getattr(torch, options.amp)
    torch.manual_seed(options.seed)
    pin = device.type != "cpu"
    train_set = Digits(train=True, augment=True, seed=options.seed)
    test_set = Digits(train=False)
    # It deals out one order of the images, so that all processes together have in each
    # step the batch of a single one.
    sampler = DistributedSampler(train_set, WORLD_SIZE, RANK, seed=options.seed, drop_last=True)
    loader = DataLoader(train_set, options.batch // WORLD_SIZE, sampler=sampler, pin_memory=pin,
                        drop_last=True, num_workers=options.workers)
    test_loader = DataLoader(test_set, 256, sampler=range(RANK, len(test_set), WORLD_SIZE),
                             pin_memory=pin)

    model = network = Network(options.width).to(device)
    if WORLD_SIZE > 1:
        if device.type != "cpu":
            model = network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        model = nn.parallel.DistributedDataParallel(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=options.lr, weight_decay=0.05)
    steps, warmup = options.epochs * len(loader), len(loader)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warmup,
                                    0.5 + 0.5 * math.cos(math.pi * min(step / steps, 1))))
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
    loss_function = nn.CrossEntropyLoss(label_smoothing=0.05)

    history, first = [], 0
    checkpoint = out / "last.pt"
    if options.resume:
        state = load_checkpoint(checkpoint, device)
        network.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        scaler.load_state_dict(state["scaler"])
        history, first = state["history"], state["epoch"] + 1
        say(f"resumed after epoch {first} from {checkpoint}")
    metrics = out / "metrics.jsonl"
    if RANK == 0:
        metrics.write_text("".join(json.dumps(row) + "\n" for row in history))

    stop = options.epochs if options.stop_after is None else options.stop_after
    for epoch in range(first, min(options.epochs, stop)):
        # Every random choice follows from (seed, epoch), so a resumed run is the same run.
        train_set.epoch = epoch
        sampler.set_epoch(epoch)
        model.train()
        loss_sum = torch.zeros((), device=device)
        right = torch.zeros((), device=device)
        synchronize(device)
        start = time.perf_counter()
        with Steps(f"epoch {epoch + 1:2}", len(loader)) as progress:
            for images, labels in loader:
                images = images.to(device, non_blocking=True)
                labels = labels.to(device, non_blocking=True)
                with autocast(device, dtype):
                    logits = model(images)
                    loss = loss_function(logits, labels)
                optimizer.zero_grad(set_to_none=True)
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
                schedule.step()
                loss_sum += loss.detach() * len(labels)
                right += (logits.detach().argmax(1) == labels).sum()
                progress.advance()
        synchronize(device)
        seconds = time.perf_counter() - start
        seen = len(loader) * loader.batch_size
        loss_all, right_all, seen_all = total([loss_sum.item(), right.item(), seen], device)
        test_loss, test_accuracy = evaluate(model, test_loader, device, dtype)
        row = {
            "epoch": epoch + 1, "train_loss": loss_all / seen_all,
            "train_accuracy": right_all / seen_all, "test_loss": test_loss,
            "test_accuracy": test_accuracy, "lr": schedule.get_last_lr()[0],
            "images_per_second": seen_all / seconds, "seconds": seconds,
        }
        history.append(row)
        if RANK == 0:
            with open(metrics, "a") as file:
                file.write(json.dumps(row) + "\n")
            save_atomically({
                "model": network.state_dict(), "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(), "scaler": scaler.state_dict(),
                "history": history, "epoch": epoch,
            }, checkpoint)
        say(f"epoch {epoch + 1:2}/{options.epochs}  train loss {row['train_loss']:.4f}  "
            f"accuracy {row['train_accuracy']:.2%}  |  test loss {test_loss:.4f}  "
            f"accuracy {test_accuracy:.2%}  |  {row['images_per_second']:.0f} images/s")
    return history


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_device_argument(parser)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=64, help="of all processes together")
    parser.add_argument("--lr", type=float, default=4e-3)
    parser.add_argument("--width", type=int, default=16, help="channels of the first stage")
    parser.add_argument("--amp", choices=["off", "bfloat16", "float16"], default="off",
                        help="automatic mixed precision")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=0, help="DataLoader processes")
    parser.add_argument("--out", type=Path, default=Path("runs/train"))
    parser.add_argument("--resume", action="store_true", help="go on from --out/last.pt")
    parser.add_argument("--stop-after", type=int, metavar="EPOCH",
                        help="stop early, to be resumed")
    parser.add_argument("--target", type=float, default=0.98,
                        help="test accuracy that counts as success (default 0.98)")
    options = parser.parse_args()
    if options.batch % WORLD_SIZE:
        parser.error(f"--batch {options.batch} cannot be shared by {WORLD_SIZE} processes")
    device = pick_device(options.device)
    if WORLD_SIZE > 1:
        torch.distributed.init_process_group(
            torch.distributed.get_default_backend_for_device(device.type))
    options.out.mkdir(parents=True, exist_ok=True)
    say(f"device {device}, {torch.get_num_threads()} threads, {WORLD_SIZE} process(es), "
        f"mixed precision {options.amp}, torch {torch.__version__}")
    start = time.perf_counter()
    history = train(options, device, options.out)
    if WORLD_SIZE > 1:
        torch.distributed.destroy_process_group()
    if RANK != 0 or not history:
        return 0
    accuracy, done = history[-1]["test_accuracy"], len(history) == options.epochs
    draw(history, options.out / "curves.png",
         f"digits on {device}: {accuracy:.2%} of the test images right")
    say(f"\nwrote {options.out}/last.pt, metrics.jsonl, curves.png "
        f"in {time.perf_counter() - start:.0f} s")
    if not done:
        say(f"STOPPED after epoch {len(history)} of {options.epochs}; --resume goes on")
        return 0
    passed = accuracy >= options.target
    say(f"{'PASSED' if passed else 'FAILED'}: test accuracy {accuracy:.2%} on {device} "
        f"(target {options.target:.2%})")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
