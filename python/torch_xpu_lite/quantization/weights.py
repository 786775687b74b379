"""Weights to integers: per row int8, and group-wise int8 or int4."""

import torch


def rows_to_int8(weight):
    """Symmetric int8 with a scale for each row.

    Args:
        weight: float [n, k].
    Returns:
        (int8 [n, k], float32 [n]): ``weight`` is about ``q * scale[:, None]``.
    """
    weight = weight.detach().float()
    scale = weight.abs().amax(1).div(127)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    q = (weight / scale[:, None]).round().clamp(-127, 127)
    return q.to(torch.int8), scale


def _rounded(groups, scale, zero, bits):
    least, most = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return (groups / scale + zero).round_().clamp_(least, most)


def _fit(groups, bits, symmetric):
    """Scale and zero point of each group, [n, groups, 1], of a small squared error: the best
    of ranges from all of the group's values down to 70 % of them, then least squares for scale
    and offset and new rounding in turns."""
    low, high = groups.amin(-1, True), groups.amax(-1, True)
    least, most = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    best = torch.full_like(low, torch.inf)
    scale, zero = torch.ones_like(low), torch.zeros_like(low)

    def consider(step, origin):
        nonlocal best, scale, zero
        q = _rounded(groups, step, origin, bits)
        error = ((q - origin) * step - groups).square_().sum(-1, True)
        better = error < best
        best = torch.where(better, error, best)
        scale, zero = torch.where(better, step, scale), torch.where(better, origin, zero)

    def nonzero(step):
        return torch.where(step != 0, step, torch.ones_like(step))

    for shrink in (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7):
        if symmetric:
            # The value of greatest size takes the integer of greatest size, -2^(bits - 1).
            step = nonzero(torch.where(high > -low, high, low) * shrink / least)
            consider(step, torch.zeros_like(step))
        else:
            middle, width = (high + low) / 2, (high - low) * shrink
            step = nonzero(width / (most - least))
            consider(step, least - (middle - width / 2) / step)
    for _ in range(8 if bits == 4 else 0):
        q = _rounded(groups, scale, zero, bits)
        if symmetric:
            step = (q * groups).sum(-1, True) / nonzero((q * q).sum(-1, True))
            step = torch.where(step != 0, step, scale)
            consider(step, torch.zeros_like(step))
        else:
            q_mean, mean = q.mean(-1, True), groups.mean(-1, True)
            spread = (q - q_mean).square().sum(-1, True)
            step = ((q - q_mean) * (groups - mean)).sum(-1, True) / nonzero(spread)
            step = torch.where(step != 0, step, scale)
            consider(step, q_mean - mean / step)
    return scale, zero


def groups_to_ints(weight, bits, group, symmetric=False):
    """Integers of `bits` bits with a scale, and a zero point unless symmetric, for each
    `group` columns of a row.

    Args:
        weight: float [n, k]; k even for 4 bits.
        bits: 4 or 8.
        group: columns of a group; the last one may be shorter.
        symmetric: no zero points.
    Returns:
        (q, scale, zero): q int8 [n, k], or for 4 bits uint8 [n, k / 2] with value + 8, the even
        column in the low half; scale and zero float32 [n, groups], zero None if symmetric.
    """
    weight = weight.detach().float()
    n, k = weight.shape
    count = -(-k // group)
    # The last group is filled with its row's last value, which lies within its range.
    padded = torch.cat((weight, weight[:, -1:].expand(n, count * group - k)), 1)
    padded = padded.view(n, count, group)
    scale, zero = _fit(padded, bits, symmetric)
    q = _rounded(padded, scale, zero, bits).view(n, -1)[:, :k].to(torch.int8)
    if bits == 4:
        halves = (q + 8).to(torch.uint8)
        q = halves[:, 0::2] | halves[:, 1::2] << 4
    return q.contiguous(), scale[..., 0].contiguous(), None if symmetric else zero[..., 0].contiguous()


def ints_to_floats(q, scale, zero, group):
    """The weight that :func:`groups_to_ints` stands for, float32 [n, k]."""
    if q.dtype == torch.uint8:
        q = torch.stack((q & 15, q >> 4), -1).flatten(1).to(torch.int8) - 8
    k = q.shape[1]
    wide = lambda t: t.repeat_interleave(group, 1)[:, :k]  # noqa: E731
    return (q.float() - (0 if zero is None else wide(zero))) * wide(scale)
