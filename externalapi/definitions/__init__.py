"""An External API's versions: compiled, compared, renamed, archived."""
