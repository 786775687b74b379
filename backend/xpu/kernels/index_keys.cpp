// Where each position of an indexed addition goes, as keys to sort by.

#include "backend/xpu/kernels/index_walk.h"
#include "backend/xpu/kernels/sorted_apply_args.h"

namespace xk {

using xpu_lite::xpu::IndexKeysArgs;

template <class Key, int Most>
inline void index_keys_by(const IndexKeysArgs& args) {
  const IndexArgs& a = args.walk;
  Key* keys = static_cast<Key*>(args.keys);
  auto it = item();
  const int64_t step = it.get_global_range(0);
  for (int64_t i = it.get_global_id(0); i < a.numel; i += step) {
    Place p;
    place_of<0>(a, i, p);
    int64_t offset;
    keys[i] = index_offset<Most>(a, p, 0, offset) ? static_cast<Key>(p.dst + offset)
                                            : static_cast<Key>(~Key{0});
  }
}

template <class Key>
inline void index_keys(const IndexKeysArgs& args) {
  if (args.walk.indices == 1) index_keys_by<Key, 1>(args);
  else index_keys_by<Key, kMaxIndices>(args);
}

} // namespace xk

XK(index_keys_u32, xk::IndexKeysArgs) { xk::index_keys<uint32_t>(args); }
XK(index_keys_u64, xk::IndexKeysArgs) { xk::index_keys<uint64_t>(args); }
