"""When an engagement runs: readings of the wall clock, and the one run that each gets.

`readings` says which readings a schedule has, `cron` those of an expression; `slots` when
they are, whatever clocks do, and `own_zone` when where each person is. `making` plans and
makes the due runs, `words` says all of it, and
`calendar` shows many schedules beside each other. `years` has the limits of a start.
"""

__all__ = ["calendar", "cron", "making", "own_zone", "readings", "words", "years"]
