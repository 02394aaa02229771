"""What tools/tests.py counts in the logs of test programs, whole and broken ones.

usage: test_tally.py FOLDER-OF-TOOLS
"""
import contextlib
import io
import json
import os
import sys
import tempfile

sys.dont_write_bytecode = True  # the folder belongs to the sources
sys.path.insert(0, sys.argv[1])
import tap  # noqa: E402
import tests  # noqa: E402


def outcome(stdout, status=0, result="OK", stderr=""):
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log.json")
        with open(log, "w", encoding="utf-8") as file:
            file.write(json.dumps({"name": "invar:room / program", "stdout": stdout, "stderr": stderr,
                                   "returncode": status, "result": result}) + "\n")
        return tests.outcomes_of(log)[0]


def expect(found, passed, failed, skipped):
    counts = (found.passed, found.failed, found.skipped)
    assert counts == (passed, failed, skipped), (counts, found.details)


def cases_are_counted_by_their_own_words():
    found = outcome("1..3\nok 1 - a\nnot ok 2 - b\n# 1 != 2\nok 3 - c # SKIP no device\n", 1)
    expect(found, 1, 1, 1)
    assert found.details[:2] == ["not ok: b", "    1 != 2"], found.details


def a_case_that_says_skipped_before_it_returns_is_skipped():
    expect(outcome("1..2\n# skipped: a: too slow\nok 1 - a\nok 2 - b\n"), 1, 0, 1)


def a_case_that_says_skipped_and_fails_has_failed():
    expect(outcome("1..1\n# skipped: a: too slow\nnot ok 1 - a\n", 1), 0, 1, 0)


def a_program_that_skips_all_is_one_skipped_case():
    expect(outcome("1..0 # SKIP no device\n"), 0, 0, 1)
    expect(outcome("", 77), 0, 0, 1)


def cases_that_never_came_are_a_failure():
    expect(outcome("1..3\nok 1 - a\n", 1), 1, 1, 0)
    expect(outcome("1..3\nok 1 - a\n", 0), 1, 1, 0)


def a_signal_is_a_failure():
    expect(outcome("1..1\nok 1 - a\n", -11), 1, 1, 0)
    expect(outcome("1..1\nok 1 - a\n", 128 + 6), 1, 1, 0)


def a_time_limit_is_a_failure():
    expect(outcome("1..2\nok 1 - a\n", -15, "TIMEOUT"), 1, 1, 0)


def a_status_that_no_case_explains_is_a_failure():
    found = outcome("1..1\nok 1 - a\n", 1, stderr="leaked\n\n")
    expect(found, 1, 1, 0)
    assert found.details[-1] == "    | leaked", found.details


def a_program_without_a_case_has_failed():
    expect(outcome(""), 0, 1, 0)


def a_log_that_is_missing_is_a_failure():
    with tempfile.TemporaryDirectory() as folder:
        totals = os.path.join(folder, "totals")
        with contextlib.redirect_stdout(io.StringIO()):
            tests.tally(totals, os.path.join(folder, "nowhere.json"))
        with open(totals, encoding="utf-8") as file:
            assert file.read() == "0 1 0\n"


tap.run([cases_are_counted_by_their_own_words,
         a_case_that_says_skipped_before_it_returns_is_skipped,
         a_case_that_says_skipped_and_fails_has_failed,
         a_program_that_skips_all_is_one_skipped_case,
         cases_that_never_came_are_a_failure,
         a_signal_is_a_failure,
         a_time_limit_is_a_failure,
         a_status_that_no_case_explains_is_a_failure,
         a_program_without_a_case_has_failed,
         a_log_that_is_missing_is_a_failure])
