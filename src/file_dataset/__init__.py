"""A table of file URLs in, a function of local files, a table of file URLs out."""
