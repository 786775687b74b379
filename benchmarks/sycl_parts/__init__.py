"""Parts of benchmarks/sycl.py."""
