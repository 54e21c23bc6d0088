"""Sparsity that is real: formats, kernels and layers that are faster than dense ones."""
