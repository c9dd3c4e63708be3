"""What people decide after something failed.

Retry failed deliveries, retry now what waits, settle what is uncertain, and hold back
who may have been sent to already after a restore from a backup.
"""

__all__ = ["after_restore", "retry_failed", "retry_now", "selection"]
