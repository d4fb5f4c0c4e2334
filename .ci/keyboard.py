#!/usr/bin/env python3
"""The report by keyboard, in a real browser: `.ci/keyboard.py REPORT.html FOLDER` presses real keys in headless Chromium
and asks the page where the focus is and whether it is seen; screenshots go to FOLDER. A part of .ci/browser."""

import base64
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

PAGE, FOLDER = pathlib.Path(sys.argv[1]).resolve().as_uri(), pathlib.Path(sys.argv[2])
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowRight": 39, "ArrowDown": 40, "/": 191, "Backspace": 8}
TEXTS = {"Enter": "\r", " ": " ", "/": "/"}
failed = []

# What the page is asked. Contrast is that of WCAG 2: 3 is what a mark of focus needs.
ASKED = """
const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const colour = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
const ground = (e) => { for (; e; e = e.parentElement) { const c = colour(getComputedStyle(e).backgroundColor);
  if (c.length === 3 || c[3] === 1) return c.slice(0, 3); } return [255, 255, 255]; };
const focus = () => { const e = document.activeElement, box = e.getBoundingClientRect(), s = getComputedStyle(e);
  const [a, b] = [light(colour(s.outlineColor).slice(0, 3)), light(ground(e.parentElement || e))].sort((x, y) => y - x);
  const all = [...document.querySelectorAll("*")];
  return { is: e.id || e.getAttribute("aria-label") || e.textContent.trim().slice(0, 60), tag: e.localName, at: all.indexOf(e),
    marked: s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2 && (a + 0.05) / (b + 0.05) >= 3,
    inside: box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth && box.width > 0 }; };
"""


class Browser:
    """Chromium at the two ends of a pipe."""

    def __init__(self, profile):
        (theirs, self.to), (back, answers) = os.pipe(), os.pipe()
        self.back, self.number, self.session, self.events = os.fdopen(back, "rb"), 0, None, []

        def ends():  # Chromium reads at 3 and writes at 4.
            read, write = os.dup(theirs), os.dup(answers)
            os.dup2(read, 3), os.dup2(write, 4)

        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
        command += ["--disable-background-networking", "--disable-component-update", "--hide-scrollbars"]
        command += ["--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"]
        log = open(FOLDER / "browser.log", "ab")
        self.process = subprocess.Popen(command, preexec_fn=ends, pass_fds=(3, 4), stderr=log, stdout=log, start_new_session=True)
        os.close(theirs), os.close(answers)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")

    def read(self):
        message = bytearray()
        while (byte := self.back.read(1)) != b"\0":
            if not byte:
                sys.exit("the browser has gone; see browser.log")
            message += byte
        return json.loads(message)

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while (answer := self.read()).get("id") != self.number:
            self.events.append(answer.get("method"))
        if "error" in answer:
            sys.exit(f"{method}: {answer['error']}")
        return answer["result"]

    def open(self, url, width, scheme):
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=media)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        for address in "about:blank", url:  # an empty page between, so that the same address is a new page
            self.events.clear()
            self.call("Page.navigate", url=address)
            while "Page.loadEventFired" not in self.events:
                self.events.append(self.read().get("method"))

    def ask(self, expression):
        result = self.call("Runtime.evaluate", expression=f"{{{ASKED}{expression}}}", returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            sys.exit(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def until(self, condition):
        """Whether the page comes to this, frame by frame; given up after 300 frames."""
        wait = "(ok, n) => " + condition + " ? ok(true) : n ? requestAnimationFrame(() => wait(ok, n - 1)) : ok(false)"
        return self.ask(f"const wait = {wait}; new Promise((ok) => wait(ok, 300))")

    def press(self, key, times=1):
        code = {"key": key, "windowsVirtualKeyCode": KEYS.get(key, ord(key[0].upper()))}
        text = TEXTS.get(key, key if len(key) == 1 else None)
        for _ in range(times):
            down = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
            self.call("Input.dispatchKeyEvent", **down, **code)
            self.call("Input.dispatchKeyEvent", type="keyUp", **code)

    def write(self, text):
        for character in text:
            self.press(character)

    def focus(self):
        return self.ask("focus()")

    def shot(self, name):
        data = self.call("Page.captureScreenshot", format="png")["data"]
        (FOLDER / f"{name}.png").write_bytes(base64.b64decode(data))


def check(what, holds, why=""):
    print(f"{'ok' if holds else 'FAILED'}: by keyboard, {what}" + (f": {why}" if why and not holds else ""))
    if not holds:
        failed.append(what)


def seen(focus):
    return focus["marked"] and focus["inside"]


def walk(browser, what):
    """Every stop of Tab, from the top to where the page ends."""
    stops, hidden = [], []
    for _ in range(2000):
        browser.press("Tab")
        focus = browser.focus()
        if focus["tag"] == "body" or stops and focus["at"] <= stops[-1]["at"]:
            break
        stops.append(focus)
        if not seen(focus):
            hidden.append(focus)
    check(f"{what}: each of {len(stops)} stops is seen", len(stops) > 10 and not hidden, hidden[:3])
    return stops


def head(browser, name):
    browser.press("Tab")
    first = browser.focus()
    check(f"{name}: the first stop leads past the head", first["is"] == "Skip to the cases" and seen(first), first)
    browser.shot(f"key-{name}-skip")
    browser.press("Enter")
    browser.press("Tab")
    check(f"{name}: and after it comes the filter", browser.focus()["is"] == "text", browser.focus())


def narrowing(browser, name):
    browser.write("map chunk")
    few = browser.ask("count.textContent")
    check(f"{name}: the filter is written in ({few})", 1 < int(few.split()[0]) < 30)
    browser.shot(f"key-{name}-filter")
    browser.press("Escape")
    check(f"{name}: Escape empties it", browser.until("text.value === '' && /^(\\d+) of \\1 /.test(count.textContent)"))
    browser.press("Tab")
    browser.press("ArrowDown", 9)
    last = browser.ask("verdict.value === [...verdict.options].at(-1).value && verdict.value")
    check(f"{name}: arrows choose the verdict ({last})", last and browser.until("count.textContent.split(' ')[0] !== '0'"))
    browser.press("Tab")
    browser.press("/")
    check(f"{name}: a slash leads to the filter", browser.focus()["is"] == "text" and browser.ask("text.value") == "")


def opening(browser, name):
    browser.open(f"{PAGE}?text=S004-1", browser.width, browser.scheme)
    browser.press("/")
    browser.press("Tab", 3)
    link = browser.focus()
    check(f"{name}: the cases come after the filter", link["is"] in ("Cases and implementations", "tutorial/S004-1"), link)
    while browser.focus()["tag"] != "a":
        browser.press("Tab")
    browser.press("Enter")
    opened = "document.activeElement.matches('details[open].case > summary')"
    check(f"{name}: Enter opens the run and goes on there", browser.until(opened) and seen(browser.focus()), browser.focus())
    browser.shot(f"key-{name}-run")
    browser.press("Enter")
    check(f"{name}: Enter closes it", browser.until(f"!{opened}"))
    browser.press(" ")
    check(f"{name}: the space bar opens it", browser.until(opened))
    browser.press(" ")
    browser.ask("document.querySelector(`a[href='${location.hash}']`).focus()")
    browser.press("Enter")
    check(f"{name}: the same link opens it once more", browser.until(opened))
    # From the contract to a run that the filter hides.
    browser.ask("""const hidden = (a) => document.querySelector(`details:has(${a.hash})`).hidden;
      const link = [...document.querySelectorAll('#contract a')].find(hidden), list = link.closest('details');
      if (list) list.open = true;
      link.focus();""")
    browser.press("Enter")
    there = "document.activeElement.matches('details.case > summary') && !document.activeElement.closest('[hidden]')"
    check(f"{name}: a link to a hidden run shows it", browser.until(f"{there} && text.value === ''"))


def scrolling(browser, name):
    browser.ask("document.querySelector('.tall').focus()")
    browser.press("ArrowDown", 3)
    check(f"{name}: arrows scroll the table", browser.until("document.querySelector('.tall').scrollTop > 0"))
    if browser.width < 600:
        wide = "[...document.querySelectorAll('.scroll')].find((e) => e.scrollWidth > e.clientWidth)"
        browser.ask(f"{wide}.focus()")
        browser.press("ArrowRight", 3)
        check(f"{name}: also to the side", browser.until("document.activeElement.scrollLeft > 0"))
        fits = "document.documentElement.scrollWidth <= innerWidth"
        check(f"{name}: nothing but such a part is wider than the window", browser.ask(fits))


def pictures(browser, name):
    """The failures from their list, each with its picture."""
    count = browser.ask("document.querySelectorAll('.failures a').length")
    for number in range(count):
        browser.ask(f"document.querySelectorAll('.failures a')[{number}].focus()")
        browser.press("Enter")
        browser.until("document.activeElement.matches('summary')")
        browser.shot(f"key-{name}-failure-{number}")
    check(f"{name}: there are failures to look at", count > 1)


def main():
    profile = tempfile.mkdtemp()
    browser = Browser(profile)
    try:
        for width, scheme in (1200, "light"), (1200, "dark"), (500, "light"), (500, "dark"):
            name = f"{scheme}-{width}"
            browser.width, browser.scheme = width, scheme
            browser.open(PAGE, width, scheme)
            head(browser, name)
            narrowing(browser, name)
            opening(browser, name)
            scrolling(browser, name)
            pictures(browser, name)
            browser.open(f"{PAGE}?verdict=fail", width, scheme)
            walk(browser, name)
    finally:
        os.killpg(browser.process.pid, signal.SIGKILL)
        browser.process.wait()
        shutil.rmtree(profile, ignore_errors=True)
    sys.exit(1 if failed else 0)


main()
