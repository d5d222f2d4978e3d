#!/usr/bin/env python3
"""Holds schedule.next and the clocks of automations against brute force over Python's zoneinfo: random cron expressions,
intervals and single times, zones and years; forwards, and the same times backwards.

    oracle.py [CASES] [SEED]      some hundred random cases, and the days around every change of the clock in one year per zone
    oracle.py --sweep [SEED]      30 years in every zone of ZONES: sparse expressions whole, dense ones around each change

Prints TAP. An expression is read here a second time, in the plainest way; the local times that it names are looked up one by
one: those that zoneinfo shows fire, with fold=0 and, where the hour begins with "*", fold=1; those that it skips fire once at
the jump, unless the hour begins with "*". Likewise with intervals that go by the clock, where those of up to an hour are as
with "*"; others are multiples from their anchor.
"""
import calendar
import datetime as dt
import os
import random
import subprocess
import sys
import tempfile
import zoneinfo

UTC = dt.timezone.utc
ZONES = ["UTC", "Europe/Berlin", "Europe/London", "Europe/Dublin", "America/New_York", "America/St_Johns", "America/Santiago",
         "America/Havana", "America/Scoresbysund", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Chatham", "Antarctica/Troll",
         "Antarctica/Casey", "Africa/Casablanca", "Africa/Cairo", "Asia/Gaza", "Asia/Kathmandu", "Asia/Tehran", "Asia/Pyongyang",
         "Europe/Volgograd", "America/Caracas"]
FIRST_YEAR, LAST_YEAR = 2000, 2049
EPOCH = dt.datetime(1970, 1, 1)
MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
DAYS = "SUN MON TUE WED THU FRI SAT".split()
RANGES = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]


# -- expressions, read plainly ---------------------------------------------------------------------------
def number(text, names, first):
    return names.index(text.upper()) + first if text.upper() in names else int(text)


def values(field, which):
    low, high = RANGES[which]
    names, first = {3: (MONTHS, 1), 4: (DAYS, 0)}.get(which, ([], 0))
    found = set()
    for item in field.split(","):
        body, _, step = item.partition("/")
        if body == "*":
            run = list(range(low, high + 1))
        elif "-" in body:
            begin, end = (number(part, names, first) for part in body.split("-"))
            if begin > high:  # Sunday as 7
                begin, end = 0, end % 7
            run = list(range(begin, end + 1)) or list(range(begin, high + 1)) + list(range(low, end + 1))
        else:
            begin = number(body, names, first)
            begin = begin if begin <= high else 0
            run = list(range(begin, high + 1)) if step else [begin]
        found.update(run[::int(step or 1)])
    return {value % 7 for value in found} if which == 4 else found


def day_matches(item, date):
    last = calendar.monthrange(date.year, date.month)[1]

    def workday(day):
        return min((abs(other - day), other) for other in range(1, last + 1)
                   if dt.date(date.year, date.month, other).weekday() < 5)[1]

    item = item.upper()
    if item == "LW":
        return date.day == max(d for d in range(1, last + 1) if dt.date(date.year, date.month, d).weekday() < 5)
    if item.startswith("L"):
        return date.day == last - int(item[2:] or 0)
    if item.endswith("W"):
        return int(item[:-1]) <= last and date.day == workday(int(item[:-1]))
    return date.day in values(item, 2)


def weekday_matches(item, date):
    weekday = date.isoweekday() % 7
    last = calendar.monthrange(date.year, date.month)[1]
    if "#" in item:
        day, nth = item.split("#")
        return weekday == number(day, DAYS, 0) % 7 and (date.day + 6) // 7 == int(nth)
    if item.upper().endswith("L"):
        return weekday == number(item[:-1], DAYS, 0) % 7 and date.day + 7 > last
    return weekday in values(item, 4)


class Expression:
    def __init__(self, text):
        self.text = text
        minute, hour, self.day, month, self.weekday = text.split()
        self.minutes, self.hours, self.months = values(minute, 0), values(hour, 1), values(month, 3)
        self.any_pass = hour.startswith("*")
        self.both = self.day.startswith("*") or self.weekday.startswith("*")

    def has_date(self, date):
        if date.month not in self.months:
            return False
        day = any(day_matches(item, date) for item in self.day.split(","))
        weekday = any(weekday_matches(item, date) for item in self.weekday.split(","))
        return day and weekday if self.both else day or weekday

    def times_of(self, date):
        if self.has_date(date):
            for hour in self.hours:
                for minute in self.minutes:
                    yield dt.datetime(date.year, date.month, date.day, hour, minute)


DAY = 86400


class Interval:
    """One that goes by the clock."""
    def __init__(self, period, zone, anchor):
        self.period, self.any_pass = period, period <= 3600
        self.first = shown(zone, anchor).date()

    def times_of(self, date):
        midnight = dt.datetime(date.year, date.month, date.day)
        if self.period <= DAY:
            yield from (midnight + dt.timedelta(seconds=n) for n in range(0, DAY, self.period))
        elif (date - self.first).days * DAY % self.period == 0:
            yield midnight


class Once:
    def __init__(self, naive):
        self.naive, self.any_pass = naive, False

    def times_of(self, date):
        if date == self.naive.date():
            yield self.naive


def seconds_of(interval):
    return int(interval[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": DAY, "w": 7 * DAY}[interval[-1]]


def expected_times(case):
    kind, text, zone_name, begin, end, most, anchor = case
    zone = zoneinfo.ZoneInfo(zone_name)
    if kind == "cron":
        return fire_times(Expression(text), zone, begin, end, most)
    if kind == "at":
        return fire_times(Once(dt.datetime.fromisoformat(text)), zone, begin, end, most)
    period = seconds_of(text)
    if DAY % period == 0 or period % DAY == 0:
        return fire_times(Interval(period, zone, anchor), zone, begin, end, most)
    first = anchor + -((anchor - begin - 1) // period) * period
    return list(range(first, end, period))[:most]


# -- brute force -------------------------------------------------------------------------------------------
def utc_seconds(local):
    return (local.astimezone(UTC).replace(tzinfo=None) - EPOCH) // dt.timedelta(seconds=1)


def shown(zone, seconds):
    return (EPOCH + dt.timedelta(seconds=seconds)).replace(tzinfo=UTC).astimezone(zone)


def jump_near(zone, naive):
    """The second at which the clock skips a local time that it never shows."""
    at = int((naive - EPOCH).total_seconds())
    low, high = at - 27 * 3600, at + 27 * 3600
    while high - low > 1:
        middle = (low + high) // 2
        if shown(zone, middle).replace(tzinfo=None) < naive:
            low = middle
        else:
            high = middle
    return high


def fire_times(expression, zone, begin, end, most):
    """All that are after `begin` and before `end`, the first `most` of them."""
    found = set()
    date = shown(zone, begin).date() - dt.timedelta(days=2)
    last = shown(zone, end).date() + dt.timedelta(days=2)
    while date <= last:
        for naive in expression.times_of(date):
            passes = []
            for fold in (0, 1):
                at = utc_seconds(naive.replace(tzinfo=zone, fold=fold))
                if shown(zone, at).replace(tzinfo=None) == naive:
                    passes.append(at)
            if not passes and not expression.any_pass:
                passes = [jump_near(zone, naive)]
            found.update(passes if expression.any_pass else passes[:1])
        date += dt.timedelta(days=1)
        # What is found from here on is later than all that is three days back.
        if date.day % 8 == 0:
            sure = int((dt.datetime(date.year, date.month, date.day) - EPOCH).total_seconds()) - 3 * 86400
            if sum(begin < at < sure for at in found) >= most:
                break
    return sorted(at for at in found if begin < at < end)[:most]


def changes(zone, first_year, last_year):
    """Where the offset changes, to the second."""
    found, at = [], int((dt.datetime(first_year, 1, 1) - EPOCH).total_seconds())
    end = int((dt.datetime(last_year + 1, 1, 1) - EPOCH).total_seconds())
    step = 86400
    while at < end:
        low, high = at, at + step
        if shown(zone, low).utcoffset() != shown(zone, high).utcoffset():
            while high - low > 1:
                middle = (low + high) // 2
                if shown(zone, middle).utcoffset() == shown(zone, at).utcoffset():
                    low = middle
                else:
                    high = middle
            found.append(high)
        at += step
    return found


# -- random expressions ------------------------------------------------------------------------------------
def random_item(rng, which):
    low, high = RANGES[which]
    names, first = {3: (MONTHS, 1), 4: (DAYS, 0)}.get(which, ([], 0))

    def one():
        value = rng.randint(low, high + (which == 4))
        if names and rng.random() < 0.5:
            name = names[value % 7 if which == 4 else value - first]
            return rng.choice([name, name.lower(), name.title()])
        return str(value)

    kind = rng.random()
    if which == 2 and kind < 0.25:
        return rng.choice(["L", "l", "LW", f"L-{rng.randint(0, 6)}", f"{rng.randint(1, 31)}W"])
    if which == 4 and kind < 0.25:
        return one() + rng.choice(["L", f"#{rng.randint(1, 5)}"])
    if kind < 0.5:
        return one()
    if kind < 0.7:
        return f"{one()}-{one()}"
    if kind < 0.8:
        return f"{one()}-{one()}/{rng.randint(1, high)}"
    if kind < 0.9:
        return f"{one()}/{rng.randint(1, high)}"
    return f"*/{rng.randint(1, high)}"


def random_expression(rng):
    stars = (0.1, 0.3, 0.6, 0.7, 0.6)
    fields = []
    for which in range(5):
        if rng.random() < stars[which]:
            fields.append("*")
        else:
            fields.append(",".join(random_item(rng, which) for _ in range(rng.choice((1, 1, 1, 2, 3)))))
    # The hours at which clocks are set.
    if rng.random() < 0.4:
        fields[1] = rng.choice(["0", "1", "2", "3", "23", "1-3", "0,2", "*", "*/2", "2/12", "22-2"])
    return " ".join(fields)


# -- comparison --------------------------------------------------------------------------------------------
def random_case(rng):
    zone = rng.choice(ZONES)
    begin = rng.randint(int(dt.datetime(FIRST_YEAR, 1, 1, tzinfo=UTC).timestamp()),
                        int(dt.datetime(LAST_YEAR, 1, 1, tzinfo=UTC).timestamp()))
    return "cron", random_expression(rng), zone, begin, begin + 400 * DAY, 300, 0


INTERVALS = ("10s 30s 1m 5m 15m 20m 30m 45m 1h 90m 2h 3h 6h 8h 12h 1d 2d 10d 1w 4w 7s 25m 50m 5h 7h 36h").split()


def random_clock(rng, begin, days):
    """An interval, or a single time, from `begin` on."""
    zone = rng.choice(ZONES)
    if rng.random() < 0.2:
        naive = EPOCH + dt.timedelta(seconds=begin + rng.randint(0, days * DAY) // 900 * 900)
        return "at", naive.isoformat(), zone, begin, begin + days * DAY, 300, 0
    return "every", rng.choice(INTERVALS), zone, begin, begin + days * DAY, 300, begin - rng.randint(-DAY, 3 * 365 * DAY)


def clocks(rng, count):
    for _ in range(count):
        begin = rng.randint(int(dt.datetime(FIRST_YEAR, 1, 1, tzinfo=UTC).timestamp()),
                            int(dt.datetime(LAST_YEAR, 1, 1, tzinfo=UTC).timestamp()))
        yield random_clock(rng, begin, 400)


def clocks_around_changes(rng, first_year, last_year):
    for zone in ZONES:
        for change in changes(zoneinfo.ZoneInfo(zone), first_year, last_year):
            begin = change - 2 * DAY - rng.randint(0, DAY)
            for interval in ("15m", "45m", "1h", "90m", "2h", "6h", "1d", "2d", "7h"):
                yield "every", interval, zone, begin, change + 2 * DAY, 2000, begin - rng.randint(0, 30 * DAY)
            local = EPOCH + dt.timedelta(seconds=change) + (shown(zoneinfo.ZoneInfo(zone), change - 1).utcoffset())
            for minutes in (-30, 0, 15, 45, 75):
                yield "at", (local + dt.timedelta(minutes=minutes)).isoformat(), zone, begin, change + 2 * DAY, 5, 0


AROUND = ["30 2 * * *", "0 2 * * *", "*/15 1-3 * * *", "*/20 * * * *", "7 */2 * * *", "0 0 * * *", "15,45 0,1,2,3,23 * * *",
          "* 2 * * *", "30 0-23 * * *", "0 6 L * *", "59 23 * * *"]


def around_changes(rng, first_year, last_year):
    for zone in ZONES:
        for change in changes(zoneinfo.ZoneInfo(zone), first_year(rng), last_year(rng)):
            for expression in AROUND:
                yield "cron", expression, zone, change - 2 * DAY - rng.randint(0, DAY), change + 2 * DAY, 2000, 0


def cases_of(arguments):
    sweep = arguments[:1] == ["--sweep"]
    if sweep:
        rng = random.Random(int(arguments[1]) if len(arguments) > 1 else 1)
        yield from around_changes(rng, lambda _: 2010, lambda _: 2039)
        begin = int(dt.datetime(2010, 1, 1, tzinfo=UTC).timestamp())
        end = int(dt.datetime(2040, 1, 1, tzinfo=UTC).timestamp())
        for zone in ZONES:
            for expression in ("30 2 * * *", "0 0 * * 0", "15 1 L * *", "30 3 LW * *", "0 2 * * SUN#2", "45 23 1W * *",
                               "0 1 13 * FRI", "30 1 */2 * MON", "0 3 29 2 *", "20 2 * 3,4,9-11 SUNL", "0 */12 * * *"):
                yield "cron", expression, zone, begin, end, 100000, 0
        yield from clocks_around_changes(rng, 2010, 2039)
        yield from clocks(rng, 2000)
        for _ in range(6000):
            yield random_case(rng)
        return
    rng = random.Random(int(arguments[1]) if len(arguments) > 1 else 1)
    year = rng.randint(2007, 2040)
    yield from around_changes(rng, lambda _: year, lambda _: year)
    # Odd jumps: Samoa skips a day, Troll moves by two hours, Greenland's east moves its offset and its rule, Casablanca's
    # daylight saving stops for Ramadan, Pyongyang and Caracas move by half an hour, Volgograd twice without a rule.
    for zone, date in (("Pacific/Apia", "2011-12-29"), ("Antarctica/Troll", "2024-03-30"), ("America/Scoresbysund", "2024-03-30"),
                       ("Africa/Casablanca", "2025-02-22"), ("Asia/Pyongyang", "2018-05-03"), ("America/Caracas", "2016-04-30"),
                       ("Europe/Volgograd", "2020-12-26"), ("Africa/Cairo", "2023-04-27"), ("Asia/Gaza", "2024-04-19"),
                       ("Antarctica/Casey", "2023-03-08"), ("Australia/Lord_Howe", "2045-04-01")):
        begin = int(dt.datetime.fromisoformat(date + "T00:00:00+00:00").timestamp())
        for expression in AROUND + ["0 6 30 12 *"]:
            yield "cron", expression, zone, begin, begin + 4 * DAY, 2000, 0
    yield from clocks_around_changes(rng, year, year)
    yield from clocks(rng, int(arguments[0]) if arguments else 150)
    for _ in range(int(arguments[0]) if arguments else 300):
        yield random_case(rng)


def answers(upjob, cases):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requests:
        for kind, expression, zone, begin, end, most, anchor in cases:
            requests.write(f"{kind}\t{expression}\t{zone}\t{begin}\t{most}\t{end}\t{anchor}\n")
        requests.flush()
        here = os.path.dirname(os.path.abspath(__file__))
        done = subprocess.run([upjob, "run", os.path.join(here, "answer.lua"), requests.name], stdout=subprocess.PIPE,
                              text=True, check=True, timeout=3000)
    return done.stdout.splitlines()


def judge(case, answer):
    """What is wrong, or None."""
    kind, text, zone_name = case[:3]
    if answer.startswith("error"):
        if kind != "cron":
            return answer
        expression = Expression(text)
        days = (dt.date(2000, 1, 1) + dt.timedelta(days=n) for n in range(28 * 366))
        return None if "never fires" in answer and not any(map(expression.has_date, days)) else answer
    expected = expected_times(case)
    got = [int(at) for at in answer.split()]
    if got == expected:
        return None
    odd = sorted(set(got) ^ set(expected))[:4]
    return "; ".join(f"{at} ({shown(zoneinfo.ZoneInfo(zone_name), at).isoformat()}) only {'upjob' if at in got else 'zoneinfo'}"
                     for at in odd) or "the order differs"


def main():
    upjob = os.environ.get("UPJOB", "build/upjob")
    cases = list(cases_of(sys.argv[1:]))
    given = answers(upjob, cases)
    wrong = []
    for case, answer in zip(cases, given):
        fault = judge(case, answer)
        if fault:
            wrong.append(f"# {case[0]} \"{case[1]}\" in {case[2]} after {case[3]}, anchor {case[6]}: {fault}")
    times = sum(len(answer.split()) for answer in given)
    ok = not wrong and len(given) == len(cases)
    print("1..1")
    print(f"{'ok' if ok else 'not ok'} 1 - every fire time is the one that zoneinfo gives: {len(cases)} cases, {times} times")
    print("\n".join(wrong[:20]))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
