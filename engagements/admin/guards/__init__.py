"""The pages of guards: the suppression list, those of all engagements, one person."""
