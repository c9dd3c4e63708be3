"""External APIs as a file, out of one environment and into another."""
