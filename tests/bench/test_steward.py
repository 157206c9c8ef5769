from __future__ import annotations

from pathlib import Path

import pytest

from bench.stage import Stage
from bench.steward import service_process
from shared.runtime.secrets import SecretsFolder


async def test_a_service_that_ends_instead_of_being_ready_is_told(
    tmp_path: Path, secrets_folder: SecretsFolder
) -> None:
    stage = Stage("127.0.0.1:1", "postgresql://127.0.0.1:1/none", secrets_folder, tmp_path)
    with pytest.raises(RuntimeError, match=r"finance ended with exit code [12]"):
        async with service_process(stage, "finance", STEWARD_LOG_LEVEL="loud"):
            raise AssertionError("it is not ready")
