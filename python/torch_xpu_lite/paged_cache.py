"""A key/value cache in pages, for decoding many sequences of different lengths at once.

Kwon et al., "Efficient memory management for large language model serving with PagedAttention",
2023: sequences take pages of a common pool as they grow, and give them back when they end.
"""

import torch

__all__ = ["PagedCache"]


class PagedCache:
    """Keys and values of one attention layer.

    Args:
        pages: how many there are, for all sequences.
        rows: tokens of a page; multiples of 16 are read where they lie, others are copied first.
        kv_heads, width: of a token's keys and values.
        value_width: of its values; None for `width`.
        dtype, device: of the cache; the device's decoding kernels are for "xpu_lite".

    ``key_cache`` and ``value_cache`` are ``[pages, kv_heads, rows, width]``.

    Raises:
        ValueError: a size that is not positive.
    """

    def __init__(self, pages, rows, kv_heads, width, *, value_width=None, dtype=torch.bfloat16,
                 device="xpu_lite"):
        sizes = dict(pages=pages, rows=rows, kv_heads=kv_heads, width=width)
        for name, size in sizes.items():
            if size <= 0:
                raise ValueError(f"PagedCache: {name} must be positive, got {size}")
        self.key_cache = torch.zeros(pages, kv_heads, rows, width, dtype=dtype, device=device)
        self.value_cache = torch.zeros(pages, kv_heads, rows, value_width or width, dtype=dtype,
                                       device=device)
        self.rows = rows
        self._free = list(range(pages - 1, -1, -1))
        self._pages = {}  # sequence: its pages, in order
        self._lengths = {}

    @property
    def free_pages(self) -> int:
        return len(self._free)

    def length(self, sequence) -> int:
        """Tokens kept of `sequence` (any hashable name); 0 for one never seen."""
        return self._lengths.get(sequence, 0)

    def append(self, sequences, key, value) -> None:
        """Keeps one more token for each entry of `sequences`.

        Args:
            sequences: their names; a name that comes n times gets n tokens, in this order.
            key: ``[tokens, kv_heads, width]``; value: ``[tokens, kv_heads, value_width]``.

        Raises:
            ValueError: not as many tokens as names, or another shape, dtype or device.
            RuntimeError: no page is left. Nothing was kept then.
        """
        if len(sequences) != key.shape[0]:
            raise ValueError(f"PagedCache.append: {len(sequences)} sequences for a key of shape "
                             f"{list(key.shape)}")
        lengths = {name: self.length(name) for name in sequences}
        slots, taken = [], {name: list(self._pages.get(name, ())) for name in lengths}
        left = list(self._free)
        for name in sequences:
            if lengths[name] == len(taken[name]) * self.rows:
                if not left:
                    raise RuntimeError(f"PagedCache: all {self.key_cache.shape[0]} pages of "
                                       f"{self.rows} rows are taken; free() sequences that ended")
                taken[name].append(left.pop())
            slots.append(taken[name][-1] * self.rows + lengths[name] % self.rows)
            lengths[name] += 1
        place = torch.tensor(slots, dtype=torch.int64, device=self.key_cache.device)
        torch.ops.xpu_lite.write_paged_cache_(self.key_cache, self.value_cache, key, value, place)
        self._free = left
        self._pages.update(taken)
        self._lengths.update(lengths)

    def tables(self, sequences):
        """``(block_tables [sequences, pages], context_lengths [sequences])`` in int32."""
        most = max((len(self._pages.get(name, ())) for name in sequences), default=0)
        rows = [[*(own := self._pages.get(name, ())), *[0] * (most - len(own))]
                for name in sequences]
        device = self.key_cache.device
        table = torch.tensor(rows, dtype=torch.int32, device=device).reshape(len(sequences), most)
        lengths = torch.tensor([self.length(name) for name in sequences], dtype=torch.int32,
                               device=device)
        return table, lengths

    def attend(self, sequences, query, *, scale=None, bias=None):
        """Attention of one new token of each sequence to all its kept ones.

        Args:
            query: ``[sequences, heads, width]``; `kv_heads` divides heads.
            scale: of the scores; None for ``1 / sqrt(width)``.
            bias: added to the scores, ``[sequences, heads, 1, keys]`` or 1 in the first two.

        Returns:
            ``[sequences, heads, value_width]``; zeros for a sequence without tokens.
        """
        table, lengths = self.tables(sequences)
        return torch.ops.xpu_lite.paged_attention(query, self.key_cache, self.value_cache, table,
                                                  lengths, scale=scale, bias=bias)

    def free(self, sequence) -> None:
        """Gives back the pages of `sequence`; without effect for one never seen."""
        self._free += reversed(self._pages.pop(sequence, ()))
        self._lengths.pop(sequence, None)
