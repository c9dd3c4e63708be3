"""External APIs as a file, out of one environment and into another."""

__all__ = ["export_file", "import_file"]
