"""`make bench`: how fast it is, against tasks written by hand, on one machine."""
