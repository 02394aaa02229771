"""A test program in Python: each function given is one case, named as it is, and prints TAP."""
import sys
import traceback


def run(tests):
    print("1..%d" % len(tests))
    failures = 0
    for number, test in enumerate(tests, 1):
        try:
            test()
            print("ok %d - %s" % (number, test.__name__))
        except Exception:
            failures += 1
            print("not ok %d - %s" % (number, test.__name__))
            print("".join("# " + line + "\n" for line in traceback.format_exc().splitlines()), end="")
    sys.exit(failures > 0)
