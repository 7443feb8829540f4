import subprocess
import sys

import psutil
import pytest

from plates.workers import processes


def test_an_error_comes_from_a_worker() -> None:
    with pytest.raises(ValueError, match="invalid literal"), processes(2) as each:
        list(each(int, ["1", "2", "x"]))


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers: int) -> None:
    with processes(workers, chunksize=3) as each:
        assert list(each(str, range(20))) == [str(number) for number in range(20)]


SCRIPT = """
import time
from plates.workers import processes
if __name__ == "__main__":
    with processes(2) as each:
        results = each(time.sleep, [0, 0, 300, 300])
        next(results), next(results)
        print("working", flush=True)
        list(results)
"""


def test_workers_end_with_a_killed_parent(tmp_path) -> None:
    script = tmp_path / "work.py"
    script.write_text(SCRIPT)
    parent = psutil.Popen([sys.executable, str(script)], stdout=subprocess.PIPE)
    assert parent.stdout.readline() == b"working\n"
    workers = parent.children(recursive=True)
    assert len(workers) >= 2
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive
