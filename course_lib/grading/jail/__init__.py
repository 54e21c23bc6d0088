"""Kernels for students' code, behind walls; knows no notebook."""
