"""What a class handed in: names, archives, which notebook is whose; knows no assignment."""
