"""The library of The Statue Within, a course on magnitude pruning."""
