"""How Postgres carries out each statement that the services run again and again.

Nothing here lists statements or invents parameters: the services themselves run, on full tables,
and `auto_explain` writes down the plan of every statement that they run, those inside of the
keyring's functions too. One folder for each service, one file for each statement that ran often.
"""
