"""How it is done: stores and layers, each around one outside library."""
