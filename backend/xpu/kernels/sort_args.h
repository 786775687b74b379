#pragma once

// Arguments of the sort: pairs of an unsigned key and the place it came from, in rows.
// A key is made of a value so that its order as a number is the order of the values
// (sort_keys.cpp); equal keys keep the order of their places, so every sort is stable.
// Plain C++.

#include <cstdint>

namespace xpu_lite::xpu {

constexpr int kSortTile = 1024; // pairs that one group sorts in local memory

struct SortKeysArgs {
  const void* values; // rows * n, contiguous
  void* keys;
  int64_t numel;
  int32_t descending;
};

// Sorts tiles of a row: the first `keep` of each go to out[row][tile][keep].
struct SortTileArgs {
  const void* keys;
  const uint32_t* places;
  void* out_keys;
  uint32_t* out_places;
  int64_t rows, n;        // n pairs in each row
  int64_t tiles;          // of each row
  int32_t tile;           // pairs of a tile: a power of two, at most kSortTile
  int32_t number;         // the places are 0, 1, 2, ... of each row, not those given
  int32_t keep;           // a tile with fewer pairs is filled with the greatest pair
};

// Merges neighbouring runs of `width` pairs. Places in a run are less than in the next.
struct SortMergeArgs {
  const void* keys;
  const uint32_t* places;
  void* out_keys;
  uint32_t* out_places;
  int64_t rows, n, width;
};

// out_values[row][j] = values[row][place], out_indices[row][j] = place, for the first
// `count` pairs of each row; rows of `places` are `pitch` apart, of `values` n.
struct SortTakeArgs {
  const void* values;
  const uint32_t* places;
  void* out_values;     // may be null
  int64_t* out_indices; // may be null
  int64_t rows, n, pitch, count;
};

// One place of each sorted row.
enum class SortPick : int32_t { Kth, Median, NanMedian, Mode };
struct SortPickArgs {
  const void* keys;
  const uint32_t* places;
  int64_t* out_indices;
  int64_t rows, n, k; // k counts from 0, for Kth
  SortPick pick;
  int32_t has_nan;    // the greatest key means not-a-number
};

} // namespace xpu_lite::xpu
