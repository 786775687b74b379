"""``ipex.llm``: decoder models."""

import torch
from torch_xpu_lite.ipex_compat import front_end

__all__ = ["modules", "optimize"]


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


class PagedAttention:
    """``ipex.llm.modules.PagedAttention``: decoding from a cache in pages. Tensors are of the
    device or of the CPU; caches are ``[pages, kv_heads, rows, width]``."""

    @classmethod
    def reshape_and_cache(cls, key, value, key_cache, value_cache, slot_mapping, *_scales):
        """Keeps key and value ``[tokens, kv_heads, width]`` in the rows `slot_mapping` names."""
        torch.ops.xpu_lite.write_paged_cache_(key_cache, value_cache, key, value, slot_mapping)

    @classmethod
    def single_query_cached_kv_attention(cls, output, query, key_cache, value_cache, head_mapping,
                                         scale, block_tables, context_lens, block_size,
                                         max_context_len, alibi_slopes=None):
        """One token of each sequence against its cache, into `output` ``[sequences, heads, width]``.

        `head_mapping` must be what the sizes say: each head of keys serves
        ``heads / kv_heads`` heads of queries, in order.

        Raises:
            ValueError: `block_size` is not the cache's.
        """
        if block_size != key_cache.shape[2]:
            raise ValueError(f"single_query_cached_kv_attention: block_size is {block_size}, but "
                             f"key_cache has shape {list(key_cache.shape)}")
        bias = None
        if alibi_slopes is not None:
            place = torch.arange(max_context_len, device=query.device)
            behind = place - context_lens.reshape(-1, 1, 1, 1).to(place.dtype) + 1
            bias = alibi_slopes.to(torch.float32).reshape(1, -1, 1, 1) * behind
        output.copy_(torch.ops.xpu_lite.paged_attention(
            query, key_cache, value_cache, block_tables, context_lens, scale=scale, bias=bias))


class modules:  # noqa: N801 - a namespace of ipex.llm
    """``ipex.llm.modules``."""

    PagedAttention = PagedAttention
