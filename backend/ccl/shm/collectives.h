#pragma once

// The collectives in shared memory, each a sequence of steps on a Board. Arguments as
// in Transport; the group has at least two ranks. Sizes below: n ranks, N bytes, c
// what a slot takes. "Copies" are of one rank, through the cache.

#include "backend/ccl/shm/board.h"
#include "backend/ccl/transport.h"

namespace xpu_lite::ccl::shm {

// Small: one step, everybody reads everybody: N copied in, (n-1) N read.
// Large: in blocks, each a step that scatters what others reduce and one that gathers
// their results: 2 ceil(N / (n c / (n-1))) steps, N copied in, 2 N (n-1)/n read.
void all_reduce(Board&, const Call&, const void* in, void* out, size_t count, DataType,
                const Reduction&);
// As all_reduce, but only the root gathers; with two ranks, or if small, the root
// reads all the others itself: ceil(N / c) steps.
void reduce(Board&, const Call&, const void* in, void* out, size_t count, DataType,
            const Reduction&, int root);
// ceil(N / c) steps: the root copies N in, everybody else N out.
void broadcast(Board&, const Call&, void* data, size_t bytes, int root);
// ceil(N / c) steps, N the largest piece: a rank copies its own in and the others' out.
void all_gather(Board&, const Call&, ConstSlice in, const Slice* outs);
// As all_gather, but only the root copies out, and tells the largest size first.
void gather(Board&, const Call&, ConstSlice in, const Slice* outs, int root);
// ceil(N / (c / (n-1))) steps, N the largest piece, which the root tells.
void scatter(Board&, const Call&, const ConstSlice* ins, Slice out, int root);
// ceil(N / (c / (n-1))) steps, N the largest piece: (n-1) N copied in and read.
void reduce_scatter(Board&, const Call&, const void* const* ins, const size_t* counts, void* out,
                    DataType, const Reduction&);
// As reduce_scatter without the reduction; the sizes travel with the first step.
void all_to_all(Board&, const Call&, const ConstSlice* ins, const Slice* outs);
// One step.
void barrier(Board&, const Call&);

// Copies a piece of a result of `total` bytes out of a slot. Results larger than the
// caches go past them: their lines would be read from memory only to be overwritten.
void take(void* to, const std::byte* slot, size_t bytes, size_t total);
// The rank's own piece of a collective that gives it to itself.
void copy_own(Slice to, ConstSlice from);

} // namespace xpu_lite::ccl::shm
