"""Runs cells of Python one after the other, in one module.

A line of JSON on descriptor 3 is a cell; results, the error and the end go to descriptor 4 as lines of JSON. What the
cell prints goes where a program's output goes.
"""

import ast
import asyncio
import base64
import builtins
import inspect
import json
import linecache
import os
import sys
import traceback
import types

requests = os.fdopen(3, "r")
messages = os.fdopen(4, "w")
for descriptor in (3, 4):
    os.set_inheritable(descriptor, False)

# How objects show themselves, as in notebooks.
REPRESENTATIONS = {
    "html": "_repr_html_",
    "markdown": "_repr_markdown_",
    "svg": "_repr_svg_",
    "png": "_repr_png_",
    "jpeg": "_repr_jpeg_",
    "latex": "_repr_latex_",
    "json": "_repr_json_",
}


def send(kind, **fields):
    # What was printed before comes before.
    sys.stdout.flush()
    sys.stderr.flush()
    messages.write(json.dumps({"type": kind, **fields}, default=str) + "\n")
    messages.flush()


def represent(value):
    found = {"text": repr(value)}
    for name, method in REPRESENTATIONS.items():
        show = getattr(value, method, None)
        if isinstance(value, type) or show is None:
            continue
        try:
            shown = show()
        except Exception:
            # An object that cannot show itself this way still has the others.
            continue
        if isinstance(shown, tuple):
            shown = shown[0]
        if isinstance(shown, bytes):
            shown = base64.b64encode(shown).decode()
        if shown is not None:
            found[name] = shown
    return found


def display(*values):
    for value in values:
        send("result", is_main_result=False, **represent(value))


def show_figures():
    pyplot = sys.modules.get("matplotlib.pyplot")
    for number in pyplot.get_fignums() if pyplot else []:
        figure = pyplot.figure(number)
        import io

        picture = io.BytesIO()
        figure.savefig(picture, format="png", bbox_inches="tight")
        png = base64.b64encode(picture.getvalue()).decode()
        send("result", is_main_result=False, text=repr(figure), png=png)
        pyplot.close(figure)


def run(code, name, scope):
    """Runs the statements, and gives the value of the last when it is an expression."""
    tree = ast.parse(code, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    evaluate(compile(tree, name, "exec", flags), scope)
    if last is None:
        return None
    return evaluate(compile(ast.Expression(last.value), name, "eval", flags), scope)


def evaluate(code, scope):
    value = eval(code, scope)
    if code.co_flags & inspect.CO_COROUTINE:
        return loop.run_until_complete(value)
    return value


def report(error):
    # The frames of this file are not the caller's.
    frames = error.__traceback__
    while frames and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    text = "".join(traceback.format_exception(type(error), error, frames))
    send("error", name=type(error).__name__, value=str(error), traceback=text)


def run_cell(cell, scope):
    before = dict(os.environ)
    os.environ.update(cell["envs"])
    name = f"<cell {cell['number']}>"
    linecache.cache[name] = (len(cell["code"]), None, cell["code"].splitlines(True), name)
    try:
        value = run(cell["code"], name, scope)
        show_figures()
        if value is not None:
            scope["_"] = value
            send("result", is_main_result=True, **represent(value))
    except BaseException as error:
        # Also SystemExit and KeyboardInterrupt: a cell ends, not the kernel.
        report(error)
    finally:
        for key in cell["envs"]:
            if key in before:
                os.environ[key] = before[key]
            else:
                os.environ.pop(key, None)


loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
sys.stdout.reconfigure(line_buffering=True)
builtins.display = display
module = types.ModuleType("__main__")
sys.modules["__main__"] = module
sys.path.insert(0, "")

while True:
    try:
        line = requests.readline()
        if not line:
            break
        run_cell(json.loads(line), module.__dict__)
        send("end")
    except KeyboardInterrupt:
        # It came when the cell had just ended.
        send("end")
