"""How an engagement becomes live, rests, and ends.

`transitions` is the one gate for every way to activate, pause, resume and end;
`again_lines` has segments log what their people do again while that is listened to;
`copies` makes one of another; `completion` ends runs, `auto_pause` and `ended_runs` look
at what failed, `winner` gives everybody one variant, `approval` asks a second person and
does what they say, `approval_mail` and `owner_mail` tell people, and `pause_all` stops
everything.
"""

__all__ = [
    "approval",
    "approval_mail",
    "auto_pause",
    "completion",
    "copies",
    "ended_runs",
    "owner_mail",
    "pause_all",
    "transitions",
    "winner",
]
