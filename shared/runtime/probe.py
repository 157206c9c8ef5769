"""`python -m shared.runtime.probe [livez|readyz]`: asks the service in this container.

Exit code 0 when all is well; else 1, and what is missing. Imports little: an engine runs it often.
"""

from __future__ import annotations

import http.client
import os
import sys

_TIMEOUT_S = 3


def main(path: str) -> int:
    """Ask `/path` on the port of STEWARD_HTTP_PORT; print the answer; return an exit code."""
    port = int(os.environ.get("STEWARD_HTTP_PORT") or 8080)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", f"/{path}")
        answer = connection.getresponse()
        sys.stdout.write(f"{answer.status} {answer.read().decode()}\n")
    except OSError as error:
        sys.stdout.write(f"no answer: {type(error).__name__}\n")
        return 1
    finally:
        connection.close()
    return 0 if answer.status == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "livez"))
