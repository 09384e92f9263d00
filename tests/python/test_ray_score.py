"""examples/python/ray_score.py on a local cluster: every line once, in order, the bytes of one run, also when a worker is killed, or its process.

    python3 tests/python/test_ray_score.py build/examples/score_heads        (needs ray[data]; exits with 77 without it)
"""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

try:
    import ray  # noqa: F401
except ImportError:
    print("skipped: ray is missing (pip install 'ray[data]')")
    sys.exit(77)

root = pathlib.Path(__file__).resolve().parents[2]
model = str(root / "examples/models/g2p")
options = ["--score", "coverage,entropy", "--mean"]


def scorer(program):
    """A score_heads that has computed something, and the worker of Ray that started it."""
    for entry in pathlib.Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            status = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if command[0] == program.encode() and b"--threads" in command and int(status[11]) > 5:  # utime, in 1/100 s
            return int(entry.name), int(status[1])
    return None


def kill_two(program, killed):
    """First a score_heads alone, then a worker."""
    for _ in range(2400):
        found = scorer(program)
        if found is not None and found[0] not in killed:
            killed.append(found[len(killed)])
            os.kill(killed[-1], signal.SIGKILL)
            if len(killed) == 2:
                return
        time.sleep(0.05)


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        pool, whole, output = (os.path.join(folder, name) for name in ("pool.txt", "whole.csv", "rows.csv"))
        words = [line.split("\t")[0] for line in (root / "examples/models/g2p/words.tsv").read_text().splitlines()]
        pathlib.Path(pool).write_text("".join(word + "\n" for word in words * 40) + "\nb4d\n\u2028\n")
        with open(pool) as stdin, open(whole, "w") as stdout:
            subprocess.run([program, "--model", model, "--quiet", *options], stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL)
        killed = []
        killer = threading.Thread(target=kill_two, args=(program, killed))
        killer.start()
        subprocess.run([sys.executable, str(root / "examples/python/ray_score.py"), "--program", program, "--model", model, "--actors",
                        "2", "--batch", "500", pool, output, *options], check=True, env={**os.environ, "RAY_DEDUP_LOGS": "0"})
        killer.join()
        rows, expected = pathlib.Path(output).read_bytes(), pathlib.Path(whole).read_bytes()
        assert len(killed) == 2, "a score_heads and a worker were to be killed"
        assert rows == expected, f"{rows.count(10)} rows differ from {expected.count(10)}"
        print(f"figure: Ray {ray.__version__}: {rows.count(10) - 1} lines by 2 actors, one's process and one worker killed: the bytes of one run")
        refused = subprocess.run([sys.executable, str(root / "examples/python/ray_score.py"), "--program", program, "--model", model, pool, output,
                                  "--per-token"], capture_output=True, text=True)
        assert refused.returncode == 2 and "--per-token needs the whole pool" in refused.stderr, refused.stderr


if __name__ == "__main__":
    main()
