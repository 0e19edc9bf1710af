"""Runs a command to its end and prints what it took: {"wall": s, "cpu": s, "rss": MiB, "out": its output}."""

import json
import os
import subprocess
import sys
import time

begin = time.monotonic()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
out = child.stdout.read().decode()
_, status, usage = os.wait4(child.pid, 0)
if status != 0:
    sys.exit(f"{sys.argv[1:]} ended with status {status}")
print(
    json.dumps(
        {
            "wall": time.monotonic() - begin,
            "cpu": usage.ru_utime + usage.ru_stime,
            "rss": usage.ru_maxrss / 1024,
            "out": out,
        }
    )
)
