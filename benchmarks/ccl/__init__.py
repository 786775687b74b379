"""Parts of collectives.py: what is called, how ranks agree and measure, plain oneCCL, the report."""
