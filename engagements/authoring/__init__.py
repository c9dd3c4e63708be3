"""What a marketer sees while filling in an engagement.

Forms and inputs, checks of the values, sample values, the preview for a real person, the
forecast of an activation, why one person gets it or not, and the upgrade to another version of the External API.
"""

__all__ = [
    "explaining",
    "forecast",
    "forms",
    "payload_section",
    "preview",
    "sample_values",
    "schedule_fields",
    "value_widgets",
    "variant_section",
    "version_upgrade",
]
