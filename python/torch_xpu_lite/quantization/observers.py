"""What a layer's input looks like: ranges of its values, found over calibration data."""

import torch

OBSERVERS = ("minmax", "percentile", "mse")
_ROWS_OF_A_BATCH, _ROWS = 64, 1024  # kept of the input: all features of some rows


class InputObserver:
    """Sees every input of one linear layer.

    Keeps each feature's least and greatest value, and some rows for what needs the values'
    distribution. All on the CPU, so that a long calibration costs no device memory.

    Args:
        features: of the input.
    """

    def __init__(self, features):
        self.low = torch.full((features,), torch.inf)
        self.high = torch.full((features,), -torch.inf)
        self.rows = []
        self.count = 0

    def see(self, values):
        """Adds an input, [..., features]; empty ones are ignored."""
        rows = values.detach().reshape(-1, values.shape[-1])
        if not len(rows):
            return
        low, high = rows.amin(0).float().cpu(), rows.amax(0).float().cpu()
        self.low, self.high = torch.minimum(self.low, low), torch.maximum(self.high, high)
        self.count += 1
        if sum(len(r) for r in self.rows) < _ROWS:
            step = -(-len(rows) // _ROWS_OF_A_BATCH)
            self.rows.append(rows[::step].float().cpu())

    @property
    def largest(self):
        """The greatest size of each feature, [features]."""
        return torch.maximum(self.low.abs(), self.high.abs())

    def range(self, how, factor=None):
        """(low, high) of the values, one range for all features; it holds 0.

        Args:
            how: "minmax": of all values; "percentile": without the outermost 0.01 % of them
                at each end; "mse": of the least squared error in uint8.
            factor: [features] to multiply the input with before, or None.
        """
        factor = torch.ones_like(self.low) if factor is None else factor.float().cpu()
        low = min(0.0, (self.low * factor).min().item())
        high = max(0.0, (self.high * factor).max().item())
        if how == "minmax" or not high > low:
            return low, high
        values = (torch.cat(self.rows) * factor).flatten()
        if how == "percentile":
            values = values.sort().values
            cut = min(len(values) - 1, int(round(1e-4 * len(values))))
            return min(0.0, values[cut].item()), max(0.0, values[-1 - cut].item())
        return _least_error(values, low, high)

    def fits(self, low, high, factor=None):
        """Whether one scale for all inputs is good enough.

        Compares the squared error of uint8 between `low` and `high`, relative to each row's
        own size, with that of a scale for each row. Where a few rows are far larger than the
        others, one scale leaves the others too few steps.
        """
        rows = torch.cat(self.rows) * (1 if factor is None else factor.float().cpu())
        size = rows.square().sum(1).clamp_min(1e-20)
        one = _squared_error(rows, *scale_and_zero(low, high)) / size
        lows, highs = rows.amin(1, True).clamp_max(0), rows.amax(1, True).clamp_min(0)
        scales = ((highs - lows) / 255).clamp_min(1e-20)
        each = _squared_error(rows, scales, (-lows / scales).round()) / size
        return bool(one.mean() <= max(2e-3, 4 * each.mean().item()))


def _squared_error(rows, scale, zero):
    q = (rows / scale + zero).round_().clamp_(0, 255)
    return (q - zero).mul_(scale).sub_(rows).square_().sum(-1)


def _least_error(values, low, high):
    best, found = torch.inf, (low, high)
    values = values[:: max(1, len(values) // 200_000)]
    for i in range(30):
        share = 1 - i / 32
        a, b = low * share, high * share
        scale, zero = scale_and_zero(a, b)
        error = _squared_error(values, scale, zero).item()
        if error < best:
            best, found = error, (a, b)
    return found


def scale_and_zero(low, high):
    """(scale, zero) of uint8 for values between `low` <= 0 and `high` >= 0."""
    scale = (high - low) / 255 if high > low else 1.0
    return scale, int(min(255, max(0, round(-low / scale))))
