"""Parts of collectives.py: the calls, how ranks agree and measure, plain oneCCL, the report."""
