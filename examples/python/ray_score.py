"""Scores a pool of lines with Ray Data: one score_heads process an actor, which loads the model once and is fed batch by batch.

    pip install "ray[data]"
    python3 examples/python/ray_score.py --model examples/models/g2p --actors 4 pool.txt scores.csv --score coverage,entropy

Rows come back in the order of the pool and have the bytes of one run, whatever the batches, the actors and what dies: a batch of
a lost worker is computed again (Ray restarts the actor), and computing it twice gives the same rows. score_heads --shard needs no
cluster of this kind; this is for pipelines that are Ray's already.
"""
import argparse
import subprocess
import threading

import numpy
import ray


class Scorer:
    """An actor: lines in, their CSV rows out. score_heads answers what it was given as soon as nothing more is there to read."""

    def __init__(self, program, model, options):
        self.command = [program, "--model", model, "--quiet", "--threads", "1", *options]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        self.process.stdout.readline()  # the header

    def __call__(self, batch):
        text = "".join(line + "\n" for line in batch["text"])
        while True:
            rows = self.rows(text, len(batch["text"]))
            if all(row.endswith("\n") for row in rows):
                return {"line": batch["line"], "row": numpy.array(rows, dtype=object)}
            status = self.process.wait()
            if status >= 0:
                raise RuntimeError(f"score_heads ended with {status}; its sentence is in this worker's log")
            self.start()  # killed, for want of memory perhaps

    def rows(self, text, count):
        writer = threading.Thread(target=self.write, args=(text,))  # pipes are small: who only writes may wait for ever
        writer.start()
        rows = [self.process.stdout.readline() for _ in range(count)]
        writer.join()
        return rows

    def write(self, text):
        try:
            self.process.stdin.write(text)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it is gone, which the reader of its rows finds


def header_of(program, model, options):
    run = subprocess.run([program, "--model", model, "--quiet", *options], input="", capture_output=True, text=True, check=True)
    return run.stdout


def score(pool, output, program, model, actors, batch, options):
    # str.splitlines would part lines at U+2028, U+0085 and others that are no ends of lines here
    with open(pool, encoding="utf-8", newline="\n") as file:
        lines = [{"line": number, "text": line.rstrip("\r\n")} for number, line in enumerate(file)]
    blocks = max(1, min(len(lines) // batch + 1, 100 * actors))
    rows = ray.data.from_items(lines, override_num_blocks=blocks).map_batches(
        Scorer, fn_constructor_args=(program, model, options), batch_size=batch, num_cpus=1, batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(size=actors))  # a pool's actors are restarted, and their tasks retried, without end
    with open(output, "w", encoding="utf-8", newline="") as file:
        file.write(header_of(program, model, options))
        for row in rows.sort("line").iter_rows():
            file.write(row["row"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool")
    parser.add_argument("output")
    parser.add_argument("--model", required=True)
    parser.add_argument("--program", default="build/examples/score_heads")
    parser.add_argument("--actors", type=int, default=2)
    parser.add_argument("--batch", type=int, default=512)
    arguments, options = parser.parse_known_args()
    for one in options:
        if one.startswith(("--per-token", "--with-text")):  # several rows a line; numbers from a worker's first line
            parser.error(one + " needs the whole pool in one process, or score_heads --shard")
    score(arguments.pool, arguments.output, arguments.program, arguments.model, arguments.actors, arguments.batch, options)


if __name__ == "__main__":
    main()
