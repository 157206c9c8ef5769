"""The rules of the log: entries, the tree over them, and how both are written and proven."""
