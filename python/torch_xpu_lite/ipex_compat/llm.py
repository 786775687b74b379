"""``ipex.llm``: decoder models."""

import torch
from torch_xpu_lite.ipex_compat import front_end

__all__ = ["optimize"]


def optimize(model, optimizer=None, dtype=torch.float, inplace=False, device="cpu",
             quantization_config=None, qconfig_summary_file=None, low_precision_checkpoint=None,
             sample_inputs=None, deployment_mode=True, cache_weight_for_large_batch=False):
    """``ipex.llm.optimize`` for inference: the parameters are cast to `dtype`, and the model
    is optimized.

    Args:
        dtype: ``torch.float``, ``torch.bfloat16`` or ``torch.half``.
        device: "cpu": the model takes and gives CPU tensors; "xpu_lite": tensors of the device.
        quantization_config: a ``mode`` or ``bits`` as an attribute or a dict of arguments of
            ``torch_xpu_lite.quantize``; None for none.

    Raises:
        ValueError: another dtype or device.
        NotImplementedError: checkpoints that are quantized already, or an optimizer.
    """
    if dtype not in (torch.float, torch.bfloat16, torch.half):
        raise ValueError(f"llm.optimize: dtype must be torch.float, torch.bfloat16 or torch.half, got {dtype}")
    if device not in ("cpu", "xpu_lite"):
        raise ValueError(f'llm.optimize: device must be "cpu" or "xpu_lite", got {device!r}')
    if optimizer is not None or low_precision_checkpoint is not None or qconfig_summary_file is not None:
        raise NotImplementedError(
            "llm.optimize: optimizer, low_precision_checkpoint and qconfig_summary_file are not supported; "
            "torch_xpu_lite.quantize quantizes a float checkpoint")
    if not inplace:
        import copy

        model = copy.deepcopy(model)
    model = model.eval().to(dtype)
    if quantization_config is not None:
        from torch_xpu_lite import quantize

        config = quantization_config if isinstance(quantization_config, dict) else {
            k: getattr(quantization_config, k) for k in ("mode", "bits") if hasattr(quantization_config, k)}
        model = quantize(model, **{"mode": "weight_only", **config})
    if device == "xpu_lite":
        model = model.to("xpu_lite")
    return front_end.optimize(model, inplace=True, sample_input=sample_inputs)
