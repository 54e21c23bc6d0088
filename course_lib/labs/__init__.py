"""Labs: one module for each chapter that visits another field."""
