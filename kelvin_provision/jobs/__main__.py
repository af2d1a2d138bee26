"""`python -m kelvin_provision.jobs`: a line of JSON on standard input, which stays open for as long as the job may work; lines of JSON on
standard output. Each has `data` (a part of a file, base64) or `progress`; the last one has `result` or `error`.
"""

from __future__ import annotations

import json
import os
import sys
import threading

from kelvin_provision.errors.documents import to_document
from kelvin_provision.files.durable import ours
from kelvin_provision.jobs.place import Place, write
from kelvin_provision.jobs.table import JOBS
from kelvin_provision.masking.redactor import mask_text


def _end_with_input() -> None:
    """The input is closed when the client has gone, or the agent: there is nothing to be tidied up."""
    os.read(0, 1)
    os._exit(0)


def main(words: list[str]) -> int:
    asked = json.loads(os.read(0, 1 << 16))
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        for line in JOBS[asked["question"]](Place(words), asked["arguments"]):
            write(line)
    except BrokenPipeError:
        os._exit(0)
    except Exception as error:  # noqa: BLE001  (also a bug of ours, contained to the job)
        write({"error": to_document(ours(error, mask_text))})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
