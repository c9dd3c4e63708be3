"""What people type about connections and External APIs, and the inputs for it."""
