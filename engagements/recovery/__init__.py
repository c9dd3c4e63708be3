"""What people decide after something failed.

Retry failed deliveries, retry now what waits, settle what is uncertain, and hold back
who may have been sent to already after a restore from a backup.
"""
