"""How many cases of one `meson test` run passed: what ./check adds up.

tests.py TOTALS LOG.json

Writes `passed failed skipped` to the file TOTALS and prints the details of what failed. Besides a case
that says so, these count as one failed case each: a program that ends by a signal, a time limit or a
non-zero status that no case explains; cases promised by the plan that never came; no case at all.
"""
import json
import os
import re
import sys

CASE = re.compile(r"^(not )?ok\b\s*(\d+)?\s*(?:-\s*)?(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)\s*(#\s*skip\b.*)?$", re.IGNORECASE)
SKIP = re.compile(r"#\s*skip\b", re.IGNORECASE)
# cmocka's skip() prints "not ok", which meson takes for a failure. Tests print this and return instead.
SKIPPED_CASE = re.compile(r"^#\s*skipped:", re.IGNORECASE)
NOTE = re.compile(r"^#\s*note:\s*(.*)$")
SKIPPED_PROGRAM = 77  # the exit status by which meson knows a skipped program


class Outcome:
    """The cases of one program."""

    def __init__(self, test):
        self.name = test["name"].split(" / ")[-1].split(":")[-1]
        self.passed = self.failed = self.skipped = 0
        self.details = []
        self.notes = []
        planned, seen, open_failure, skipping = 0, 0, False, False
        for line in test.get("stdout", "").splitlines():
            plan, case = PLAN.match(line), CASE.match(line)
            if plan:
                planned += int(plan.group(1))
                if plan.group(1) == "0" and plan.group(2):
                    self.skipped += 1
            elif case and (case.group(2) or case.group(3)):
                seen += 1
                open_failure = False
                if SKIP.search(line) or (skipping and not case.group(1)):
                    self.skipped += 1
                elif case.group(1):
                    self.failed += 1
                    self.details.append("not ok: " + case.group(3))
                    open_failure = True
                else:
                    self.passed += 1
                skipping = False
            elif SKIPPED_CASE.match(line):
                skipping = True
            elif NOTE.match(line):
                self.notes.append(NOTE.match(line).group(1))
            elif open_failure and line.startswith("#") and len(self.details) < 60:
                self.details.append("    " + line[1:].strip())
        self.check_the_end(test, planned, seen)

    def check_the_end(self, test, planned, seen):
        status = test.get("returncode", 0)
        if test.get("result") == "TIMEOUT":
            self.fail("ran past its time limit after %d of %d cases" % (seen, planned), test)
        elif status < 0 or 128 < status <= 128 + 64:  # the latter from a wrapper's shell
            signal = -status if status < 0 else status - 128
            self.fail("ended by signal %d after %d of %d cases" % (signal, seen, planned), test)
        elif seen < planned:
            self.fail("stopped after %d of %d cases, exit status %d" % (seen, planned, status), test)
        elif status == SKIPPED_PROGRAM and seen == 0:
            self.skipped += 1
        elif status != 0 and self.failed == 0:
            self.fail("all cases passed, but the exit status is %d" % status, test)
        elif seen == 0 and self.skipped == 0:
            self.fail("ran no case", test)
        elif self.failed:
            self.details += self.last_words(test)

    def fail(self, what, test):
        self.failed += 1
        self.details += [what] + self.last_words(test)

    @staticmethod
    def last_words(test):
        # without blank lines, and without meson's own line about the exit status
        lines = [line for line in test.get("stderr", "").splitlines()
                 if line.strip() and not line.startswith("(test program exited")]
        return ["    | " + line for line in lines[-30:]]


def outcomes_of(log):
    if not os.path.exists(log):
        return []
    with open(log, encoding="utf-8", errors="replace") as lines:
        return [Outcome(json.loads(line)) for line in lines if line.strip()]


def tally(totals_file, log):
    outcomes = outcomes_of(log)
    for outcome in outcomes:
        for note in outcome.notes:
            print("(%s: %s)" % (outcome.name, note))
        if outcome.failed:
            print("--- %s: %d failed" % (outcome.name, outcome.failed))
            print("\n".join(outcome.details))
    totals = [sum(getattr(o, key) for o in outcomes) for key in ("passed", "failed", "skipped")]
    if not outcomes:
        print("--- no test program ran")
        totals[1] += 1
    with open(totals_file, "w", encoding="utf-8") as out:
        out.write("%d %d %d\n" % tuple(totals))


def main(arguments):
    if len(arguments) != 2:
        sys.exit(__doc__)
    tally(*arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
