"""The web console: the log for whoever has the duty of an auditor. It reads, and changes nothing.

Pages are made at the server and work without scripts. Whoever has the token that is printed at
start may read, from this machine alone; sign-in by person comes with the access service.
"""
