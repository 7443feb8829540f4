"""Holds a lock it inherited until a process ends: `python keeper.py PID`, started with the lock's open descriptor."""

import sys
import time

import psutil

LOOK_S = 0.2


def wait(pid: int) -> None:
    """Returns once the process has ended, even if nobody has collected its exit code yet."""
    try:
        process = psutil.Process(pid)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(LOOK_S)
    except psutil.NoSuchProcess:
        return


if __name__ == "__main__":
    wait(int(sys.argv[1]))
