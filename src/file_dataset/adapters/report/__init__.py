"""A run as a page that needs nothing else: figures by matplotlib, pictures by Pillow, by Jinja."""

from file_dataset.adapters.report.page import page

__all__ = ["page"]
