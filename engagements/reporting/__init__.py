"""What became of everybody: counts, histories, and the export."""
