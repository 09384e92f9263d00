"""Runs a module's functions test_*, in the order of their names, and counts them as .ci/run reads it."""
import contextlib
import io
import traceback


def run(module, *arguments, parts=(), shown=True):
    """The exit code. `module`: its globals(); `parts`: only tests whose names have one of these; shown: is what they print?"""
    passed = failed = 0
    for name, test in sorted(module.items()):
        if not name.startswith("test_") or parts and not any(part in name for part in parts):
            continue
        try:
            with contextlib.nullcontext() if shown else contextlib.redirect_stdout(io.StringIO()):
                test(*arguments)
            passed += 1
        except Exception:
            failed += 1
            print(f"{name} failed:\n{traceback.format_exc()}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0
