"""Checks that the optimizers share."""


def at_least(name: str, low: float, **values) -> None:
    """Raises ValueError naming the first value below `low`, or that is not a number."""
    for key, value in values.items():
        if not value >= low:
            raise ValueError(f"{name}: {key}={value} must be at least {low}")


def refuse_sparse(name: str, grad) -> None:
    if grad.is_sparse:
        raise RuntimeError(f"{name}: sparse gradients are not supported, got one of shape "
                           f"{tuple(grad.shape)}")
