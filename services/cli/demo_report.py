"""What the demonstration shows at its end, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from services.cli.reckoning import Handed, Reckoning

_MEANINGS = {
    "accepted": "handled; what followed was said as facts",
    "refused": "valid, declined by a fact that says why",
    "waiting": "sealed until their event is announced, a day at most",
    "duplicate": "sent twice, handled once",
    "dead_letter": "could not be handled; kept, sealed, for an operator",
    "parked": "behind a dead letter of the same key, in order",
    "ignored": "passed over, which nothing from upstream may be",
    "discarded": "given up by an operator",
}


def show_reckoning(console: Console, reckoning: Reckoning) -> None:
    """What came in and what became of it."""
    table = Table(title="Messages from upstream", title_justify="left")
    for heading in ("", "messages"):
        table.add_column(heading, justify="right" if heading else "left")
    table.add_column("what that means", style="dim")
    table.add_row("received", f"{sum(reckoning.received.values()):,}", "in the inbound topics")
    table.add_section()
    for outcome, meaning in _MEANINGS.items():
        number = reckoning.totals.get(outcome, 0)
        if number or outcome in {"accepted", "refused", "dead_letter"}:
            table.add_row(outcome.replace("_", " "), f"{number:,}", meaning)
    table.add_section()
    table.add_row("sum", f"{sum(reckoning.totals.values()):,}", "")
    console.print(table)
    _show_reasons(console, "Refused, by reason", reckoning.declined)
    _show_reasons(console, "Dead letters, by reason", reckoning.faults)


def show_disclosures(console: Console, handed: Sequence[Handed]) -> None:
    """What was handed to whom."""
    table = Table(title="Disclosures", title_justify="left")
    table.add_column("recipient")
    table.add_column("purpose")
    for heading in ("people", "audit entries", "refused"):
        table.add_column(heading, justify="right")
    table.add_column("disclosure", style="dim")
    for one in handed:
        table.add_row(
            one.recipient,
            one.purpose,
            f"{one.people:,}",
            f"{one.entries:,}",
            f"{one.refused:,}",
            one.disclosure_id,
        )
    console.print(table)


def show_what_next(console: Console) -> None:
    """What a newcomer may try now."""
    console.print(
        Panel(
            ". .venv/bin/activate\n"
            "steward up --detach                    start the same system, to stay\n"
            "steward send examples/day.jsonl        publish the day to it\n"
            "steward status                         every process, and whether it is ready\n"
            "steward registration events            events, and how many registered\n"
            "steward dead-letters list              what could not be handled, and why\n"
            "steward audit replay --format table    every disclosure, in order\n"
            "steward retention due --on 2028-01-01  what is due for erasure by then\n"
            "steward down                           stop; the data stays",
            title="What to try next",
            title_align="left",
            expand=False,
        )
    )


def _show_reasons(console: Console, title: str, reasons: Mapping[str, int]) -> None:
    if not reasons:
        return
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column("reason")
    table.add_column("messages", justify="right")
    for reason, number in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(reason.replace("_", " "), f"{number:,}")
    console.print(table)
