import time, collections
import pytest
from tests.browser.test_every_page import *
from tests.browser.test_every_page import addresses as addresses

for n in list(globals()):
    if n.startswith("test_"): del globals()[n]

def test_times(page, addresses):
    script = axe.source()
    t = collections.Counter()
    def m(name, f):
        a = time.monotonic(); r = f(); t[name] += time.monotonic() - a; return r
    print(len(addresses))
    for name, address in addresses.items():
        m("goto", lambda: page.goto(address))
        m("side", lambda: scrolls_sideways(page))
        m("cut", lambda: page.evaluate(CUT))
        m("script", lambda: page.evaluate(script))
        def run(): 
            return page.evaluate("(tags) => axe.run(document, {runOnly: tags, resultTypes: ['violations']})", axe.STANDARD)
        m("axe", run)
        m("axe again", run)
        m("resize", lambda: page.set_viewport_size(PHONE))
        m("axe phone", run)
        m("back", lambda: page.set_viewport_size(DESKTOP))
        m("axe color", lambda: page.evaluate("() => axe.run(document, {runOnly: ['cat.color'], resultTypes: ['violations']})"))
    for k, v in t.items(): print(k, round(v, 1))
