"""A class: verdicts stored, the gradebook, and all that is made from them."""
