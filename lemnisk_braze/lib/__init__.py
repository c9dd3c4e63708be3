"""Small modules with telling names that more than one app needs; they import no app."""
