// What memory gives a plain C++ program with all cores: the reference of
// benchmarks/sycl.py. Reads one line per measurement, "triad N REPEATS" (floats), and
// answers with the seconds of one pass over a = b + s * c.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

namespace {

struct Free {
  void operator()(float* p) const { std::free(p); }
};
using Array = std::unique_ptr<float[], Free>;

Array make(long n) {
  const size_t bytes = (static_cast<size_t>(n) * sizeof(float) + 4095) / 4096 * 4096;
  Array array(static_cast<float*>(std::aligned_alloc(4096, bytes)));
  if (!array) std::exit(2);
  float* p = array.get();
#pragma omp parallel for schedule(static)
  for (long i = 0; i < n; ++i) p[i] = 1.0f;
  return array;
}

double triad(long n, int repeats) {
  static long size = 0;
  static Array a, b, c;
  if (size != n) {
    a.reset(), b.reset(), c.reset();
    a = make(n), b = make(n), c = make(n);
    size = n;
  }
  float* const __restrict x = a.get();
  const float *const __restrict y = b.get(), *const __restrict z = c.get();
  const auto start = std::chrono::steady_clock::now();
  for (int r = 0; r < repeats; ++r) {
    const float s = 1.0f + static_cast<float>(r) * 1e-3f;
#pragma omp parallel for simd schedule(static)
    for (long i = 0; i < n; ++i) x[i] = y[i] + s * z[i];
  }
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  return time.count() / repeats;
}

} // namespace

int main() {
  char kind[16];
  long n = 0;
  int repeats = 0;
  while (std::scanf("%15s %ld %d", kind, &n, &repeats) == 3) {
    if (std::string(kind) != "triad" || n < 1 || repeats < 1) return 1;
    std::printf("%.9g\n", triad(n, repeats));
    std::fflush(stdout);
  }
}
