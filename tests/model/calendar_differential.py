"""Our cron and time zones against croniter and zoneinfo: random expressions, zones and instants from a fixed seed.

Usage: calendar_differential.py DRIVER [SEED [COUNT]]

croniter is asked on the naive wall clock. Where its answer lies in an hour that daylight saving skips or repeats, the two
differ on purpose (our policies are tested by tables in cron_test.cpp), so those answers are not compared.
"""

import datetime
import random
import re
import subprocess
import sys
import zoneinfo

from croniter import CroniterBadCronError, CroniterBadDateError, croniter

UTC = datetime.timezone.utc
ZONES = [
    "UTC", "Asia/Seoul", "America/New_York", "Europe/Berlin", "Europe/Dublin", "Australia/Lord_Howe",
    "Australia/Sydney", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca", "America/Nuuk",
]
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
DAYS = "sun mon tue wed thu fri sat".split()


class Maker:
    def __init__(self, rng):
        self.rng = rng

    def value(self, low, high, names):
        number = self.rng.randint(low, high)
        if names and self.rng.random() < 0.4:
            name = names[(number - low) % len(names)]
            return self.rng.choice([name, name.upper(), name.title()])
        return f"{number:02}" if self.rng.random() < 0.1 else str(number)

    def item(self, low, high, names):
        kind = self.rng.random()
        step = f"/{self.rng.randint(1, high + 2)}" if self.rng.random() < 0.4 else ""
        if kind < 0.25:
            return "*" + step
        if kind < 0.6:
            return self.value(low, high, names) + step
        return self.value(low, high, names) + "-" + self.value(low, high, names) + step

    def field(self, low, high, names=(), star=0.3):
        if self.rng.random() < star:
            return "*"
        return ",".join(self.item(low, high, names) for _ in range(self.rng.choice([1, 1, 1, 2, 3])))

    def cron(self):
        r = self.rng.random()
        if r < 0.03:
            return self.rng.choice("@hourly @daily @midnight @weekly @monthly @yearly @annually".split())
        day = self.field(1, 31, star=0.5)
        weekday = self.field(0, 7, DAYS, star=0.5)
        if r < 0.10:
            day = self.rng.choice(["L", "l", "L,15", "1,L", "?"])
        elif r < 0.16:
            number = self.rng.choice([1, 2, 15, 29, 30, 31, self.rng.randint(1, 31)])
            day = self.rng.choice([f"{number}W", f"{number}w", f"W{number}", f"{number:02}W"])
            if self.rng.random() < 0.1:
                weekday = self.rng.choice(["sat", "sun", "0,6", "6-7", "mon#1", "fri#3", "sat#2", "L5"])
        elif r < 0.25:
            day = "*"
            n = lambda: self.rng.randint(1, 5)
            weekday = self.rng.choice([
                lambda: f"{self.rng.choice(DAYS)}#{n()}",
                lambda: f"{self.rng.randint(0, 7)}#{n()}",
                lambda: f"L{self.rng.randint(0, 7)}",
                lambda: f"mon#{n()},fri#{n()}",
                lambda: f"L5,mon#{n()}",
                lambda: f"tue-thu#{n()}",
                lambda: "?",
            ])()
        fields = [self.field(0, 59), self.field(0, 23), day, self.field(1, 12, MONTHS, star=0.6), weekday]
        return " ".join(fields)

    def broken_cron(self):
        """A cron with one character or word too many or too few; now and then it is still right."""
        cron = self.cron()
        at = self.rng.randrange(len(cron))
        if self.rng.random() < 0.3:
            return (cron[:at] + cron[at + 1 :]).strip() or "*"
        bits = list("*/-,#?LW0123 z") + ["60", "24", "32", "13", "mon", "jan"]
        return (cron[:at] + self.rng.choice(bits) + cron[at:]).strip()


def random_instant(rng):
    """Any time, or one in the weeks in which daylight saving begins or ends somewhere."""
    year = rng.randint(1990, 2060)
    if rng.random() < 0.5:
        day = datetime.datetime(year, 1, 1, tzinfo=UTC) + datetime.timedelta(days=rng.randrange(365))
    else:
        month, first, last = rng.choice([(3, 8, 14), (3, 24, 31), (4, 1, 7), (9, 24, 30), (10, 1, 7), (10, 24, 31), (11, 1, 7)])
        day = datetime.datetime(year, month, rng.randint(first, last), tzinfo=UTC)
    at = int(day.timestamp()) + rng.randrange(86400)
    # Boundaries are where "strictly after" shows.
    return at - at % rng.choice([60, 3600, 86400]) if rng.random() < 0.5 else at


def ask(driver, questions):
    done = subprocess.run([driver], input="\n".join(questions) + "\n", capture_output=True, text=True, check=True)
    answers = done.stdout.splitlines()
    assert len(answers) == len(questions), (len(answers), len(questions))
    return answers


def is_plain(wall, zone):
    """Whether the wall clock shows this time once."""
    first, second = (wall.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    return first.utcoffset() == second.utcoffset()


def expected(cron, zone, at, verb):
    """croniter's answer in seconds, "none", "error", or None where the comparison does not apply."""
    wall = datetime.datetime.fromtimestamp(at, zone).replace(tzinfo=None)
    if not is_plain(wall, zone):
        return None
    try:
        walk = croniter(cron, wall)
    except CroniterBadCronError:
        return "error"
    try:
        found = (walk.get_next if verb == "next" else walk.get_prev)(datetime.datetime)
    except CroniterBadDateError:
        return "none"
    if not is_plain(found, zone):
        return None
    return str(int(found.replace(tzinfo=zone).timestamp()))


def compare_crons(driver, rng, count):
    maker = Maker(rng)
    cases = []
    for _ in range(count):
        cron = maker.cron()
        for _ in range(2):
            cases.append((rng.choice(["next", "previous"]), rng.choice(ZONES), random_instant(rng), cron))
    answers = ask(driver, [" ".join(map(str, case)) for case in cases])
    compared = skipped = 0
    wrong = []
    for case, answer in zip(cases, answers):
        verb, zone, at, cron = case
        want = expected(cron, zoneinfo.ZoneInfo(zone), at, verb)
        if want is None:
            skipped += 1
            continue
        compared += 1
        if answer != want:
            wrong.append((case, answer, want))
    return compared, skipped, wrong


# What croniter takes and we refuse, on purpose: seconds and years, days of the week with and without # in one list, and
# ranges that end at a day or month 0.
def is_ours_stricter(cron):
    fields = cron.lower().split()
    if len(fields) in (6, 7):
        return True
    if len(fields) != 5:
        return False
    return ("#" in fields[4] or "l" in fields[4]) and "," in fields[4] or bool(re.search(r"-0+(?!\d)", " ".join(fields[2:4])))


def compare_refusals(driver, rng, count):
    maker = Maker(rng)
    crons = [maker.broken_cron() for _ in range(count)]
    answers = ask(driver, [f"next UTC 0 {cron}" for cron in crons])
    wrong = []
    refused = 0
    for cron, answer in zip(crons, answers):
        try:
            croniter(cron, datetime.datetime(1970, 1, 1))
            accepted = True
        except (CroniterBadCronError, ValueError):
            accepted = False
        refused += not accepted
        if accepted and answer == "error" and is_ours_stricter(cron):
            continue
        if accepted != (answer != "error"):
            wrong.append((cron, answer, "accepted" if accepted else "refused"))
    return len(crons), refused, wrong


def compare_offsets(driver, rng, per_zone):
    names = sorted(name for name in zoneinfo.available_timezones() if name not in ("localtime", "Factory"))
    # Python reads a slim or fat file as we do, with its footer; before the first transition it takes standard time, so the
    # comparison begins where every zone has one.
    begin = int(datetime.datetime(1950, 1, 1, tzinfo=UTC).timestamp())
    end = int(datetime.datetime(2200, 1, 1, tzinfo=UTC).timestamp())
    cases = [(name, rng.randrange(begin, end)) for name in names for _ in range(per_zone)]
    answers = ask(driver, [f"offset {name} {at}" for name, at in cases])
    wrong = []
    for (name, at), answer in zip(cases, answers):
        offset = datetime.datetime.fromtimestamp(at, zoneinfo.ZoneInfo(name)).utcoffset()
        if answer != str(int(offset.total_seconds())):
            wrong.append(((name, at), answer, offset))
    return len(cases), len(names), wrong


def main():
    driver = sys.argv[1]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 20260131
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 4000
    failures = 0
    compared, skipped, wrong = compare_crons(driver, random.Random(seed), count)
    print(f"crons: {compared} compared with croniter, {skipped} at a change of offset, {len(wrong)} differ")
    assert compared > count
    for case, answer, want in wrong[:20]:
        print(f"  {case}: {answer}, croniter says {want}")
    failures += len(wrong)
    asked, refused, wrong = compare_refusals(driver, random.Random(seed + 1), count)
    print(f"broken crons: {asked} asked, {refused} refused by croniter, {len(wrong)} differ")
    assert refused > asked // 4
    for case, answer, want in wrong[:20]:
        print(f"  {case!r}: {answer}, croniter: {want}")
    failures += len(wrong)
    asked, zones, wrong = compare_offsets(driver, random.Random(seed + 2), 40)
    print(f"offsets: {asked} in {zones} zones, {len(wrong)} differ from zoneinfo")
    assert zones > 300
    for case, answer, want in wrong[:20]:
        print(f"  {case}: {answer}, zoneinfo says {want}")
    failures += len(wrong)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
