"""Guards: who may not be sent, decided where a request is written.

Each guard is a module with a `GUARD` (`asking.Guard`); `pipeline.ORDER` has them in the
order in which they are asked, and `site` what is set up for all engagements. What an
engagement does not use is not asked.
"""

__all__ = [
    "approved",
    "asking",
    "caps",
    "ceiling",
    "holdout",
    "left_segment",
    "pipeline",
    "quiet_hours",
    "reasons",
    "site",
]
