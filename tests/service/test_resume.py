"""An import that is killed at each of its writes and requests; `make torture` does that more often."""
import os, random
import resume
from kit import SANITIZED, run

KILLS = 30 if SANITIZED else 500


def test_killed_anywhere():
    """an import killed at any write or request is gone on with: one job, started once, no other left waiting, one result"""
    seed = random.SystemRandom().randrange(1 << 31)
    print(f"# seed {seed}: python3 tests/service/resume.py {KILLS} {seed} repeats it")
    kills, imports, seconds = resume.torture(KILLS, seed)
    assert kills >= KILLS
    print(f"# {kills} kills, {imports} imports, {seconds:.0f} s")


run(globals())
