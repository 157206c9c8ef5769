"""The `steward` command. Here stand no imports: who needs one part does not load the others."""

from __future__ import annotations


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    from services.cli.root import run_command_line
    from shared.runtime.memory import collect_rarely

    collect_rarely()
    run_command_line()
