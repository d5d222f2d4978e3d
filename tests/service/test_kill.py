"""Random kills; `make torture` does more of them."""
import os, random
import kill
from kit import SANITIZED, run

KILLS = 30 if SANITIZED else 300


def test_kills():
    """SIGKILL at random moments loses nothing acknowledged, and every import ends like an undisturbed one"""
    seed = random.SystemRandom().randrange(1 << 31)
    print(f"# seed {seed}: python3 tests/service/kill.py {KILLS} {seed} repeats it")
    done, imports, seconds = kill.torture(KILLS, seed)
    assert done >= KILLS
    print(f"# {done} kills, {imports} imports, {seconds:.0f} s")


run(globals())
