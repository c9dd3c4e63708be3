"""`make bench`: how fast it is, against tasks written by hand, on one machine.

SUITE=delivery   people a second and real time, through real workers (`suite`)
SUITE=people     messages through the tracking API and the inbox, against Django's ORM;
                 single events over HTTP (`people_suite`)
SUITE=segments   whom twelve and a hundred segments take in, for everybody and for who
                 changed, against SQL written by hand (`segments_suite`)

JSON=FILE writes each figure under its key (`figures`), with its median, least and most:
one that was not measured is absent. Not measured yet: another vendor's connector beside
ours, imports, search, pages, and a segment's size while building.

The other side (`sink`) speaks HTTPS with a certificate made for the run, as Braze does;
`CA_FILE` has the engine trust it, and nothing has it trust everybody. Connections are
kept: the engine and the careful task shake hands once a connection and then send many
requests over it, which the tables count; one `requests.post` a person shakes hands for
each. PLAIN=1 leaves TLS out, to see what it costs.
"""
