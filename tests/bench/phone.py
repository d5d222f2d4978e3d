#!/usr/bin/python3
"""Takes phone numbers to E.164 with python3-phonenumbers and with upjob, and prints ratios; that both give the same is checked.

    make -s all build/bench/phone && tests/bench/phone.py [COUNT] [REGION]

It wants Debian's python3-phonenumbers (make deps-bench). Numbers are made of the examples that the library has for each region,
other digits in their second half, in the spellings that people use; none occurs twice but by chance.
"""
import json, os, random, subprocess, sys, tempfile, time

import phonenumbers
from phonenumbers import PhoneNumberFormat as Form

here = os.path.dirname(os.path.abspath(__file__))
build = os.path.join(here, "../..", os.environ.get("BUILD", "build"))


def spellings(number, region):
    national = phonenumbers.format_number(number, Form.NATIONAL)
    international = phonenumbers.format_number(number, Form.INTERNATIONAL)
    plain = "".join(c for c in national if c.isdigit())
    if phonenumbers.region_code_for_country_code(number.country_code) != region:
        return [international, phonenumbers.format_number(number, Form.E164), international.replace(" ", "-")]
    return [national, international, plain, national.replace(" ", "."), national.replace(" ", "\u00a0")]


def numbers(count, region):
    """Nine in ten of the region, the others of any: what a customer file of one country is like."""
    pick = random.Random(20)
    examples = {}
    for code in sorted(phonenumbers.SUPPORTED_REGIONS):
        examples[code] = [n for kind in (0, 1, 2) if (n := phonenumbers.example_number_for_type(code, kind))]
    others = [code for code in examples if examples[code]]
    for _ in range(count):
        number = pick.choice(examples[region if pick.random() < 0.9 else pick.choice(others)])
        digits = phonenumbers.national_significant_number(number)
        kept = len(digits) // 2
        digits = digits[:kept] + "".join(pick.choice("0123456789") for _ in digits[kept:])
        changed = phonenumbers.PhoneNumber(country_code=number.country_code, national_number=int(digits),
                                           italian_leading_zero=digits[0] == "0" or None)
        yield pick.choice(spellings(changed, region))


def peer(text, region):
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_valid_number(number):
        return ""
    return phonenumbers.format_number(number, Form.E164)


def ours(path, region, threads, out=None):
    command = [os.path.join(build, "bench/phone"), region, str(threads), path] + ([out] if out else [])
    return json.loads(subprocess.run(command, env={**os.environ, "UPJOB": os.path.join(build, "upjob")}, check=True,
                                     stdout=subprocess.PIPE).stdout)


def main(count=100_000, region="GB"):
    count = int(count)
    made = list(numbers(count, region))
    with tempfile.TemporaryDirectory() as work:
        path, out = os.path.join(work, "numbers"), os.path.join(work, "results")
        with open(path, "w") as file:
            file.writelines(text + "\n" for text in made)
        for text in made[:2000]:
            peer(text, region)
        began, cpu = time.monotonic(), time.process_time()
        expected = [peer(text, region) for text in made]
        theirs, theirs_cpu = time.monotonic() - began, time.process_time() - cpu
        runs = {threads: [ours(path, region, threads, out) for _ in range(3)] for threads in (1, 2)}
        with open(out) as file:
            seen = file.read().split("\n")[:-1]
    differing = [(text, a, b) for text, a, b in zip(made, seen, expected) if a != b]
    valid = sum(map(bool, expected))
    print(f"phone: {count:,} numbers, {valid:,} of them valid, region {region}; python3-phonenumbers {phonenumbers.__version__} "
          f"{count / theirs:,.0f} a second, CPU {theirs_cpu / count * 1e6:.1f} us a number")
    for threads in runs:
        best = {what: min(run[what] for run in runs[threads]) for what in runs[threads][0]}
        print(f"  upjob, {threads} thread{'s' * (threads > 1)}: {count / best['new']:,.0f} a second, "
              f"{theirs / best['new']:.1f} times as many, CPU {best['new_cpu'] / count * 1e6:.1f} us a number; remembered "
              f"{count / best['again']:,.0f} a second, {theirs / best['again']:.0f} times; loading takes "
              f"{best['load'] * 1000:.0f} ms")
    for text, a, b in differing[:10]:
        print(f"  differs: {text!r}: {a or 'refused'}, not {b or 'refused'}")
    print(f"  {len(differing)} of {count:,} results differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
