"""Files that come by themselves: from databases and from watched folders.

Either way it is an import like any other: a file in IMPORT_DIR, read, mapped as was said
beforehand, applied through the inbox; resumed after a kill, its bad rows kept.
"""
