"""The colours of the book's figures, each with the name by which a style sheet knows it."""

# Each colour is drawn as it looks on white and then named, so that a style sheet can change it.
# Colour-blind safe in this order (after Okabe and Ito, 2008), 4.5:1 on white and on the dark page.
COLOURS = {
    "1": "#0b62a8",
    "2": "#bf4a0c",
    "3": "#0b7a66",
    "4": "#7a4fc0",
    "5": "#8a6508",
    "6": "#b8286a",
    "ink": "#1f2429",
    "muted": "#656d76",
    "grid": "#d8dde3",
}
