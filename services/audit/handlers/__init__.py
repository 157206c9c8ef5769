"""What the audit service does: it appends to the log, publishes its tree, and reads it."""
